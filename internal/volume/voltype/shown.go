package voltype

import "context"

// Shown is what the actor sees of types besides what everybody sees.
type Shown struct {
	Specs, AllSpecs bool // extra specs, and those that are not for users
	QoS             bool
	Access          bool
}

// Shown says it.
func (s *Service) Shown(ctx context.Context) Shown {
	may := func(rule string) bool { return s.check(ctx, "volume_extension:"+rule) == nil }
	return Shown{
		Specs: may("access_types_extra_specs"), AllSpecs: may("types_extra_specs:read_sensitive"),
		QoS: may("access_types_qos_specs_id"), Access: may("volume_type_access"),
	}
}

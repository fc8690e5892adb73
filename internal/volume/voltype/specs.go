package voltype

import (
	"context"
	"maps"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// readSensitive is the rule for all extra specs of types.
const readSensitive = "volume_extension:types_extra_specs:read_sensitive"

// ExtraSpecs returns those of a type's extra specs that the actor may see.
func (s *Service) ExtraSpecs(ctx context.Context, id string) (map[string]string, error) {
	return s.specs(ctx, id, "volume_extension:types_extra_specs:index")
}

// ExtraSpec returns one.
func (s *Service) ExtraSpec(ctx context.Context, id, key string) (string, error) {
	specs, err := s.specs(ctx, id, "volume_extension:types_extra_specs:show")
	if err != nil {
		return "", err
	}
	v, ok := specs[key]
	if !ok {
		return "", noSpec(id, key)
	}
	return v, nil
}

func (s *Service) specs(ctx context.Context, id, rule string) (specs map[string]string, err error) {
	if err := s.check(ctx, rule); err != nil {
		return nil, err
	}
	all := s.check(ctx, readSensitive) == nil
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		t, err := s.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if specs = t.ExtraSpecs; !all {
			specs = t.Visible()
		}
		return nil
	})
	return specs, err
}

// SetExtraSpecs adds extra specs to a type, or replaces them.
func (s *Service) SetExtraSpecs(ctx context.Context, id string, set map[string]string) error {
	return s.changeSpecs(ctx, id, "volume_extension:types_extra_specs:create", set)
}

// UpdateExtraSpec replaces one extra spec, or adds it.
func (s *Service) UpdateExtraSpec(ctx context.Context, id string, set map[string]string) error {
	return s.changeSpecs(ctx, id, "volume_extension:types_extra_specs:update", set)
}

func (s *Service) changeSpecs(ctx context.Context, id, rule string, set map[string]string) error {
	_, err := s.change(ctx, id, rule, func(tx *store.Tx, t *Type) error {
		if err := s.unused(ctx, tx, id); err != nil {
			return err
		}
		if err := checkCacheable(t.ExtraSpecs, set); err != nil {
			return err
		}
		maps.Copy(t.ExtraSpecs, set)
		return nil
	})
	return err
}

// DeleteExtraSpec removes one.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	_, err := s.change(ctx, id, "volume_extension:types_extra_specs:delete", func(tx *store.Tx, t *Type) error {
		if err := s.unused(ctx, tx, id); err != nil {
			return err
		}
		if _, ok := t.ExtraSpecs[key]; !ok {
			return noSpec(id, key)
		}
		delete(t.ExtraSpecs, key)
		return nil
	})
	return err
}

// unused refuses to change what volumes were made with.
func (s *Service) unused(ctx context.Context, tx *store.Tx, id string) error {
	used, err := s.d.InUse(ctx, tx, id)
	if used || err != nil {
		return orInUse(err, "Volume Type is currently in use.")
	}
	return nil
}

// checkCacheable refuses a cache below volumes that several servers write to.
func checkCacheable(have, set map[string]string) error {
	all := maps.Clone(have)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, set)
	if t := (&Type{ExtraSpecs: all}); t.Multiattach() && t.is("cacheable") {
		return errs.New(errs.Invalid, "cacheable cannot be set with multiattach.")
	}
	return nil
}

func noSpec(id, key string) error {
	return errs.New(errs.NotFound, "Volume Type %s has no extra specs with key %s.", id, key)
}

package compute

// Families are the use cases by what they are about. What only they need of one
// another is in parts.
type Families struct {
	Interfaces        *Interfaces
	SecurityGroups    *SecurityGroups
	VolumeAttachments *VolumeAttachments
}

// parts do what several families need.
type parts struct {
	connections *connections
	refresh     *refresh
}

type (
	// Interfaces are the ports of servers.
	Interfaces struct{ *Service }
	// SecurityGroups are the groups of a server's ports.
	SecurityGroups struct{ *Service }
	// VolumeAttachments are the volumes of servers.
	VolumeAttachments struct{ *Service }

	// connections are the ways of a server's volumes to its host.
	connections struct{ *Service }
	// refresh has hosts apply what others change about their servers.
	refresh struct{ *Service }
)

func (s *Service) makeFamilies() {
	s.Interfaces, s.SecurityGroups, s.VolumeAttachments = &Interfaces{s}, &SecurityGroups{s}, &VolumeAttachments{s}
	s.connections, s.refresh = &connections{s}, &refresh{s}
}

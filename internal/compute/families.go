package compute

import "kumoi/internal/kernel/store"

// The families of use cases, each about one kind of resource.
type (
	// Servers are made, shown, changed and deleted.
	Servers struct{ *Service }
	// Power starts and stops guests, and boots them from other disks.
	Power struct{ *Service }
	// Moves take servers to other flavors and hosts.
	Moves struct{ *Service }
	// Migrations are the records of moves.
	Migrations struct{ *Service }
	// Shelves put servers away and take them back.
	Shelves struct{ *Service }
	// Snapshots are the images that are made of servers.
	Snapshots struct{ *Service }
	// Interfaces are the ports of servers.
	Interfaces struct{ *Service }
	// SecurityGroups are the groups of a server's ports.
	SecurityGroups struct{ *Service }
	// VolumeAttachments are the volumes of servers.
	VolumeAttachments struct{ *Service }
	// Consoles are the ways to a guest's screen and serial line, and what it wrote there.
	Consoles struct{ *Service }
	// Histories are the actions of servers.
	Histories struct{ *Service }
	// Explanations tell what became of servers and why.
	Explanations struct{ *Service }
	// ExternalEvents are news about servers from other services.
	ExternalEvents struct{ *Service }
	// Aggregates are sets of hosts.
	Aggregates struct {
		*Service
		table *store.Table[Aggregate]
	}
	// ServerGroups say how servers lie on hosts towards each other.
	ServerGroups struct {
		*Service
		table *store.Table[ServerGroup]
	}
	// ImageCaches are the images that hosts keep.
	ImageCaches struct{ *Service }
	// Reports are what hosts say about themselves and their guests.
	Reports struct{ *Service }
	// Proxies are other services as old versions showed them as compute's own.
	Proxies struct{ *Service }
)

// The parts that several families work with.
type (
	// orders judge what a server is ordered with; builder makes it.
	orders  struct{ *Service }
	builder struct{ *Service }
	// machines make guests as their servers say, and remove them.
	machines struct{ *Service }
	// connections are the ways of a server's volumes to its host.
	connections struct{ *Service }
	// refresh has hosts apply what others change about their servers.
	refresh struct{ *Service }
	// journal writes the history.
	journal struct{ *Service }
	// answers are what hosts ask for; repairs mend what they have otherwise.
	answers struct{ *Service }
	repairs struct{ *Service }
)

// Families are the use cases, by what they are about.
type Families struct {
	Servers           *Servers
	Power             *Power
	Moves             *Moves
	Migrations        *Migrations
	Shelves           *Shelves
	Snapshots         *Snapshots
	Interfaces        *Interfaces
	SecurityGroups    *SecurityGroups
	VolumeAttachments *VolumeAttachments
	Consoles          *Consoles
	Histories         *Histories
	Explanations      *Explanations
	ExternalEvents    *ExternalEvents
	Aggregates        *Aggregates
	ServerGroups      *ServerGroups
	ImageCaches       *ImageCaches
	Reports           *Reports
	Proxies           *Proxies
}

// parts do what several families need.
type parts struct {
	orders      *orders
	builder     *builder
	machines    *machines
	connections *connections
	refresh     *refresh
	journal     *journal
	answers     *answers
	repairs     *repairs
}

func (s *Service) makeFamilies(t Tables) {
	s.Families = Families{
		Servers: &Servers{s}, Power: &Power{s}, Moves: &Moves{s}, Migrations: &Migrations{s}, Shelves: &Shelves{s}, Snapshots: &Snapshots{s},
		Interfaces: &Interfaces{s}, SecurityGroups: &SecurityGroups{s}, VolumeAttachments: &VolumeAttachments{s}, Consoles: &Consoles{s},
		Histories: &Histories{s}, Explanations: &Explanations{s}, ExternalEvents: &ExternalEvents{s},
		Aggregates: &Aggregates{s, t.Aggregates}, ServerGroups: &ServerGroups{s, t.ServerGroups},
		ImageCaches: &ImageCaches{s}, Reports: &Reports{s}, Proxies: &Proxies{s},
	}
	s.parts = parts{
		orders: &orders{s}, builder: &builder{s}, machines: &machines{s}, connections: &connections{s}, refresh: &refresh{s},
		journal: &journal{s}, answers: &answers{s}, repairs: &repairs{s},
	}
}

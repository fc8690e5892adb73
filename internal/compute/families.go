package compute

import (
	"kumoi/internal/compute/aggregate"
	"kumoi/internal/compute/flavor"
	"kumoi/internal/compute/keypair"
	"kumoi/internal/compute/servergroup"
)

// The families of use cases, each about one kind of resource.
type (
	// Servers are made, shown, changed and deleted.
	Servers struct{ *core }
	// Power starts and stops guests, and boots them from other disks.
	Power struct{ *core }
	// Moves take servers to other flavors and hosts.
	Moves struct{ *core }
	// Migrations are the records of moves.
	Migrations struct{ *core }
	// Shelves put servers away and take them back.
	Shelves struct{ *core }
	// Snapshots are the images that are made of servers.
	Snapshots struct{ *core }
	// Interfaces are the ports of servers.
	Interfaces struct{ *core }
	// SecurityGroups are the groups of a server's ports.
	SecurityGroups struct{ *core }
	// VolumeAttachments are the volumes of servers.
	VolumeAttachments struct{ *core }
	// Consoles are the ways to a guest's screen and serial line, and what it wrote there.
	Consoles struct{ *core }
	// Histories are the actions of servers.
	Histories struct{ *core }
	// Explanations tell what became of servers and why.
	Explanations struct{ *core }
	// ExternalEvents are news about servers from other services.
	ExternalEvents struct{ *core }
	// Hosts are where guests run.
	Hosts struct{ *core }
	// Quotas are what projects may have, Usages what they had.
	Quotas struct{ *core }
	Usages struct{ *core }
	// ImageCaches are the images that hosts keep.
	ImageCaches struct{ *core }
	// Reports are what hosts say about themselves and their guests.
	Reports struct{ *core }
	// Proxies are other services as old versions showed them as compute's own.
	Proxies struct{ *core }
)

// The parts that several families work with.
type (
	// orders judge what a server is ordered with; builder makes it.
	orders  struct{ *core }
	builder struct{ *core }
	// scheduler chooses hosts.
	scheduler struct{ *core }
	// machines make guests as their servers say, and remove them.
	machines struct{ *core }
	// connections are the ways of a server's volumes to its host.
	connections struct{ *core }
	// refresh has hosts apply what others change about their servers.
	refresh struct{ *core }
	// journal writes the history.
	journal struct{ *core }
	// answers are what hosts ask for; repairs mend what they have otherwise.
	answers struct{ *core }
	repairs struct{ *core }
)

// Families are the use cases, by what they are about.
type Families struct {
	Flavors           *flavor.Service
	Keypairs          *keypair.Service
	ServerGroups      *servergroup.Service
	Aggregates        *aggregate.Service
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
	Hosts             *Hosts
	Quotas            *Quotas
	Usages            *Usages
	ImageCaches       *ImageCaches
	Reports           *Reports
	Proxies           *Proxies
}

// parts do what several families need.
type parts struct {
	orders      *orders
	builder     *builder
	scheduler   *scheduler
	machines    *machines
	connections *connections
	refresh     *refresh
	journal     *journal
	answers     *answers
	repairs     *repairs
}

func (s *core) makeFamilies() {
	s.Families = Families{
		Servers: &Servers{s}, Power: &Power{s}, Moves: &Moves{s}, Migrations: &Migrations{s}, Shelves: &Shelves{s}, Snapshots: &Snapshots{s},
		Interfaces: &Interfaces{s}, SecurityGroups: &SecurityGroups{s}, VolumeAttachments: &VolumeAttachments{s}, Consoles: &Consoles{s},
		Histories: &Histories{s}, Explanations: &Explanations{s}, ExternalEvents: &ExternalEvents{s},
		Hosts: &Hosts{s}, Quotas: &Quotas{s}, Usages: &Usages{s},
		ImageCaches: &ImageCaches{s}, Reports: &Reports{s}, Proxies: &Proxies{s},
	}
	s.parts = parts{
		orders: &orders{s}, builder: &builder{s}, scheduler: &scheduler{s}, machines: &machines{s}, connections: &connections{s}, refresh: &refresh{s},
		journal: &journal{s}, answers: &answers{s}, repairs: &repairs{s},
	}
}

// makePackages makes the families that are packages, and gives each what it needs
// of the rest.
func (s *core) makePackages(d Deps) {
	s.Flavors = flavor.New(flavor.Deps{
		DB: d.DB, Table: d.Tables.Flavors, Access: d.Tables.FlavorAccess, Now: s.now, Check: s.checkOwn, Allowed: s.may, Admin: s.isAdmin, Project: s.checkProject,
	})
	s.Keypairs = keypair.New(keypair.Deps{
		DB: d.DB, Table: d.Tables.Keypairs, Now: s.now, Check: s.check,
		Quotas: s.quotas, Counters: d.Store,
	})
	s.ServerGroups = servergroup.New(servergroup.Deps{
		DB: d.DB, Table: d.Tables.ServerGroups, Now: s.now, Check: s.check, CheckOwn: s.checkOwn, May: s.may, Admin: s.isAdmin,
		Quotas: s.quotas, Members: d.Store,
	})
	s.Aggregates = aggregate.New(aggregate.Deps{
		DB: d.DB, Table: d.Tables.Aggregates, Now: s.now, DefaultZone: s.cfg.DefaultZone, Check: s.checkOwn,
		Known: s.Hosts.known, Pinned: s.Hosts.pinned, Hosts: d.Store, Counters: d.Store,
	})
}

// Package catalog keeps what a cloud offers and where: regions, services,
// endpoints, groups of endpoints, which projects see which of them, and policy
// documents that clients keep about them.
package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// Deps is what a Catalog needs.
type Deps struct {
	family.Base
	Tables
	// Project refuses projects that do not exist.
	Project func(ctx context.Context, tx *store.Tx, id string) error
}

// Tables are where the catalogue is kept.
type Tables struct {
	Regions        *store.Table[Region]
	Services       *store.Table[Service]
	Endpoints      *store.Table[Endpoint]
	EndpointGroups *store.Table[EndpointGroup]
	Links          LinkTable
	Policies       *store.Table[Policy]
	Associations   *store.Table[Association]
}

// LinkTable keeps which projects see what.
type LinkTable interface {
	Link(ctx context.Context, tx *store.Tx, l Link) error
	Linked(ctx context.Context, tx *store.Tx, l Link) (bool, error)
	Unlink(ctx context.Context, tx *store.Tx, l Link) (bool, error)
	// Links lists the links that match the fields of l which are not empty.
	Links(ctx context.Context, tx *store.Tx, l Link) ([]Link, error)
	UnlinkProject(ctx context.Context, tx *store.Tx, projectID string) error
}

// Catalog is the catalogue: the use cases of its families, and what tokens and
// other services read of it.
type Catalog struct {
	Regions        *family.Family[Region]
	Services       *family.Family[Service]
	Endpoints      *family.Family[Endpoint]
	EndpointGroups *family.Family[EndpointGroup]
	Policies       *family.Family[Policy]
	Links          *Links
	Associations   *Associations

	b       family.Base
	t       Tables
	project func(ctx context.Context, tx *store.Tx, id string) error
}

// New returns the catalogue.
func New(d Deps) *Catalog {
	c := &Catalog{b: d.Base, t: d.Tables, project: d.Project}
	c.Regions, c.Services, c.Endpoints, c.EndpointGroups, c.Policies = c.regions(), c.services(), c.endpoints(), c.endpointGroups(), c.policies()
	c.Links, c.Associations = &Links{c}, &Associations{c}
	return c
}

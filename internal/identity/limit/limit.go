// Package limit keeps unified limits: what a project may have of a service's
// resources by default, and what single projects and domains may have instead.
package limit

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// RegisteredLimit is the default of a limit.
type RegisteredLimit struct {
	ID, ServiceID, RegionID, ResourceName string
	DefaultLimit                          int64
	Description                           string
}

// Limit overrides a registered limit for a project or a domain.
type Limit struct {
	ID, ProjectID, DomainID, ServiceID, RegionID, ResourceName string
	ResourceLimit                                              int64
	Description                                                string
}

// Deps is what a Service needs.
type Deps struct {
	family.Base
	Tables
	Strict bool // the model is strict two level instead of flat
	// All tells whether the actor sees every project's limits.
	All func(ctx context.Context) bool
	// Place refuses services and regions that the catalogue does not have, and
	// Services lists the ids of those of a type.
	Place    func(ctx context.Context, tx *store.Tx, serviceID, regionID string) error
	Services func(ctx context.Context, tx *store.Tx, serviceType string) ([]string, error)
	// Owner is the domain that a project belongs to; a domain is its own.
	Owner func(ctx context.Context, tx *store.Tx, projectID string) (domainID string, err error)
	// Domain refuses domains that do not exist.
	Domain func(ctx context.Context, tx *store.Tx, id string) error
}

// Tables are where limits are kept.
type Tables struct {
	Registered *store.Table[RegisteredLimit]
	Limits     *store.Table[Limit] // with the condition "in_domain"
}

// Service keeps limits.
type Service struct {
	Registered *RegisteredLimits
	Limits     *Limits

	b family.Base
	t Tables
	d Deps
}

// New returns the service.
func New(d Deps) *Service {
	s := &Service{b: d.Base, t: d.Tables, d: d}
	s.Registered, s.Limits = &RegisteredLimits{s}, &Limits{s}
	return s
}

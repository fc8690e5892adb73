package identity

import (
	"context"

	"kumoi/internal/identity/browser"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/limit"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// The families that are packages, and what each needs of the rest.

func (s *Service) newCatalog() *catalog.Catalog {
	return catalog.New(catalog.Deps{Base: s.base, Tables: s.store.Catalog, Project: s.projectThere})
}

func (s *Service) newFederation() *federation.Service {
	return federation.New(federation.Deps{
		Base: s.base, Tables: s.store.Federation, Domain: s.domainThere,
		NewDomain: func(ctx context.Context, tx *store.Tx, description string) (string, error) {
			d := Project{ID: ids.NewHex(), IsDomain: true, Enabled: true, Description: description}
			d.Name, d.Path = d.ID, d.ID+"/"
			return d.ID, s.store.Projects.Insert(ctx, tx, &d)
		},
	})
}

func (s *Service) newLimit() *limit.Service {
	return limit.New(limit.Deps{
		Base: s.base, Tables: s.store.Limit, Strict: s.cfg.StrictLimits, Domain: s.domainThere,
		All: func(ctx context.Context) bool {
			a := actor.From(ctx)
			return a.SystemScope != "" || s.policy.Allowed(ctx, "identity/admin_required", nil) || a.HasRole(serviceRole)
		},
		Place: s.Catalog.Has, Services: s.Catalog.ServicesOf,
		Owner: func(ctx context.Context, tx *store.Tx, projectID string) (string, error) {
			p, err := family.Get(ctx, tx, s.store.Projects.Table, projectID)
			return p.Owner(), err
		},
	})
}

func (s *Service) newOAuth1() *oauth1.Service {
	return oauth1.New(oauth1.Deps{
		Base: s.base, Tables: s.store.OAuth1, UseOnce: s.store.Users.UseOnce, Project: s.projectThere,
		Person: func(ctx context.Context) error { return proves(actor.From(ctx), "OAuth1 tokens") },
		Held: func(ctx context.Context, tx *store.Tx, userID, projectID string) ([]oauth1.Role, error) {
			p, err := family.Get(ctx, tx, s.store.Projects.Table, projectID)
			if err != nil {
				return nil, err
			}
			held, err := s.Trusts.trustorRoles(ctx, tx, userID, p)
			out := make([]oauth1.Role, len(held))
			for i, r := range held {
				out[i] = oauth1.Role{ID: r.ID, Name: r.Name}
			}
			return out, err
		},
	})
}

func (s *Service) newBrowsers() *browser.Service {
	return browser.New(browser.Deps{
		Base: s.base, Sessions: s.store.Browsers, Idle: s.cfg.SessionIdle, Life: s.cfg.SessionLife, Tag: chainTag,
		Void: func(v *browser.Session) bool {
			tags := []string{userTag(v.UserID), chainTag(v.AuditID)}
			if v.IdPID != "" {
				tags = append(tags, federation.Tag(v.IdPID))
			}
			return s.revoked.revoked(v.CreatedAt, tags)
		},
	})
}

func (s *Service) projectThere(ctx context.Context, tx *store.Tx, id string) error {
	_, err := family.Get(ctx, tx, s.store.Projects.Table, id)
	return err
}

func (s *Service) domainThere(ctx context.Context, tx *store.Tx, id string) error {
	_, err := s.Domains.get(ctx, tx, id)
	return err
}

// Allowances returns what a project may have of a service's resources, for the
// service that counts them.
func (s *Service) Allowances(ctx context.Context, tx *store.Tx, serviceType, regionID, projectID string) (map[string]int64, error) {
	return s.Limit.Allowances(ctx, tx, serviceType, regionID, projectID)
}

// RegionEndpoint returns the URL template of a service's endpoint in a region, for
// services that talk to their kin elsewhere; "" if there is none.
func (s *Service) RegionEndpoint(ctx context.Context, tx *store.Tx, serviceType, regionID, iface string) (string, error) {
	return s.Catalog.RegionEndpoint(ctx, tx, serviceType, regionID, iface)
}

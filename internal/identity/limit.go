package identity

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// LimitModel tells how limits of a hierarchy hang together.
func (s *Service) LimitModel(ctx context.Context) (name, description string, err error) {
	if err := s.check(ctx, "identity:get_limit_model", policy.Target{}); err != nil {
		return "", "", err
	}
	if s.cfg.StrictLimits {
		return "strict_two_level", "This model requires project hierarchy never exceeds a depth of two", nil
	}
	return "flat", "Limit enforcement and validation does not take project hierarchy into consideration.", nil
}

// where checks the service and region that a limit is about.
func (s *Service) where(ctx context.Context, tx *store.Tx, serviceID, regionID string) error {
	if _, err := s.store.Services.Get(ctx, tx, serviceID); err != nil {
		return asInvalid(err, "service_id", serviceID)
	}
	if regionID == "" {
		return nil
	}
	_, err := s.store.Regions.Get(ctx, tx, regionID)
	return asInvalid(err, "region_id", regionID)
}

// asInvalid turns the absence of what a body refers to into a wrong body.
func asInvalid(err error, field, value string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(errs.Invalid, err, "Expecting to find valid %s: %q does not exist.", field, value)
	}
	return err
}

// ListRegisteredLimits lists the defaults; everybody may.
func (s *Service) ListRegisteredLimits(ctx context.Context, q Query) (Page[RegisteredLimit], error) {
	if err := s.check(ctx, "identity:list_registered_limits", policy.Target{}); err != nil {
		return Page[RegisteredLimit]{}, err
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]RegisteredLimit, error) {
		return s.store.RegisteredLimits.List(ctx, tx, s.limited(q))
	})
	return page(s, q, rows), err
}

// GetRegisteredLimit returns a default.
func (s *Service) GetRegisteredLimit(ctx context.Context, id string) (RegisteredLimit, error) {
	if err := s.check(ctx, "identity:get_registered_limit", policy.Target{}); err != nil {
		return RegisteredLimit{}, err
	}
	return read(ctx, s, func(tx *store.Tx) (RegisteredLimit, error) { return s.store.RegisteredLimits.Get(ctx, tx, id) })
}

// CreateRegisteredLimits adds defaults, all or none.
func (s *Service) CreateRegisteredLimits(ctx context.Context, list []RegisteredLimit) ([]RegisteredLimit, error) {
	if err := s.check(ctx, "identity:create_registered_limits", policy.Target{}); err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx) ([]RegisteredLimit, error) {
		out := slices.Clone(list)
		for i := range out {
			l := &out[i]
			l.ID = ids.NewHex()
			if err := s.where(ctx, tx, l.ServiceID, l.RegionID); err != nil {
				return nil, err
			}
			if err := s.store.RegisteredLimits.Insert(ctx, tx, *l); err != nil {
				return nil, err
			}
			if err := s.noted(ctx, tx, "registered_limit", created, l.ID); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

// limitsOf lists the limits that hang from a default.
func (s *Service) limitsOf(ctx context.Context, tx *store.Tx, r RegisteredLimit) ([]Limit, error) {
	return s.store.Limits.List(ctx, tx, Query{Where: []Match{
		Eq("service_id", r.ServiceID), Eq("region_id", r.RegionID), Eq("resource_name", r.ResourceName),
	}})
}

// UpdateRegisteredLimit changes a default. What limits hang from stays as it is.
func (s *Service) UpdateRegisteredLimit(ctx context.Context, id string, change func(r *RegisteredLimit)) (RegisteredLimit, error) {
	if err := s.check(ctx, "identity:update_registered_limit", policy.Target{}); err != nil {
		return RegisteredLimit{}, err
	}
	return write(ctx, s, func(tx *store.Tx) (RegisteredLimit, error) {
		r, err := s.store.RegisteredLimits.Get(ctx, tx, id)
		if err != nil {
			return r, err
		}
		before := r
		change(&r)
		if err := s.where(ctx, tx, r.ServiceID, r.RegionID); err != nil {
			return r, err
		}
		if r.ServiceID != before.ServiceID || r.RegionID != before.RegionID || r.ResourceName != before.ResourceName {
			if err := s.unused(ctx, tx, before, "update"); err != nil {
				return r, err
			}
		}
		if err := s.store.RegisteredLimits.Update(ctx, tx, r); err != nil {
			return r, err
		}
		return r, s.noted(ctx, tx, "registered_limit", updated, id)
	})
}

func (s *Service) unused(ctx context.Context, tx *store.Tx, r RegisteredLimit, verb string) error {
	have, err := s.limitsOf(ctx, tx, r)
	if err == nil && len(have) > 0 {
		err = errs.New(errs.Forbidden, "Unable to %s registered limit %s because there are project limits associated with it.", verb, r.ID)
	}
	return err
}

// DeleteRegisteredLimit deletes a default that no limit hangs from.
func (s *Service) DeleteRegisteredLimit(ctx context.Context, id string) error {
	if err := s.check(ctx, "identity:delete_registered_limit", policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		r, err := s.store.RegisteredLimits.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.unused(ctx, tx, r, "delete"); err != nil {
			return err
		}
		if err := s.store.RegisteredLimits.Delete(ctx, tx, id); err != nil {
			return err
		}
		return s.noted(ctx, tx, "registered_limit", deleted, id)
	})
}

// ListLimits lists limits. Administrators, services and the system see all,
// a domain sees its own and its projects', a project its own.
func (s *Service) ListLimits(ctx context.Context, q Query) (Page[Limit], error) {
	if err := s.check(ctx, "identity:list_limits", policy.Target{}); err != nil {
		return Page[Limit]{}, err
	}
	a := actor.From(ctx)
	all := a.SystemScope != "" || s.policy.Allowed(ctx, "identity/admin_required", nil) || a.HasRole(serviceRole)
	switch {
	case all:
	case a.DomainID != "":
	case a.ProjectID != "":
		q.Where = append(q.Where, Eq("project_id", a.ProjectID))
	default:
		return Page[Limit]{}, nil
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]Limit, error) {
		if all || a.DomainID == "" {
			return s.store.Limits.List(ctx, tx, s.limited(q))
		}
		return s.domainLimits(ctx, tx, q, a.DomainID)
	})
	return page(s, q, rows), err
}

func (s *Service) domainLimits(ctx context.Context, tx *store.Tx, q Query, domainID string) ([]Limit, error) {
	own := q
	own.Where = append(slices.Clone(q.Where), Eq("domain_id", domainID))
	rows, err := s.store.Limits.List(ctx, tx, s.limited(own))
	if err != nil {
		return nil, err
	}
	projects, err := s.store.Projects.List(ctx, tx, Query{Where: []Match{Eq("domain_id", domainID)}})
	if err != nil {
		return nil, err
	}
	projectIDs := make([]string, len(projects))
	for i, p := range projects {
		projectIDs[i] = p.ID
	}
	for part := range slices.Chunk(projectIDs, 500) {
		theirs := q
		theirs.Where = append(slices.Clone(q.Where), Match{Field: "project_id", Op: In, Value: part})
		more, err := s.store.Limits.List(ctx, tx, s.limited(theirs))
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	slices.SortFunc(rows, func(a, b Limit) int { return compare(a.ID, b.ID) })
	return rows, nil
}

// ProjectLimits lists a project's limits; the caller has checked who asks.
func (s *Service) ProjectLimits(ctx context.Context, projectID string) ([]Limit, error) {
	return read(ctx, s, func(tx *store.Tx) ([]Limit, error) {
		return s.store.Limits.List(ctx, tx, Query{Where: []Match{Eq("project_id", projectID)}})
	})
}

// GetLimit returns a limit.
func (s *Service) GetLimit(ctx context.Context, id string) (Limit, error) {
	return read(ctx, s, func(tx *store.Tx) (Limit, error) {
		l, err := s.store.Limits.Get(ctx, tx, id)
		if err != nil {
			return l, err
		}
		target := policy.Target{"target.limit.project_id": none(l.ProjectID)}
		if l.DomainID != "" {
			target["target.limit.domain.id"] = l.DomainID
		}
		if l.ProjectID != "" {
			p, err := s.store.Projects.Get(ctx, tx, l.ProjectID)
			if err != nil {
				return l, err
			}
			target["target.limit.project.domain_id"] = none(p.DomainID)
		}
		return l, s.check(ctx, "identity:get_limit", target)
	})
}

// CreateLimits adds limits, all or none.
func (s *Service) CreateLimits(ctx context.Context, list []Limit) ([]Limit, error) {
	if err := s.check(ctx, "identity:create_limits", policy.Target{}); err != nil {
		return nil, err
	}
	return write(ctx, s, func(tx *store.Tx) ([]Limit, error) {
		out := slices.Clone(list)
		for i := range out {
			out[i].ID = ids.NewHex()
			if err := s.validLimit(ctx, tx, &out[i]); err != nil {
				return nil, err
			}
		}
		// All are stored first, so that those of one request see each other.
		for _, l := range out {
			if err := s.store.Limits.Insert(ctx, tx, l); err != nil {
				return nil, err
			}
			if err := s.noted(ctx, tx, "limit", created, l.ID); err != nil {
				return nil, err
			}
		}
		for _, l := range out {
			if err := s.fitsHierarchy(ctx, tx, l); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
}

func (s *Service) validLimit(ctx context.Context, tx *store.Tx, l *Limit) error {
	if err := s.where(ctx, tx, l.ServiceID, l.RegionID); err != nil {
		return err
	}
	if l.ProjectID != "" {
		p, err := s.store.Projects.Get(ctx, tx, l.ProjectID)
		if err != nil {
			return asInvalid(err, "project_id", l.ProjectID)
		}
		if p.IsDomain {
			l.ProjectID, l.DomainID = "", p.ID
		}
	}
	if l.DomainID != "" {
		if _, err := s.domain(ctx, tx, l.DomainID); err != nil {
			return asInvalid(err, "domain_id", l.DomainID)
		}
	}
	def, err := s.store.RegisteredLimits.List(ctx, tx, Query{Where: []Match{
		Eq("service_id", l.ServiceID), Eq("region_id", l.RegionID), Eq("resource_name", l.ResourceName),
	}})
	if err == nil && len(def) == 0 {
		err = errs.New(errs.Forbidden, "Unable to create a limit that has no corresponding registered limit.")
	}
	return err
}

// fitsHierarchy holds the strict model: a project has at most what its domain
// has, and a domain at least what each of its projects has.
func (s *Service) fitsHierarchy(ctx context.Context, tx *store.Tx, l Limit) error {
	if !s.cfg.StrictLimits {
		return nil
	}
	same := []Match{Eq("service_id", l.ServiceID), Eq("region_id", l.RegionID), Eq("resource_name", l.ResourceName)}
	refuse := func() error {
		return errs.New(errs.Forbidden, "Invalid resource limit: the limit %d of %s for %s%s does not satisfy the hierarchy model.",
			l.ResourceLimit, l.ResourceName, l.ProjectID, l.DomainID)
	}
	if l.ProjectID != "" {
		p, err := s.store.Projects.Get(ctx, tx, l.ProjectID)
		if err != nil {
			return err
		}
		above, err := s.store.Limits.List(ctx, tx, Query{Where: append(slices.Clone(same), Eq("domain_id", p.DomainID))})
		if err != nil {
			return err
		}
		if len(above) > 0 && l.ResourceLimit > above[0].ResourceLimit {
			return refuse()
		}
		if len(above) > 0 {
			return nil
		}
		def, err := s.store.RegisteredLimits.List(ctx, tx, Query{Where: same})
		if err == nil && len(def) > 0 && l.ResourceLimit > def[0].DefaultLimit {
			err = refuse()
		}
		return err
	}
	all, err := s.store.Limits.List(ctx, tx, Query{Where: same})
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ProjectID == "" || other.ResourceLimit <= l.ResourceLimit {
			continue
		}
		p, err := s.store.Projects.Get(ctx, tx, other.ProjectID)
		if err != nil {
			return err
		}
		if p.DomainID == l.DomainID {
			return refuse()
		}
	}
	return nil
}

// UpdateLimit changes a limit.
func (s *Service) UpdateLimit(ctx context.Context, id string, change func(l *Limit)) (Limit, error) {
	if err := s.check(ctx, "identity:update_limit", policy.Target{}); err != nil {
		return Limit{}, err
	}
	return write(ctx, s, func(tx *store.Tx) (Limit, error) {
		l, err := s.store.Limits.Get(ctx, tx, id)
		if err != nil {
			return l, err
		}
		change(&l)
		if err := s.fitsHierarchy(ctx, tx, l); err != nil {
			return l, err
		}
		if err := s.store.Limits.Update(ctx, tx, l); err != nil {
			return l, err
		}
		return l, s.noted(ctx, tx, "limit", updated, id)
	})
}

// DeleteLimit deletes a limit; the default holds again.
func (s *Service) DeleteLimit(ctx context.Context, id string) error {
	if err := s.check(ctx, "identity:delete_limit", policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.store.Limits.Delete(ctx, tx, id); err != nil {
			return err
		}
		return s.noted(ctx, tx, "limit", deleted, id)
	})
}

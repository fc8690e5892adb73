package identity

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Model tells how limits of a hierarchy hang together.
func (f *Limits) Model(ctx context.Context) (name, description string, err error) {
	if err := f.s.check(ctx, "identity:get_limit_model", policy.Target{}); err != nil {
		return "", "", err
	}
	if f.s.cfg.StrictLimits {
		return "strict_two_level", "This model requires project hierarchy never exceeds a depth of two", nil
	}
	return "flat", "Limit enforcement and validation does not take project hierarchy into consideration.", nil
}

// where checks the service and region that a limit is about.
func (s *Service) where(ctx context.Context, tx *store.Tx, serviceID, regionID string) error {
	if _, err := get(ctx, tx, s.store.Services, serviceID); err != nil {
		return asInvalid(err, "service_id", serviceID)
	}
	if regionID == "" {
		return nil
	}
	_, err := get(ctx, tx, s.store.Regions, regionID)
	return asInvalid(err, "region_id", regionID)
}

// asInvalid turns the absence of what a body refers to into a wrong body.
func asInvalid(err error, field, value string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.Wrap(errs.Invalid, err, "Expecting to find valid %s: %q does not exist.", field, value)
	}
	return err
}

// List lists the defaults; everybody may.
func (f *RegisteredLimits) List(ctx context.Context, q store.Query) (store.Page[RegisteredLimit], error) {
	if err := f.s.check(ctx, "identity:list_registered_limits", policy.Target{}); err != nil {
		return store.Page[RegisteredLimit]{}, err
	}
	return list(ctx, f.s, f.s.store.RegisteredLimits, q)
}

// Show returns a default.
func (f *RegisteredLimits) Show(ctx context.Context, id string) (*RegisteredLimit, error) {
	if err := f.s.check(ctx, "identity:get_registered_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return one(read(ctx, f.s, func(tx *store.Tx) (RegisteredLimit, error) { return get(ctx, tx, f.s.store.RegisteredLimits, id) }))
}

// CreateMany adds defaults, all or none.
func (f *RegisteredLimits) CreateMany(ctx context.Context, list []RegisteredLimit) ([]*RegisteredLimit, error) {
	if err := f.s.check(ctx, "identity:create_registered_limits", policy.Target{}); err != nil {
		return nil, err
	}
	rows, err := write(ctx, f.s, func(tx *store.Tx) ([]RegisteredLimit, error) {
		out := slices.Clone(list)
		for i := range out {
			l := &out[i]
			l.ID = ids.NewHex()
			if err := f.s.where(ctx, tx, l.ServiceID, l.RegionID); err != nil {
				return nil, err
			}
			if err := f.s.store.RegisteredLimits.Insert(ctx, tx, l); err != nil {
				return nil, err
			}
			if err := f.s.made(ctx, tx, "registered_limit", l.ID); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	return pointers(rows), err
}

// limitsOf lists the limits that hang from a default.
func (s *Service) limitsOf(ctx context.Context, tx *store.Tx, r RegisteredLimit) ([]Limit, error) {
	return find(ctx, tx, s.store.Limits, store.Eq("service_id", r.ServiceID), store.Eq("region_id", r.RegionID), store.Eq("resource_name", r.ResourceName))
}

// Update changes a default. What limits hang from stays as it is.
func (f *RegisteredLimits) Update(ctx context.Context, id string, in change.Patch[RegisteredLimit]) (*RegisteredLimit, error) {
	if err := f.s.check(ctx, "identity:update_registered_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return one(write(ctx, f.s, func(tx *store.Tx) (RegisteredLimit, error) {
		r, err := get(ctx, tx, f.s.store.RegisteredLimits, id)
		if err != nil {
			return r, err
		}
		before := r
		if err := in.To(&r); err != nil {
			return r, err
		}
		if err := f.s.where(ctx, tx, r.ServiceID, r.RegionID); err != nil {
			return r, err
		}
		if r.ServiceID != before.ServiceID || r.RegionID != before.RegionID || r.ResourceName != before.ResourceName {
			if err := f.s.unused(ctx, tx, before, "update"); err != nil {
				return r, err
			}
		}
		if err := f.s.store.RegisteredLimits.Update(ctx, tx, &r); err != nil {
			return r, err
		}
		return r, f.s.noted(ctx, tx, "registered_limit", updated, id)
	}))
}

func (s *Service) unused(ctx context.Context, tx *store.Tx, r RegisteredLimit, verb string) error {
	have, err := s.limitsOf(ctx, tx, r)
	if err == nil && len(have) > 0 {
		err = errs.New(errs.Forbidden, "Unable to %s registered limit %s because there are project limits associated with it.", verb, r.ID)
	}
	return err
}

// Delete deletes a default that no limit hangs from.
func (f *RegisteredLimits) Delete(ctx context.Context, id string) error {
	if err := f.s.check(ctx, "identity:delete_registered_limit", policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		r, err := get(ctx, tx, f.s.store.RegisteredLimits, id)
		if err != nil {
			return err
		}
		if err := f.s.unused(ctx, tx, r, "delete"); err != nil {
			return err
		}
		if err := f.s.store.RegisteredLimits.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.noted(ctx, tx, "registered_limit", deleted, id)
	})
}

// List lists limits. Administrators, services and the system see all,
// a domain sees its own and its projects', a project its own.
func (f *Limits) List(ctx context.Context, q store.Query) (store.Page[Limit], error) {
	if err := f.s.check(ctx, "identity:list_limits", policy.Target{}); err != nil {
		return store.Page[Limit]{}, err
	}
	a := actor.From(ctx)
	all := a.SystemScope != "" || f.s.policy.Allowed(ctx, "identity/admin_required", nil) || a.HasRole(serviceRole)
	switch {
	case all:
	case a.DomainID != "":
		q = q.Within(store.Is("in_domain", a.DomainID))
	case a.ProjectID != "":
		q = q.Within(store.Eq("project_id", a.ProjectID))
	default:
		return store.Page[Limit]{Rows: []*Limit{}}, nil
	}
	return list(ctx, f.s, f.s.store.Limits, q)
}

// OfProject lists a project's limits; the caller has checked who asks.
func (f *Limits) OfProject(ctx context.Context, projectID string) ([]Limit, error) {
	return read(ctx, f.s, func(tx *store.Tx) ([]Limit, error) {
		return find(ctx, tx, f.s.store.Limits, store.Eq("project_id", projectID))
	})
}

// Show returns a limit.
func (f *Limits) Show(ctx context.Context, id string) (*Limit, error) {
	return one(read(ctx, f.s, func(tx *store.Tx) (Limit, error) {
		l, err := get(ctx, tx, f.s.store.Limits, id)
		if err != nil {
			return l, err
		}
		target := policy.Target{"target.limit.project_id": none(l.ProjectID)}
		if l.DomainID != "" {
			target["target.limit.domain.id"] = l.DomainID
		}
		if l.ProjectID != "" {
			p, err := get(ctx, tx, f.s.store.Projects.Table, l.ProjectID)
			if err != nil {
				return l, err
			}
			target["target.limit.project.domain_id"] = none(p.DomainID)
		}
		return l, f.s.check(ctx, "identity:get_limit", target)
	}))
}

// CreateMany adds limits, all or none.
func (f *Limits) CreateMany(ctx context.Context, list []Limit) ([]*Limit, error) {
	if err := f.s.check(ctx, "identity:create_limits", policy.Target{}); err != nil {
		return nil, err
	}
	rows, err := write(ctx, f.s, func(tx *store.Tx) ([]Limit, error) {
		out := slices.Clone(list)
		for i := range out {
			out[i].ID = ids.NewHex()
			if err := f.s.validLimit(ctx, tx, &out[i]); err != nil {
				return nil, err
			}
		}
		// All are stored first, so that those of one request see each other.
		for _, l := range out {
			if err := f.s.store.Limits.Insert(ctx, tx, &l); err != nil {
				return nil, err
			}
			if err := f.s.made(ctx, tx, "limit", l.ID); err != nil {
				return nil, err
			}
		}
		for _, l := range out {
			if err := f.s.fitsHierarchy(ctx, tx, l); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	return pointers(rows), err
}

func (s *Service) validLimit(ctx context.Context, tx *store.Tx, l *Limit) error {
	if err := s.where(ctx, tx, l.ServiceID, l.RegionID); err != nil {
		return err
	}
	if l.ProjectID != "" {
		p, err := get(ctx, tx, s.store.Projects.Table, l.ProjectID)
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
	def, err := find(ctx, tx, s.store.RegisteredLimits, store.Eq("service_id", l.ServiceID), store.Eq("region_id", l.RegionID), store.Eq("resource_name", l.ResourceName))
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
	same := []store.Cond{store.Eq("service_id", l.ServiceID), store.Eq("region_id", l.RegionID), store.Eq("resource_name", l.ResourceName)}
	refuse := func() error {
		return errs.New(errs.Forbidden, "Invalid resource limit: the limit %d of %s for %s%s does not satisfy the hierarchy model.",
			l.ResourceLimit, l.ResourceName, l.ProjectID, l.DomainID)
	}
	if l.ProjectID != "" {
		p, err := get(ctx, tx, s.store.Projects.Table, l.ProjectID)
		if err != nil {
			return err
		}
		above, err := find(ctx, tx, s.store.Limits, append(slices.Clone(same), store.Eq("domain_id", p.DomainID))...)
		if err != nil {
			return err
		}
		if len(above) > 0 && l.ResourceLimit > above[0].ResourceLimit {
			return refuse()
		}
		if len(above) > 0 {
			return nil
		}
		def, err := find(ctx, tx, s.store.RegisteredLimits, same...)
		if err == nil && len(def) > 0 && l.ResourceLimit > def[0].DefaultLimit {
			err = refuse()
		}
		return err
	}
	all, err := find(ctx, tx, s.store.Limits, same...)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ProjectID == "" || other.ResourceLimit <= l.ResourceLimit {
			continue
		}
		p, err := get(ctx, tx, s.store.Projects.Table, other.ProjectID)
		if err != nil {
			return err
		}
		if p.DomainID == l.DomainID {
			return refuse()
		}
	}
	return nil
}

// Update changes a limit.
func (f *Limits) Update(ctx context.Context, id string, in change.Patch[Limit]) (*Limit, error) {
	if err := f.s.check(ctx, "identity:update_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return one(write(ctx, f.s, func(tx *store.Tx) (Limit, error) {
		l, err := get(ctx, tx, f.s.store.Limits, id)
		if err != nil {
			return l, err
		}
		if err := in.To(&l); err != nil {
			return l, err
		}
		if err := f.s.fitsHierarchy(ctx, tx, l); err != nil {
			return l, err
		}
		if err := f.s.store.Limits.Update(ctx, tx, &l); err != nil {
			return l, err
		}
		return l, f.s.noted(ctx, tx, "limit", updated, id)
	}))
}

// Delete deletes a limit; the default holds again.
func (f *Limits) Delete(ctx context.Context, id string) error {
	if err := f.s.check(ctx, "identity:delete_limit", policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.s.store.Limits.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.noted(ctx, tx, "limit", deleted, id)
	})
}

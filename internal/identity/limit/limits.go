package limit

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Limits are the use cases of limits.
type Limits struct{ s *Service }

// Model tells how limits of a hierarchy hang together.
func (f *Limits) Model(ctx context.Context) (name, description string, err error) {
	if err := f.s.b.Check(ctx, "identity:get_limit_model", policy.Target{}); err != nil {
		return "", "", err
	}
	if f.s.d.Strict {
		return "strict_two_level", "This model requires project hierarchy never exceeds a depth of two", nil
	}
	return "flat", "Limit enforcement and validation does not take project hierarchy into consideration.", nil
}

// List lists limits. Administrators, services and the system see all,
// a domain sees its own and its projects', a project its own.
func (f *Limits) List(ctx context.Context, q store.Query) (store.Page[Limit], error) {
	if err := f.s.b.Check(ctx, "identity:list_limits", policy.Target{}); err != nil {
		return store.Page[Limit]{}, err
	}
	a := actor.From(ctx)
	switch {
	case f.s.d.All(ctx):
	case a.DomainID != "":
		q = q.Within(store.Is("in_domain", a.DomainID))
	case a.ProjectID != "":
		q = q.Within(store.Eq("project_id", a.ProjectID))
	default:
		return store.Page[Limit]{Rows: []*Limit{}}, nil
	}
	return family.List(ctx, f.s.b, f.s.t.Limits, q)
}

// OfProject lists a project's limits; the caller has checked who asks.
func (f *Limits) OfProject(ctx context.Context, projectID string) ([]Limit, error) {
	return family.Read(ctx, f.s.b.DB, func(tx *store.Tx) ([]Limit, error) {
		return family.Find(ctx, tx, f.s.t.Limits, store.Eq("project_id", projectID))
	})
}

// Show returns a limit.
func (f *Limits) Show(ctx context.Context, id string) (*Limit, error) {
	return family.One(family.Read(ctx, f.s.b.DB, func(tx *store.Tx) (Limit, error) {
		l, err := family.Get(ctx, tx, f.s.t.Limits, id)
		if err != nil {
			return l, err
		}
		target := policy.Target{"target.limit.project_id": cmp.Or(l.ProjectID, "None")}
		if l.DomainID != "" {
			target["target.limit.domain.id"] = l.DomainID
		}
		if l.ProjectID != "" {
			owner, err := f.s.d.Owner(ctx, tx, l.ProjectID)
			if err != nil {
				return l, err
			}
			target["target.limit.project.domain_id"] = owner
		}
		return l, f.s.b.Check(ctx, "identity:get_limit", target)
	}))
}

// CreateMany adds limits, all or none.
func (f *Limits) CreateMany(ctx context.Context, list []Limit) ([]*Limit, error) {
	if err := f.s.b.Check(ctx, "identity:create_limits", policy.Target{}); err != nil {
		return nil, err
	}
	rows, err := family.Write(ctx, f.s.b.DB, func(tx *store.Tx) ([]Limit, error) {
		out := slices.Clone(list)
		for i := range out {
			out[i].ID = ids.NewHex()
			if err := f.valid(ctx, tx, &out[i]); err != nil {
				return nil, err
			}
		}
		// All are stored first, so that those of one request see each other.
		for _, l := range out {
			if err := f.s.t.Limits.Insert(ctx, tx, &l); err != nil {
				return nil, err
			}
			if err := f.s.b.Made(ctx, tx, "limit", l.ID); err != nil {
				return nil, err
			}
		}
		for _, l := range out {
			if err := f.fitsHierarchy(ctx, tx, l); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	return family.Pointers(rows), err
}

func (f *Limits) valid(ctx context.Context, tx *store.Tx, l *Limit) error {
	if err := f.s.d.Place(ctx, tx, l.ServiceID, l.RegionID); err != nil {
		return err
	}
	if l.ProjectID != "" {
		owner, err := f.s.d.Owner(ctx, tx, l.ProjectID)
		if err != nil {
			return family.AsInvalid(err, "project_id", l.ProjectID)
		}
		if owner == l.ProjectID {
			l.ProjectID, l.DomainID = "", owner
		}
	}
	if l.DomainID != "" {
		if err := f.s.d.Domain(ctx, tx, l.DomainID); err != nil {
			return family.AsInvalid(err, "domain_id", l.DomainID)
		}
	}
	def, err := family.Find(ctx, tx, f.s.t.Registered, store.Eq("service_id", l.ServiceID), store.Eq("region_id", l.RegionID), store.Eq("resource_name", l.ResourceName))
	if err == nil && len(def) == 0 {
		err = errs.New(errs.Forbidden, "Unable to create a limit that has no corresponding registered limit.")
	}
	return err
}

// fitsHierarchy holds the strict model: a project has at most what its domain
// has, and a domain at least what each of its projects has.
func (f *Limits) fitsHierarchy(ctx context.Context, tx *store.Tx, l Limit) error {
	if !f.s.d.Strict {
		return nil
	}
	same := []store.Cond{store.Eq("service_id", l.ServiceID), store.Eq("region_id", l.RegionID), store.Eq("resource_name", l.ResourceName)}
	refuse := func() error {
		return errs.New(errs.Forbidden, "Invalid resource limit: the limit %d of %s for %s%s does not satisfy the hierarchy model.",
			l.ResourceLimit, l.ResourceName, l.ProjectID, l.DomainID)
	}
	if l.ProjectID != "" {
		owner, err := f.s.d.Owner(ctx, tx, l.ProjectID)
		if err != nil {
			return err
		}
		above, err := family.Find(ctx, tx, f.s.t.Limits, append(slices.Clone(same), store.Eq("domain_id", owner))...)
		if err != nil {
			return err
		}
		if len(above) > 0 && l.ResourceLimit > above[0].ResourceLimit {
			return refuse()
		}
		if len(above) > 0 {
			return nil
		}
		def, err := family.Find(ctx, tx, f.s.t.Registered, same...)
		if err == nil && len(def) > 0 && l.ResourceLimit > def[0].DefaultLimit {
			err = refuse()
		}
		return err
	}
	all, err := family.Find(ctx, tx, f.s.t.Limits, same...)
	if err != nil {
		return err
	}
	for _, other := range all {
		if other.ProjectID == "" || other.ResourceLimit <= l.ResourceLimit {
			continue
		}
		owner, err := f.s.d.Owner(ctx, tx, other.ProjectID)
		if err != nil {
			return err
		}
		if owner == l.DomainID {
			return refuse()
		}
	}
	return nil
}

// Update changes a limit.
func (f *Limits) Update(ctx context.Context, id string, in change.Patch[Limit]) (*Limit, error) {
	if err := f.s.b.Check(ctx, "identity:update_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.b.DB, func(tx *store.Tx) (Limit, error) {
		l, err := family.Get(ctx, tx, f.s.t.Limits, id)
		if err != nil {
			return l, err
		}
		if err := in.To(&l); err != nil {
			return l, err
		}
		if err := f.fitsHierarchy(ctx, tx, l); err != nil {
			return l, err
		}
		if err := f.s.t.Limits.Update(ctx, tx, &l); err != nil {
			return l, err
		}
		return l, f.s.b.Noted(ctx, tx, "limit", family.Updated, id)
	}))
}

// Delete deletes a limit; the default holds again.
func (f *Limits) Delete(ctx context.Context, id string) error {
	if err := f.s.b.Check(ctx, "identity:delete_limit", policy.Target{}); err != nil {
		return err
	}
	return f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		if err := f.s.t.Limits.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.b.Noted(ctx, tx, "limit", family.Deleted, id)
	})
}

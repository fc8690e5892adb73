package limit

import (
	"context"
	"slices"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// RegisteredLimits are the use cases of the defaults of limits.
type RegisteredLimits struct{ s *Service }

// List lists the defaults; everybody may.
func (f *RegisteredLimits) List(ctx context.Context, q store.Query) (store.Page[RegisteredLimit], error) {
	if err := f.s.b.Check(ctx, "identity:list_registered_limits", policy.Target{}); err != nil {
		return store.Page[RegisteredLimit]{}, err
	}
	return family.List(ctx, f.s.b, f.s.t.Registered, q)
}

// Show returns a default.
func (f *RegisteredLimits) Show(ctx context.Context, id string) (*RegisteredLimit, error) {
	if err := f.s.b.Check(ctx, "identity:get_registered_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return family.One(family.Read(ctx, f.s.b.DB, func(tx *store.Tx) (RegisteredLimit, error) { return family.Get(ctx, tx, f.s.t.Registered, id) }))
}

// CreateMany adds defaults, all or none.
func (f *RegisteredLimits) CreateMany(ctx context.Context, list []RegisteredLimit) ([]*RegisteredLimit, error) {
	if err := f.s.b.Check(ctx, "identity:create_registered_limits", policy.Target{}); err != nil {
		return nil, err
	}
	rows, err := family.Write(ctx, f.s.b.DB, func(tx *store.Tx) ([]RegisteredLimit, error) {
		out := slices.Clone(list)
		for i := range out {
			l := &out[i]
			l.ID = ids.NewHex()
			if err := f.s.d.Place(ctx, tx, l.ServiceID, l.RegionID); err != nil {
				return nil, err
			}
			if err := f.s.t.Registered.Insert(ctx, tx, l); err != nil {
				return nil, err
			}
			if err := f.s.b.Made(ctx, tx, "registered_limit", l.ID); err != nil {
				return nil, err
			}
		}
		return out, nil
	})
	return family.Pointers(rows), err
}

// limitsOf lists the limits that hang from a default.
func (f *RegisteredLimits) limits(ctx context.Context, tx *store.Tx, r RegisteredLimit) ([]Limit, error) {
	return family.Find(ctx, tx, f.s.t.Limits, store.Eq("service_id", r.ServiceID), store.Eq("region_id", r.RegionID), store.Eq("resource_name", r.ResourceName))
}

// Update changes a default. What limits hang from stays as it is.
func (f *RegisteredLimits) Update(ctx context.Context, id string, in change.Patch[RegisteredLimit]) (*RegisteredLimit, error) {
	if err := f.s.b.Check(ctx, "identity:update_registered_limit", policy.Target{}); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.b.DB, func(tx *store.Tx) (RegisteredLimit, error) {
		r, err := family.Get(ctx, tx, f.s.t.Registered, id)
		if err != nil {
			return r, err
		}
		before := r
		if err := in.To(&r); err != nil {
			return r, err
		}
		if err := f.s.d.Place(ctx, tx, r.ServiceID, r.RegionID); err != nil {
			return r, err
		}
		if r.ServiceID != before.ServiceID || r.RegionID != before.RegionID || r.ResourceName != before.ResourceName {
			if err := f.unused(ctx, tx, before, "update"); err != nil {
				return r, err
			}
		}
		if err := f.s.t.Registered.Update(ctx, tx, &r); err != nil {
			return r, err
		}
		return r, f.s.b.Noted(ctx, tx, "registered_limit", family.Updated, id)
	}))
}

func (f *RegisteredLimits) unused(ctx context.Context, tx *store.Tx, r RegisteredLimit, verb string) error {
	have, err := f.limits(ctx, tx, r)
	if err == nil && len(have) > 0 {
		err = errs.New(errs.Forbidden, "Unable to %s registered limit %s because there are project limits associated with it.", verb, r.ID)
	}
	return err
}

// Delete deletes a default that no limit hangs from.
func (f *RegisteredLimits) Delete(ctx context.Context, id string) error {
	if err := f.s.b.Check(ctx, "identity:delete_registered_limit", policy.Target{}); err != nil {
		return err
	}
	return f.s.b.DB.Write(ctx, func(tx *store.Tx) error {
		r, err := family.Get(ctx, tx, f.s.t.Registered, id)
		if err != nil {
			return err
		}
		if err := f.unused(ctx, tx, r, "delete"); err != nil {
			return err
		}
		if err := f.s.t.Registered.Delete(ctx, tx, id); err != nil {
			return err
		}
		return f.s.b.Noted(ctx, tx, "registered_limit", family.Deleted, id)
	})
}

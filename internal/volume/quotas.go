package volume

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Quotas are how much a project may have. What it has is counted in the
// transaction that takes more of it. Each volume type has three of its own:
// volumes_NAME, snapshots_NAME and gigabytes_NAME.
type Quotas struct {
	s *Service
	q *quota.Quotas
}

var perType = []string{"volumes", "snapshots", "gigabytes"}

func (s *Service) makeQuotas(t FamilyTables) *Quotas {
	q := &Quotas{s: s}
	q.q = quota.New(quota.Deps{Table: t.Quotas, Families: []quota.Family{
		{
			Defaults: map[string]int64{"volumes": 10, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000, "groups": 10},
			More:     q.ofTypes, Count: q.usage,
		},
		{Defaults: map[string]int64{perVolume: quota.Unlimited}},
	}})
	return q
}

// BuiltIn are the limits of projects that have none of their own.
func (q *Quotas) BuiltIn() map[string]int64 { return q.q.BuiltIn() }

const perVolume = "per_volume_gigabytes"

// ofTypes are the quotas that types have.
func (q *Quotas) ofTypes(ctx context.Context, tx *store.Tx) (map[string]int64, error) {
	names, err := q.s.Types.Names(ctx, tx)
	out := make(map[string]int64, len(perType)*len(names))
	for _, n := range names {
		for _, r := range perType {
			out[r+"_"+n] = quota.Unlimited
		}
	}
	return out, err
}

// usage is what a project has; things of a type that is gone count for no type.
func (q *Quotas) usage(ctx context.Context, tx *store.Tx, h quota.Holder) (map[string]int64, error) {
	byType, err := q.s.tables.Usage(ctx, tx, h.Project)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for key, n := range byType {
		resource, typeID, _ := strings.Cut(key, "/")
		out[resource] += n
		if typeID == "" {
			continue
		}
		name, err := q.s.Types.NameOf(ctx, tx, typeID)
		if err != nil {
			return nil, err
		}
		if name != "" {
			out[resource+"_"+name] += n
		}
	}
	return out, nil
}

// Show returns a project's limits and what it has.
func (q *Quotas) Show(ctx context.Context, project string) (out quota.Account, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:show", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	return q.show(ctx, project)
}

func (q *Quotas) show(ctx context.Context, project string) (out quota.Account, err error) {
	err = q.s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = q.q.Account(ctx, tx, quota.Holder{Project: project})
		return err
	})
	return out, err
}

// Limits returns limits and use for a client that plans: the actor's project's,
// or another's if an administrator asks. Use is shown to those who may see it.
func (q *Quotas) Limits(ctx context.Context, project string) (out quota.Account, used bool, err error) {
	if project == "" || !q.s.admin(ctx) {
		project = actor.From(ctx).ProjectID
	}
	out, err = q.show(ctx, project)
	return out, q.s.policy.Allowed(ctx, "limits_extension:used_limits", policy.Target{"project_id": project}), err
}

// Defaults returns the limits of projects that have none of their own.
func (q *Quotas) Defaults(ctx context.Context, project string) (out map[string]int64, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:show", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	err = q.s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = q.q.Defaults(ctx, tx)
		return err
	})
	return out, err
}

// Update sets limits of a project, and returns all.
func (q *Quotas) Update(ctx context.Context, project string, set map[string]int64) (out map[string]int64, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:update", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	h := quota.Holder{Project: project}
	err = q.s.write(ctx, func(tx *store.Tx) error {
		has, err := q.q.Account(ctx, tx, h)
		if err != nil {
			return err
		}
		for k, v := range set {
			if used := has[k].InUse; v >= 0 && v < used {
				return errs.New(errs.Invalid, "Quota %s limit must be equal or greater than existing resources. Current usage is %d and the requested limit is %d.", k, used, v)
			}
		}
		if err := unknownKeys(has, set, "quota set"); err != nil {
			return err
		}
		if err := q.q.Set(ctx, tx, h, set); err != nil {
			return err
		}
		out, err = q.q.Limits(ctx, tx, h)
		return err
	})
	return out, err
}

func unknownKeys[T any](known map[string]T, set map[string]int64, where string) error {
	var bad []string
	for k := range set {
		if _, ok := known[k]; !ok {
			bad = append(bad, k)
		}
	}
	if bad == nil {
		return nil
	}
	slices.Sort(bad)
	return errs.New(errs.Invalid, "Invalid input received: Bad key(s) in %s: %s", where, strings.Join(bad, ", "))
}

// Reset returns a project to the defaults.
func (q *Quotas) Reset(ctx context.Context, project string) error {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:delete", policy.Target{"project_id": project}); err != nil {
		return err
	}
	return q.s.write(ctx, func(tx *store.Tx) error {
		_, err := q.q.Reset(ctx, tx, quota.Holder{Project: project})
		return err
	})
}

// Class returns the limits of a class: "default" is all projects'.
func (q *Quotas) Class(ctx context.Context, class string) (out map[string]int64, err error) {
	if err := q.s.Check(ctx, "volume_extension:quota_classes:get"); err != nil {
		return nil, err
	}
	err = q.s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = q.q.OfClass(ctx, tx, class)
		return err
	})
	return out, err
}

// UpdateClass sets limits of a class, and returns all.
func (q *Quotas) UpdateClass(ctx context.Context, class string, set map[string]int64) (out map[string]int64, err error) {
	if err := q.s.Check(ctx, "volume_extension:quota_classes:update"); err != nil {
		return nil, err
	}
	err = q.s.write(ctx, func(tx *store.Tx) error {
		known, err := q.q.OfClass(ctx, tx, class)
		if err != nil {
			return err
		}
		if err := unknownKeys(known, set, "quota class set"); err != nil {
			return err
		}
		if err := q.q.SetClass(ctx, tx, class, set); err != nil {
			return err
		}
		out, err = q.q.OfClass(ctx, tx, class)
		return err
	})
	return out, err
}

// renamed moves the quotas of a type to its new name; without one they go.
func (q *Quotas) renamed(ctx context.Context, tx *store.Tx, old, name string) error {
	for _, r := range perType {
		rows, err := q.s.tables.Quotas.All(ctx, tx, store.Eq("resource", r+"_"+old))
		if err != nil {
			return err
		}
		for _, l := range rows {
			if err := q.s.tables.Quotas.Delete(ctx, tx, string(l.Layer), l.Owner, l.Resource); err != nil {
				return err
			}
			if l.Resource = r + "_" + name; name == "" {
				continue
			}
			if err := q.s.tables.Quotas.Insert(ctx, tx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

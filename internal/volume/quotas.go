package volume

import (
	"context"
	"maps"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Quotas are how much a project may have. What it has is counted in the
// transaction that takes more of it.
type Quotas struct{ s *Service }

// quotaDefaults are Cinder's own; -1 is unlimited. Each volume type has three
// more of its own: volumes_NAME, snapshots_NAME and gigabytes_NAME.
var quotaDefaults = map[string]int{
	"volumes": 10, "snapshots": 10, "gigabytes": 1000, "backups": 10, "backup_gigabytes": 1000, "per_volume_gigabytes": -1, "groups": 10,
}

var perType = []string{"volumes", "snapshots", "gigabytes"}

// Limit is how much of a resource a project, or a class of projects, may have.
type Limit struct {
	Kind, Owner string // project, or class
	Resource    string
	Hard        int
}

const (
	quotaProject = "project"
	quotaClass   = "class"
)

// Quota is a limit and what counts against it.
type Quota struct{ Limit, InUse int }

// Usage is how much a project has, by resource.
type Usage map[string]int

// defaults are the limits of projects that have none of their own.
func (q *Quotas) defaults(ctx context.Context, tx *store.Tx, class string) (map[string]int, error) {
	out := maps.Clone(quotaDefaults)
	names, err := q.s.Types.Names(ctx, tx)
	for _, n := range names {
		for _, r := range perType {
			out[r+"_"+n] = -1
		}
	}
	if err != nil {
		return nil, err
	}
	return out, q.over(ctx, tx, out, quotaClass, class)
}

// over lays an owner's own limits over others, of resources that there are.
func (q *Quotas) over(ctx context.Context, tx *store.Tx, out map[string]int, kind, owner string) error {
	rows, err := q.s.tables.Quotas.All(ctx, tx, store.Eq("kind", kind), store.Eq("owner", owner))
	for _, l := range rows {
		if _, there := out[l.Resource]; there {
			out[l.Resource] = l.Hard
		}
	}
	return err
}

func (q *Quotas) limits(ctx context.Context, tx *store.Tx, project string) (map[string]int, error) {
	out, err := q.defaults(ctx, tx, "default")
	if err != nil {
		return nil, err
	}
	return out, q.over(ctx, tx, out, quotaProject, project)
}

// usage is what a project has; types that are gone count for no type.
func (q *Quotas) usage(ctx context.Context, tx *store.Tx, project string) (Usage, error) {
	byType, err := q.s.tables.Usage(ctx, tx, project)
	if err != nil {
		return nil, err
	}
	out := Usage{}
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
func (q *Quotas) Show(ctx context.Context, project string) (out map[string]Quota, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:show", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	return q.show(ctx, project)
}

func (q *Quotas) show(ctx context.Context, project string) (out map[string]Quota, err error) {
	err = q.s.read(ctx, func(tx *store.Tx) error {
		limits, err := q.limits(ctx, tx, project)
		if err != nil {
			return err
		}
		used, err := q.usage(ctx, tx, project)
		out = make(map[string]Quota, len(limits))
		for k, v := range limits {
			out[k] = Quota{Limit: v, InUse: used[k]}
		}
		return err
	})
	return out, err
}

// Limits returns limits and use for a client that plans: the actor's project's,
// or another's if an administrator asks. Use is shown to those who may see it.
func (q *Quotas) Limits(ctx context.Context, project string) (out map[string]Quota, used bool, err error) {
	if project == "" || !q.s.admin(ctx) {
		project = actor.From(ctx).ProjectID
	}
	out, err = q.show(ctx, project)
	return out, q.s.policy.Allowed(ctx, "limits_extension:used_limits", policy.Target{"project_id": project}), err
}

// Defaults returns the limits of projects that have none of their own.
func (q *Quotas) Defaults(ctx context.Context, project string) (out map[string]int, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:show", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	err = q.s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = q.defaults(ctx, tx, "default")
		return err
	})
	return out, err
}

// Update sets limits of a project, and returns all.
func (q *Quotas) Update(ctx context.Context, project string, set map[string]int) (out map[string]int, err error) {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:update", policy.Target{"project_id": project}); err != nil {
		return nil, err
	}
	err = q.s.write(ctx, func(tx *store.Tx) error {
		known, err := q.limits(ctx, tx, project)
		if err != nil {
			return err
		}
		if err := unknownKeys(known, set, "quota set"); err != nil {
			return err
		}
		used, err := q.usage(ctx, tx, project)
		if err != nil {
			return err
		}
		for k, v := range set {
			if v >= 0 && k != "per_volume_gigabytes" && v < used[k] {
				return errs.New(errs.Invalid, "Quota %s limit must be equal or greater than existing resources. Current usage is %d and the requested limit is %d.", k, used[k], v)
			}
			if err := q.set(ctx, tx, Limit{quotaProject, project, k, v}); err != nil {
				return err
			}
		}
		out, err = q.limits(ctx, tx, project)
		return err
	})
	return out, err
}

func unknownKeys(known, set map[string]int, where string) error {
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

func (q *Quotas) set(ctx context.Context, tx *store.Tx, l Limit) error {
	err := q.s.tables.Quotas.Update(ctx, tx, &l)
	if errs.Is(err, errs.NotFound) {
		err = q.s.tables.Quotas.Insert(ctx, tx, &l)
	}
	return err
}

// Reset returns a project to the defaults.
func (q *Quotas) Reset(ctx context.Context, project string) error {
	if err := q.s.policy.Check(ctx, "volume_extension:quotas:delete", policy.Target{"project_id": project}); err != nil {
		return err
	}
	return q.s.write(ctx, func(tx *store.Tx) error {
		_, err := q.s.tables.Quotas.DeleteWhere(ctx, tx, store.Eq("kind", quotaProject), store.Eq("owner", project))
		return err
	})
}

// Class returns the limits of a class: "default" is all projects'.
func (q *Quotas) Class(ctx context.Context, class string) (out map[string]int, err error) {
	if err := q.s.Check(ctx, "volume_extension:quota_classes:get"); err != nil {
		return nil, err
	}
	err = q.s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = q.defaults(ctx, tx, class)
		return err
	})
	return out, err
}

// UpdateClass sets limits of a class, and returns all.
func (q *Quotas) UpdateClass(ctx context.Context, class string, set map[string]int) (out map[string]int, err error) {
	if err := q.s.Check(ctx, "volume_extension:quota_classes:update"); err != nil {
		return nil, err
	}
	err = q.s.write(ctx, func(tx *store.Tx) error {
		known, err := q.defaults(ctx, tx, class)
		if err != nil {
			return err
		}
		if err := unknownKeys(known, set, "quota class set"); err != nil {
			return err
		}
		for k, v := range set {
			if err := q.set(ctx, tx, Limit{quotaClass, class, k, v}); err != nil {
				return err
			}
		}
		out, err = q.defaults(ctx, tx, class)
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
			if err := q.s.tables.Quotas.Delete(ctx, tx, l.Kind, l.Owner, l.Resource); err != nil {
				return err
			}
			if l.Resource = r + "_" + name; name == "" {
				continue
			}
			if err := q.set(ctx, tx, *l); err != nil {
				return err
			}
		}
	}
	return nil
}

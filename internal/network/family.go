package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// family has the use cases of one type of resource: list, show, create, update
// and delete, with policy and transaction inside. What the types differ in is
// data and four functions. A type that needs more embeds it and has methods of
// its own.
type family[T any, P resource[T]] struct {
	s     *Service
	table *store.Table[T]
	name  string // "network", the word in policy rules
	code  string // of its NotFound error
	say   string // its NotFound message, with one %s
	quota string // name of its quota, "" for none
	// fresh is a new one with its defaults; nil: the zero value.
	fresh func() T
	// place finds what a new one lies within, before the policy is asked.
	place func(ctx context.Context, tx *store.Tx, v *T) error
	// valid completes and judges a value before it is written; old is nil for a new one.
	valid func(ctx context.Context, tx *store.Tx, v, old *T) error
	// made adds to a new one, once it is written, what refers to it.
	made func(ctx context.Context, tx *store.Tx, v *T) error
	// gone clears what hangs from a deleted one, or refuses to.
	gone func(ctx context.Context, tx *store.Tx, v *T) error
	// hydrate fills in what other tables know.
	hydrate func(ctx context.Context, tx *store.Tx, vs []*T) error
	// target adds attributes that policy rules look at.
	target func(v *T, t policy.Target)
}

func (f *family[T, P]) notFound(id string) error { return fault(errs.NotFound, f.code, f.say, id) }

func (f *family[T, P]) policyTarget(v *T) policy.Target {
	t := policy.Target{}
	f.describe(v, t)
	return t
}

func (f *family[T, P]) describe(v *T, t policy.Target) {
	s := P(v).Std()
	t["project_id"], t["tenant_id"], t["id"] = s.ProjectID, s.ProjectID, s.ID
	if f.target != nil {
		f.target(v, t)
	}
}

// oldestFirst is the order of lists that ask for none.
var oldestFirst = []store.Sort{{Field: "created_at"}, {Field: "id"}}

// List returns what the query wants of what the actor may see.
func (f *family[T, P]) List(ctx context.Context, q store.Query) (page store.Page[T], err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.listTx(ctx, tx, q)
		return err
	})
	return page, err
}

func (f *family[T, P]) listTx(ctx context.Context, tx *store.Tx, q store.Query) (store.Page[T], error) {
	project := actor.From(ctx).ProjectID
	if !f.s.Access.isAdmin(ctx) {
		q = q.Within(store.Is("visible", project))
	}
	q.Where = sharedWith(project, q.Where)
	rule, t := ruleName("get_"+f.name), policy.Target{}
	return f.table.ListKept(ctx, tx, q, func(vs []*T) ([]*T, error) {
		if err := f.complete(ctx, tx, vs); err != nil {
			return nil, err
		}
		return slices.DeleteFunc(vs, func(v *T) bool {
			clear(t)
			f.describe(v, t)
			return !f.s.Access.policy.Allowed(ctx, rule, t)
		}), nil
	})
}

// sharedWith turns filters by "shared" and "reachable", which are true or false
// for each project, into conditions about this one.
func sharedWith(project string, conds []store.Cond) []store.Cond {
	out := slices.Clone(conds)
	for i, c := range out {
		if c.Field != "shared" && c.Field != "reachable" {
			continue
		}
		if out[i] = store.Is(c.Field, project); c.Value != true {
			out[i] = store.Not(out[i])
		}
	}
	return out
}

// Show returns one that the actor may see.
func (f *family[T, P]) Show(ctx context.Context, id string) (v *T, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		v, err = f.visible(ctx, tx, id)
		return err
	})
	return v, err
}

// Create makes one.
func (f *family[T, P]) Create(ctx context.Context, n change.Patch[T]) (*T, error) {
	made, err := f.CreateMany(ctx, []change.Patch[T]{n})
	if err != nil {
		return nil, err
	}
	return made[0], nil
}

// CreateMany makes all or none.
func (f *family[T, P]) CreateMany(ctx context.Context, many []change.Patch[T]) (made []*T, err error) {
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		made = made[:0]
		for _, n := range many {
			v, err := f.createTx(ctx, tx, n)
			if err != nil {
				return err
			}
			made = append(made, v)
		}
		return nil
	})
	return made, err
}

func (f *family[T, P]) createTx(ctx context.Context, tx *store.Tx, n change.Patch[T]) (*T, error) {
	v := new(T)
	if f.fresh != nil {
		*v = f.fresh()
	}
	if err := n.To(v); err != nil {
		return nil, err
	}
	if f.place != nil {
		if err := f.place(ctx, tx, v); err != nil {
			return nil, err
		}
	}
	if err := f.begin(ctx, v, n.Named); err != nil {
		return nil, err
	}
	if f.quota != "" {
		if err := f.s.Quotas.count(ctx, tx, P(v).Std().ProjectID, f.quota, 1); err != nil {
			return nil, err
		}
	}
	if f.valid != nil {
		if err := f.valid(ctx, tx, v, nil); err != nil {
			return nil, err
		}
	}
	audit.Created(ctx, P(v).Std().ID)
	if err := f.table.Insert(ctx, tx, v); err != nil || f.made == nil {
		return v, err
	}
	return v, f.made(ctx, tx, v)
}

// begin gives a new resource its id, owner and times, and asks the policy.
func (f *family[T, P]) begin(ctx context.Context, v *T, named []string) error {
	std, a := P(v).Std(), actor.From(ctx)
	if std.ProjectID == "" {
		std.ProjectID = a.ProjectID
	}
	if std.ProjectID != a.ProjectID && !f.s.Access.isAdmin(ctx) && !f.s.Access.permits(ctx, "create_"+f.name, policy.Target{"project_id": std.ProjectID, "tenant_id": std.ProjectID}) {
		return invalid("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	if len(std.Tags) > maxTags {
		return invalid("Invalid input for tags. Reason: a resource can have at most %d tags.", maxTags)
	}
	now := f.s.now()
	std.ID, std.CreatedAt, std.UpdatedAt, std.Revision = ids.New(), now, now, 1
	return f.s.Access.allow(ctx, "create_"+f.name, named, f.policyTarget(v))
}

// Update changes one.
func (f *family[T, P]) Update(ctx context.Context, id string, p change.Patch[T]) (v *T, err error) {
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		if v, err = f.open(ctx, tx, "update", id, p.Named); err != nil {
			return err
		}
		old := *v
		if err := p.To(v); err != nil {
			return err
		}
		if f.valid != nil {
			if err := f.valid(ctx, tx, v, &old); err != nil {
				return err
			}
		}
		return f.save(ctx, tx, v)
	})
	return v, err
}

// save writes a changed resource with its next revision.
func (f *family[T, P]) save(ctx context.Context, tx *store.Tx, v *T) error {
	std := P(v).Std()
	std.Revision++
	std.UpdatedAt = f.s.now()
	return f.table.Update(ctx, tx, v)
}

// Delete removes one.
func (f *family[T, P]) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		v, err := f.open(ctx, tx, "delete", id, nil)
		if err != nil {
			return err
		}
		if f.gone != nil {
			if err := f.gone(ctx, tx, v); err != nil {
				return err
			}
		}
		return f.table.Delete(ctx, tx, id)
	})
}

// Package quota bounds what projects take. A limit has layers, of which the last
// that says something holds: the service's default, the operator's, the default
// class, the project, the user in the project. A service may follow identity's
// unified limits instead of keeping its own.
//
// What is taken is counted in the transaction that takes, by one small function
// per resource, or per resources that one query counts; nothing is cached or kept
// in a second place. Words of errors are each service's own.
package quota

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Unlimited is a limit that bounds nothing, as is every one below zero.
const Unlimited = -1

// Layer says whose a limit is.
type Layer string

// The layers that are kept in a table.
const (
	Class   Layer = "class"
	Project Layer = "project"
	User    Layer = "user" // of a user in a project
)

// DefaultClass is the class of all projects.
const DefaultClass = "default"

// Limit is what an owner may have of a resource.
type Limit struct {
	Layer           Layer
	Owner, Resource string
	Hard            int64
}

// Table describes a service's table of limits: kind, owner, resource, hard.
func Table(name string) *store.Table[Limit] {
	return store.NewTable(name, func(l *Limit, c *store.Columns) {
		c.Key("kind", (*string)(&l.Layer))
		c.Key("owner", &l.Owner)
		c.Key("resource", &l.Resource)
		c.Int64("hard", &l.Hard)
	})
}

// Holder is whose things are counted: a project's, or those of one user in it.
type Holder struct{ Project, User string }

// owner is the holder's own layer and its name there.
func (h Holder) owner() (Layer, string) {
	if h.User == "" {
		return Project, h.Project
	}
	return User, h.Project + "/" + h.User
}

// Family is resources that are counted together.
type Family struct {
	// Defaults are the limits of those who have none, by resource.
	Defaults map[string]int64
	// More are resources that come and go, with their defaults: the volumes of
	// each type. nil: there are none.
	More func(ctx context.Context, tx *store.Tx) (map[string]int64, error)
	// Count tells what a holder has of each. nil: nothing is summed, a limit
	// bounds a single thing (Fits).
	Count func(ctx context.Context, tx *store.Tx, h Holder) (map[string]int64, error)
}

// Rows is the family of a resource whose number is that of a table's rows with
// the holder's project_id.
func Rows[T any](resource string, limit int64, t *store.Table[T]) Family {
	return Family{
		Defaults: map[string]int64{resource: limit},
		Count: func(ctx context.Context, tx *store.Tx, h Holder) (map[string]int64, error) {
			n, err := t.Count(ctx, tx, store.Eq("project_id", h.Project))
			return map[string]int64{resource: n}, err
		},
	}
}

// Deps is what quotas are made of.
type Deps struct {
	// Table keeps the limits that were set. nil: none can be.
	Table *store.Table[Limit]
	// Config are the operator's defaults.
	Config map[string]int64
	// Unified reads a project's unified limits, in the units of the counts.
	// What is absent has its default. nil: the service keeps its own.
	Unified  func(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error)
	Families []Family
}

// Quotas are a service's.
type Quotas struct{ d Deps }

// New returns the quotas.
func New(d Deps) *Quotas { return &Quotas{d} }

// Quota is one limit and what counts against it.
type Quota struct {
	Limit, InUse int64
	// Reserved is nothing: what is taken is in use in the same transaction. APIs show it.
	Reserved int64
}

// Want is a wish for more of a resource.
type Want struct {
	Resource string
	N        int64
}

// Over is a wish that goes beyond a limit.
type Over struct {
	Want
	Quota
}

// Account is what a holder may have and has.
type Account map[string]Quota

// Over are the wishes that do not fit, in their order. One for nothing does not
// fit either where there is too much already.
func (a Account) Over(wants ...Want) []Over {
	var out []Over
	for _, w := range wants {
		if q, ok := a[w.Resource]; ok && q.Limit >= 0 && q.InUse+w.N > q.Limit {
			out = append(out, Over{w, q})
		}
	}
	return out
}

// Check returns the wishes that go beyond a holder's limits. The caller takes in
// the same transaction what it asked for.
func (q *Quotas) Check(ctx context.Context, tx *store.Tx, h Holder, wants ...Want) ([]Over, error) {
	names := make([]string, len(wants))
	for i, w := range wants {
		names[i] = w.Resource
	}
	a, err := q.Account(ctx, tx, h, names...)
	return a.Over(wants...), err
}

// BuiltIn are the limits of those of whom nobody has said anything, without the
// resources that come and go.
func (q *Quotas) BuiltIn() map[string]int64 {
	out := map[string]int64{}
	for _, f := range q.d.Families {
		maps.Copy(out, f.Defaults)
	}
	maps.Copy(out, q.d.Config)
	return out
}

// Fits tells whether a single thing is within a holder's limit: so many items of
// metadata, a volume of such a size.
func (q *Quotas) Fits(ctx context.Context, tx *store.Tx, h Holder, resource string, n int64) (bool, error) {
	limits, err := q.Limits(ctx, tx, h)
	limit, limited := limits[resource]
	return err == nil && (!limited || limit < 0 || n <= limit), err
}

// Account reads the limits and counts of these resources, of all if none are
// named. Of named ones that are not limited nothing is counted.
func (q *Quotas) Account(ctx context.Context, tx *store.Tx, h Holder, resources ...string) (Account, error) {
	limits, err := q.Limits(ctx, tx, h)
	if err != nil {
		return nil, err
	}
	out := Account{}
	for name, limit := range limits {
		if len(resources) == 0 || slices.Contains(resources, name) {
			out[name] = Quota{Limit: limit}
		}
	}
	counts := func(names map[string]int64) bool {
		for name := range names {
			if v, ok := out[name]; ok && (v.Limit >= 0 || len(resources) == 0) {
				return true
			}
		}
		return false
	}
	for _, f := range q.d.Families {
		if f.Count == nil {
			continue
		}
		wanted := counts(f.Defaults)
		if !wanted && f.More != nil {
			more, err := f.More(ctx, tx)
			if err != nil {
				return nil, err
			}
			wanted = counts(more)
		}
		if !wanted {
			continue
		}
		used, err := f.Count(ctx, tx, h)
		if err != nil {
			return nil, err
		}
		for name, n := range used {
			if v, ok := out[name]; ok {
				v.InUse = n
				out[name] = v
			}
		}
	}
	return out, nil
}

// Limits are what a holder may have, by resource.
func (q *Quotas) Limits(ctx context.Context, tx *store.Tx, h Holder) (map[string]int64, error) {
	if q.d.Unified != nil {
		return q.unified(ctx, tx, h.Project)
	}
	layers := []Limit{{Layer: Class, Owner: DefaultClass}, {Layer: Project, Owner: h.Project}}
	if layer, owner := h.owner(); layer == User {
		layers = append(layers, Limit{Layer: layer, Owner: owner})
	}
	return q.layered(ctx, tx, layers)
}

// Defaults are the limits of a project that has none of its own.
func (q *Quotas) Defaults(ctx context.Context, tx *store.Tx) (map[string]int64, error) {
	return q.OfClass(ctx, tx, DefaultClass)
}

// OfClass are the limits of a class.
func (q *Quotas) OfClass(ctx context.Context, tx *store.Tx, class string) (map[string]int64, error) {
	return q.layered(ctx, tx, []Limit{{Layer: Class, Owner: DefaultClass}, {Layer: Class, Owner: class}})
}

// unified puts a project's unified limits over the defaults.
func (q *Quotas) unified(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error) {
	out, err := q.defaults(ctx, tx)
	if err != nil || project == "" {
		return out, err
	}
	own, err := q.d.Unified(ctx, tx, project)
	maps.Copy(out, own)
	return out, err
}

// defaults are the service's and the operator's.
func (q *Quotas) defaults(ctx context.Context, tx *store.Tx) (map[string]int64, error) {
	out := map[string]int64{}
	for _, f := range q.d.Families {
		maps.Copy(out, f.Defaults)
		if f.More != nil {
			more, err := f.More(ctx, tx)
			if err != nil {
				return nil, err
			}
			maps.Copy(out, more)
		}
	}
	maps.Copy(out, q.d.Config)
	return out, nil
}

// layered puts owners' limits over the defaults, in order, with one query.
func (q *Quotas) layered(ctx context.Context, tx *store.Tx, layers []Limit) (map[string]int64, error) {
	out, err := q.defaults(ctx, tx)
	if err != nil || q.d.Table == nil {
		return out, err
	}
	var kinds, owners []string
	for _, l := range layers {
		kinds, owners = append(kinds, string(l.Layer)), append(owners, l.Owner)
	}
	rows, err := q.d.Table.All(ctx, tx, store.In("kind", kinds), store.In("owner", owners))
	for _, l := range layers {
		for _, r := range rows {
			// Limits of a resource that went, such as a type of volumes, say nothing.
			if _, there := out[r.Resource]; there && r.Layer == l.Layer && r.Owner == l.Owner {
				out[r.Resource] = r.Hard
			}
		}
	}
	return out, err
}

// SetClass gives a class limits.
func (q *Quotas) SetClass(ctx context.Context, tx *store.Tx, class string, limits map[string]int64) error {
	return q.set(ctx, tx, Class, class, limits)
}

// Set gives a holder limits of its own.
func (q *Quotas) Set(ctx context.Context, tx *store.Tx, h Holder, limits map[string]int64) error {
	layer, owner := h.owner()
	return q.set(ctx, tx, layer, owner, limits)
}

func (q *Quotas) set(ctx context.Context, tx *store.Tx, layer Layer, owner string, limits map[string]int64) error {
	for _, resource := range slices.Sorted(maps.Keys(limits)) {
		l := &Limit{layer, owner, resource, limits[resource]}
		err := q.d.Table.Update(ctx, tx, l)
		if errs.Is(err, errs.NotFound) {
			err = q.d.Table.Insert(ctx, tx, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Reset returns a holder to the defaults, and tells how many limits it had.
func (q *Quotas) Reset(ctx context.Context, tx *store.Tx, h Holder) (int64, error) {
	layer, owner := h.owner()
	return q.d.Table.DeleteWhere(ctx, tx, store.Eq("kind", string(layer)), store.Eq("owner", owner))
}

// Owners are those who have limits of their own in a layer, in order.
func (q *Quotas) Owners(ctx context.Context, tx *store.Tx, layer Layer) ([]string, error) {
	rows, err := q.d.Table.All(ctx, tx, store.Eq("kind", string(layer)))
	var out []string
	for _, r := range rows {
		out = append(out, r.Owner)
	}
	slices.Sort(out)
	return slices.Compact(out), err
}

package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// resource constrains a pointer type to be one of this package's resources.
type resource[T any] interface {
	*T
	Resource
}

// kind is what is the same for every type of resource: how it is found, who
// may see it, how its absence is told.
type kind[T any, P resource[T]] struct {
	name   string // "network", the word in policy rules and revisions
	plural string
	code   string // of its NotFound error
	say    string // its NotFound message, with one %s
	quota  string // name of its quota, "" for none
	table  *docTable[T]
	// scope narrows a query to what a project's actor may see.
	scope func(q *store.Selection, projectID string)
	// hydrate fills in what other tables know.
	hydrate func(ctx context.Context, tx *store.Tx, vs []*T) error
	// target adds attributes that policy rules look at.
	target func(v *T, t policy.Target)
}

func ownScope(q *store.Selection, projectID string) { q.Where("project_id = ?", projectID) }

func (k *kind[T, P]) notFound(id string) error { return fault(errs.NotFound, k.code, k.say, id) }

func (k *kind[T, P]) policyTarget(v *T) policy.Target {
	s := P(v).Std()
	t := policy.Target{"project_id": s.ProjectID, "tenant_id": s.ProjectID, "id": s.ID}
	if k.target != nil {
		k.target(v, t)
	}
	return t
}

// load reads one resource without asking who wants it.
func (k *kind[T, P]) load(ctx context.Context, tx *store.Tx, id string) (*T, error) {
	v, err := k.table.Get(ctx, tx, id)
	if isNotFound(err) {
		return nil, k.notFound(id)
	}
	if err != nil {
		return nil, err
	}
	if k.hydrate != nil {
		if err := k.hydrate(ctx, tx, []*T{v}); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// visible is load for the context's actor: what it may not see is not there.
func (k *kind[T, P]) visible(ctx context.Context, s *Service, tx *store.Tx, id string) (*T, error) {
	v, err := k.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !s.permits(ctx, "get_"+k.name, k.policyTarget(v)) {
		return nil, k.notFound(id)
	}
	return v, nil
}

// show is visible in a transaction of its own.
func (k *kind[T, P]) show(ctx context.Context, s *Service, id string) (*T, error) {
	var v *T
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		v, err = k.visible(ctx, s, tx, id)
		return err
	})
	return v, err
}

// Change says what a request asks of a resource: the attributes that it names,
// for the policy, and the revision that it expects.
type Change struct {
	Attrs    []string // named and different from the default
	Revision *int64   // of If-Match
}

// Has tells whether the request names the attribute.
func (c Change) Has(attr string) bool { return slices.Contains(c.Attrs, attr) }

// prepare gives a new resource its id, owner and times, and asks the policy.
func (k *kind[T, P]) prepare(ctx context.Context, s *Service, v *T, c Change) error {
	std := P(v).Std()
	a := actor.From(ctx)
	if std.ProjectID == "" {
		std.ProjectID = a.ProjectID
	}
	if std.ProjectID != a.ProjectID && !s.isAdmin(ctx) && !s.permits(ctx, "create_"+k.name, policy.Target{"project_id": std.ProjectID, "tenant_id": std.ProjectID}) {
		return invalid("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges")
	}
	if len(std.Tags) > maxTags {
		return invalid("Invalid input for tags. Reason: a resource can have at most %d tags.", maxTags)
	}
	k.stamp(s, v)
	if err := s.allow(ctx, "create_"+k.name, c.Attrs, k.policyTarget(v)); err != nil {
		return err
	}
	return nil
}

// stamp gives a new resource its id and times.
func (k *kind[T, P]) stamp(s *Service, v *T) {
	std := P(v).Std()
	if std.ID == "" {
		std.ID = ids.New()
	}
	now := s.now()
	std.CreatedAt, std.UpdatedAt, std.Revision = now, now, 1
}

// open loads a resource that the actor wants to change or delete: absent if it
// may not see it, Forbidden if it may see but not touch it.
func (k *kind[T, P]) open(ctx context.Context, s *Service, tx *store.Tx, action, id string, c Change) (*T, error) {
	return k.openFor(ctx, s, tx, action+"_"+k.name, id, c)
}

// openFor is open for what a rule allows.
func (k *kind[T, P]) openFor(ctx context.Context, s *Service, tx *store.Tx, rule, id string, c Change) (*T, error) {
	v, err := k.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	t := k.policyTarget(v)
	if err := s.allow(ctx, rule, c.Attrs, t); err != nil {
		// Of what is shared with it the actor learns no more than of what is not.
		if P(v).Std().ProjectID != actor.From(ctx).ProjectID || !s.permits(ctx, "get_"+k.name, t) {
			return nil, k.notFound(id)
		}
		return nil, err
	}
	if c.Revision != nil && *c.Revision != P(v).Std().Revision {
		return nil, fault(errs.Precondition, "RevisionNumberConstraintFailed",
			"Constrained to %d, but current revision is %d", *c.Revision, P(v).Std().Revision)
	}
	return v, nil
}

// save writes a changed resource with its next revision.
func (k *kind[T, P]) save(ctx context.Context, s *Service, tx *store.Tx, v *T) error {
	std := P(v).Std()
	std.Revision++
	std.UpdatedAt = s.now()
	return k.table.Update(ctx, tx, v)
}

// countQuota makes sure that the project may have n more.
func (k *kind[T, P]) countQuota(ctx context.Context, s *Service, tx *store.Tx, projectID string, n int) error {
	if k.quota == "" {
		return nil
	}
	return s.countQuota(ctx, tx, projectID, k.quota, int64(n))
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// act loads a resource on which the actor wants to do something that has a rule
// of its own.
func (f *family[T, P]) act(ctx context.Context, tx *store.Tx, rule, id string) (*T, error) {
	v, err := f.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	t := f.policyTarget(v)
	if err := f.s.Access.allow(ctx, rule, nil, t); err != nil {
		if !f.s.Access.permits(ctx, "get_"+f.name, t) {
			return nil, f.notFound(id)
		}
		return nil, err
	}
	return v, nil
}

// load reads one without asking who wants it.
func (f *family[T, P]) load(ctx context.Context, tx *store.Tx, id string) (*T, error) {
	v, err := f.table.Get(ctx, tx, id)
	if isNotFound(err) {
		return nil, f.notFound(id)
	}
	if err != nil {
		return nil, err
	}
	return v, f.complete(ctx, tx, []*T{v})
}

func (f *family[T, P]) complete(ctx context.Context, tx *store.Tx, vs []*T) error {
	if f.hydrate == nil || len(vs) == 0 {
		return nil
	}
	return f.hydrate(ctx, tx, vs)
}

// visible is load for the context's actor: what it may not see is not there.
func (f *family[T, P]) visible(ctx context.Context, tx *store.Tx, id string) (*T, error) {
	v, err := f.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	if !f.s.Access.permits(ctx, "get_"+f.name, f.policyTarget(v)) {
		return nil, f.notFound(id)
	}
	return v, nil
}

// open loads a resource that the actor wants to change or delete: absent if it
// may not see it, Forbidden if it may see but not touch it.
func (f *family[T, P]) open(ctx context.Context, tx *store.Tx, action, id string, named []string) (*T, error) {
	return f.openFor(ctx, tx, action+"_"+f.name, id, named)
}

// openFor is open for what a rule allows.
func (f *family[T, P]) openFor(ctx context.Context, tx *store.Tx, rule, id string, named []string) (*T, error) {
	v, err := f.load(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	std, t := P(v).Std(), f.policyTarget(v)
	if err := f.s.Access.allow(ctx, rule, named, t); err != nil {
		// Of what is shared with it the actor learns no more than of what is not.
		if std.ProjectID != actor.From(ctx).ProjectID || !f.s.Access.permits(ctx, "get_"+f.name, t) {
			return nil, f.notFound(id)
		}
		return nil, err
	}
	if want, demanded := change.Expected(ctx); demanded && want != std.Revision {
		return nil, fault(errs.Precondition, "RevisionNumberConstraintFailed", "Constrained to %d, but current revision is %d", want, std.Revision)
	}
	return v, nil
}

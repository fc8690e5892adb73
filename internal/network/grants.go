package network

import (
	"context"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// What an RBAC policy can grant.
const (
	ActionShared   = "access_as_shared"
	ActionExternal = "access_as_external"
)

// Grant is what an RBAC policy says, without whose it is.
type Grant struct{ ObjectType, ObjectID, Action, Target string }

// reaches finds what is granted to a project, by name or with everybody.
func reaches(project string) store.Cond { return store.In("target", []string{project, "*"}) }

// grants are what RBAC policies say, for families whose resources can be shared.
type grants struct {
	table    *store.Table[Grant]
	policies *store.Table[RBACPolicy]
	now      func() time.Time
}

// granted tells whether an object is granted to somebody.
func (f *grants) granted(ctx context.Context, tx *store.Tx, objectType, objectID string, more ...store.Cond) (bool, error) {
	return f.table.Any(ctx, tx, append([]store.Cond{store.Eq("object_type", objectType), store.Eq("object_id", objectID)}, more...)...)
}

// grantAll lets every project use an object.
func (f *grants) grantAll(ctx context.Context, tx *store.Tx, objectType, objectID, projectID, action string) error {
	already, err := f.granted(ctx, tx, objectType, objectID, store.Eq("action", action), store.Eq("target", "*"))
	if err != nil || already {
		return err
	}
	now := f.now()
	return f.policies.Insert(ctx, tx, &RBACPolicy{
		Standard:   Standard{ID: ids.New(), ProjectID: projectID, Revision: 0, CreatedAt: now, UpdatedAt: now},
		ObjectType: objectType, ObjectID: objectID, Action: action, TargetProject: "*",
	})
}

// revokeAll is the inverse of grantAll.
func (f *grants) revokeAll(ctx context.Context, tx *store.Tx, objectType, objectID, action string) error {
	return f.revoke(ctx, tx, objectType, objectID, store.Eq("action", action), store.Eq("target", "*"))
}

// forget removes the policies of a deleted object.
func (f *grants) forget(ctx context.Context, tx *store.Tx, objectType, objectID string) error {
	return f.revoke(ctx, tx, objectType, objectID)
}

func (f *grants) revoke(ctx context.Context, tx *store.Tx, objectType, objectID string, more ...store.Cond) error {
	_, err := f.policies.DeleteWhere(ctx, tx, append([]store.Cond{store.Eq("object_type", objectType), store.Eq("object_id", objectID)}, more...)...)
	return err
}

// hydrateShared tells which of the objects are shared with the actor's project.
func hydrateShared[T any, P resource[T]](ctx context.Context, s *Service, tx *store.Tx, objectType string, vs []P, shared func(P) *bool) error {
	conds := []store.Cond{store.Eq("object_type", objectType), store.Eq("action", ActionShared), reaches(actor.From(ctx).ProjectID)}
	if len(vs) == 1 {
		conds = append(conds, store.Eq("object_id", vs[0].Std().ID))
	}
	gs, err := s.grants.table.All(ctx, tx, conds...)
	granted := make(map[string]bool, len(gs))
	for _, g := range gs {
		granted[g.ObjectID] = true
	}
	for _, v := range vs {
		*shared(v) = granted[v.Std().ID]
	}
	return err
}

package network

import (
	"context"

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

// granted tells whether an object is granted to somebody.
func (s *Service) granted(ctx context.Context, tx *store.Tx, objectType, objectID string, more ...store.Cond) (bool, error) {
	return s.grants.Any(ctx, tx, append([]store.Cond{store.Eq("object_type", objectType), store.Eq("object_id", objectID)}, more...)...)
}

// grantAll lets every project use an object.
func (s *Service) grantAll(ctx context.Context, tx *store.Tx, objectType, objectID, projectID, action string) error {
	already, err := s.granted(ctx, tx, objectType, objectID, store.Eq("action", action), store.Eq("target", "*"))
	if err != nil || already {
		return err
	}
	now := s.now()
	return s.RBACPolicies.table.Insert(ctx, tx, &RBACPolicy{
		Standard:   Standard{ID: ids.New(), ProjectID: projectID, Revision: 0, CreatedAt: now, UpdatedAt: now},
		ObjectType: objectType, ObjectID: objectID, Action: action, TargetProject: "*",
	})
}

// revokeAll is the inverse of grantAll.
func (s *Service) revokeAll(ctx context.Context, tx *store.Tx, objectType, objectID, action string) error {
	return s.revoke(ctx, tx, objectType, objectID, store.Eq("action", action), store.Eq("target", "*"))
}

// forgetGrants removes the policies of a deleted object.
func (s *Service) forgetGrants(ctx context.Context, tx *store.Tx, objectType, objectID string) error {
	return s.revoke(ctx, tx, objectType, objectID)
}

func (s *Service) revoke(ctx context.Context, tx *store.Tx, objectType, objectID string, more ...store.Cond) error {
	_, err := s.RBACPolicies.table.DeleteWhere(ctx, tx, append([]store.Cond{store.Eq("object_type", objectType), store.Eq("object_id", objectID)}, more...)...)
	return err
}

// hydrateShared tells which of the objects are shared with the actor's project.
func hydrateShared[T any, P resource[T]](ctx context.Context, s *Service, tx *store.Tx, objectType string, vs []P, shared func(P) *bool) error {
	conds := []store.Cond{store.Eq("object_type", objectType), store.Eq("action", ActionShared), reaches(actor.From(ctx).ProjectID)}
	if len(vs) == 1 {
		conds = append(conds, store.Eq("object_id", vs[0].Std().ID))
	}
	gs, err := s.grants.All(ctx, tx, conds...)
	granted := make(map[string]bool, len(gs))
	for _, g := range gs {
		granted[g.ObjectID] = true
	}
	for _, v := range vs {
		*shared(v) = granted[v.Std().ID]
	}
	return err
}

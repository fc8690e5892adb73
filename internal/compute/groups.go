package compute

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// NewServerGroup is what a new server group is made of.
type NewServerGroup struct {
	Name, Policy string
	Rules        map[string]int
}

// Create adds a server group.
func (f *ServerGroups) Create(ctx context.Context, n NewServerGroup) (*ServerGroup, error) {
	if err := f.checkOwn(ctx, "os-server-groups:create"); err != nil {
		return nil, err
	}
	if len(n.Rules) > 0 && n.Policy != AntiAffinity {
		return nil, errs.New(errs.Invalid, "Only anti-affinity policy supports rules.")
	}
	who := actor.From(ctx)
	g := &ServerGroup{
		ID: ids.New(), ProjectID: who.ProjectID, UserID: who.UserID, Name: n.Name, Policy: n.Policy, Rules: n.Rules, CreatedAt: f.now().UTC(),
	}
	return g, f.write(ctx, func(tx *store.Tx) error {
		over, err := f.quotas.Check(ctx, tx, quota.Holder{Project: g.ProjectID}, quota.Want{Resource: "server_groups", N: 1})
		if err != nil {
			return err
		}
		if over != nil {
			return errs.New(errs.OverQuota, "Quota exceeded, too many server groups.")
		}
		audit.Created(ctx, g.ID)
		return f.table.Insert(ctx, tx, g)
	})
}

// visible finds a server group that the actor may know of.
func (f *ServerGroups) visible(ctx context.Context, tx *store.Tx, id string) (*ServerGroup, error) {
	g, err := f.table.Get(ctx, tx, id)
	if err == nil && g.ProjectID != actor.From(ctx).ProjectID && !f.isAdmin(ctx) {
		err = store.ErrNoRows
	}
	return g, err
}

func (f *ServerGroups) open(ctx context.Context, tx *store.Tx, id, rule string) (*ServerGroup, error) {
	g, err := f.visible(ctx, tx, id)
	if err != nil {
		return nil, notFound(err, "Instance group %s could not be found.", id)
	}
	return g, f.check(ctx, rule, policy.Target{"project_id": g.ProjectID, "user_id": g.UserID})
}

// Show returns a server group.
func (f *ServerGroups) Show(ctx context.Context, id string) (g *ServerGroup, err error) {
	err = f.read(ctx, func(tx *store.Tx) (err error) {
		g, err = f.open(ctx, tx, id, "os-server-groups:show")
		return err
	})
	return g, err
}

// List lists the project's server groups, or everybody's for those who may.
func (f *ServerGroups) List(ctx context.Context, q store.Query) (page store.Page[ServerGroup], err error) {
	if err := f.checkOwn(ctx, "os-server-groups:index"); err != nil {
		return page, err
	}
	if !q.Everyone || !f.may(ctx, "os-server-groups:index:all_projects") {
		q = q.Within(store.Eq("project_id", actor.From(ctx).ProjectID))
	}
	err = f.read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Delete removes a server group; its servers stay.
func (f *ServerGroups) Delete(ctx context.Context, id string) error {
	return f.write(ctx, func(tx *store.Tx) error {
		if _, err := f.open(ctx, tx, id, "os-server-groups:delete"); err != nil {
			return err
		}
		if err := f.store.LeaveGroup(ctx, tx, id); err != nil {
			return err
		}
		return f.table.Delete(ctx, tx, id)
	})
}

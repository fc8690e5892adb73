package network

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// SecurityGroups are the use cases of security groups.
type SecurityGroups struct {
	family[SecurityGroup, *SecurityGroup]
}

func newSecurityGroups(s *Service, t *store.Table[SecurityGroup]) *SecurityGroups {
	f := &SecurityGroups{family[SecurityGroup, *SecurityGroup]{
		s: s, table: t, name: "security_group", code: "SecurityGroupNotFound", say: "Security group %s does not exist",
		fresh:  func() SecurityGroup { return SecurityGroup{Stateful: true} },
		target: func(g *SecurityGroup, t policy.Target) { t["shared"] = flag(g.Shared) },
	}}
	f.hydrate, f.valid, f.made, f.gone = f.hydrated, f.judge, f.addDefaultRules, f.remove
	return f
}

func (f *SecurityGroups) hydrated(ctx context.Context, tx *store.Tx, vs []*SecurityGroup) error {
	if err := hydrateShared(ctx, f.s, tx, "security_group", vs, func(g *SecurityGroup) *bool { return &g.Shared }); err != nil {
		return err
	}
	byID := map[string]*SecurityGroup{}
	for _, g := range vs {
		g.Rules = []*SecurityGroupRule{}
		byID[g.ID] = g
	}
	rs, err := f.s.SecurityGroupRules.table.All(ctx, tx, store.In("group_id", idsOf(vs, func(g *SecurityGroup) string { return g.ID })))
	if err != nil {
		return err
	}
	for _, r := range rs {
		g := byID[r.GroupID]
		r.groupProject, r.InDefaultGroup = g.ProjectID, g.Default
		g.Rules = append(g.Rules, r)
	}
	for _, g := range vs {
		sortRules(g.Rules)
	}
	return nil
}

// sortRules orders the rules of a group as every answer shows them.
func sortRules(rs []*SecurityGroupRule) {
	slices.SortFunc(rs, func(a, b *SecurityGroupRule) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), compareText(a.ID, b.ID))
	})
}

// List returns the groups that the actor may see; the project's default group is
// made if it is not there yet.
func (f *SecurityGroups) List(ctx context.Context, q store.Query) (store.Page[SecurityGroup], error) {
	project := actor.From(ctx).ProjectID
	if i := slices.IndexFunc(q.Where, func(c store.Cond) bool { return c.Field == "project_id" && c.Op == store.Equal }); i >= 0 && f.s.Access.isAdmin(ctx) {
		project, _ = q.Where[i].Value.(string)
	}
	if err := f.EnsureDefault(ctx, project); err != nil {
		return store.Page[SecurityGroup]{}, err
	}
	return f.family.List(ctx, q)
}

// judge has two rules about the default group, which every project has: nobody
// makes another, and it keeps its name.
func (f *SecurityGroups) judge(ctx context.Context, tx *store.Tx, g, old *SecurityGroup) error {
	if old == nil {
		if _, err := f.EnsureDefaultTx(ctx, tx, g.ProjectID); err != nil {
			return err
		}
	}
	if old != nil && g.Default && g.Name != old.Name {
		return fault(errs.Conflict, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	if g.Name == "default" && !g.Default {
		return fault(errs.Conflict, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	f.s.projector.touchGroup(tx, g.ID)
	switch {
	case old == nil: // the default group counts, too
		return f.s.Quotas.count(ctx, tx, g.ProjectID, "security_group", 1)
	case g.Stateful != old.Stateful:
		return f.unused(ctx, tx, g.ID)
	}
	return nil
}

func (f *SecurityGroups) unused(ctx context.Context, tx *store.Tx, id string) error {
	used, err := f.s.portGroups.Any(ctx, tx, store.Eq("group_id", id))
	if err == nil && used {
		return fault(errs.Conflict, "SecurityGroupInUse", "Security Group %s in use.", id)
	}
	return err
}

// remove clears what hangs from a group that no port uses.
func (f *SecurityGroups) remove(ctx context.Context, tx *store.Tx, g *SecurityGroup) error {
	if err := f.unused(ctx, tx, g.ID); err != nil {
		return err
	}
	if g.Default && !f.s.Access.isAdmin(ctx) {
		return fault(errs.Conflict, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	// Rules of other groups that name this one can match nothing any more.
	rules := f.s.SecurityGroupRules.table
	others, err := rules.All(ctx, tx, store.Eq("remote_group_id", g.ID))
	if err != nil {
		return err
	}
	for _, r := range others {
		f.s.projector.touchGroup(tx, r.GroupID)
	}
	if _, err := rules.DeleteWhere(ctx, tx, store.Or(store.Eq("group_id", g.ID), store.Eq("remote_group_id", g.ID))); err != nil {
		return err
	}
	f.s.projector.touchGroup(tx, g.ID)
	return f.s.grants.forget(ctx, tx, "security_group", g.ID)
}

// rulesChanged gives a group whose rules changed its next revision.
func (f *SecurityGroups) rulesChanged(ctx context.Context, tx *store.Tx, id string) error {
	f.s.projector.touchGroup(tx, id)
	g, err := f.table.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return f.save(ctx, tx, g)
}

// EnsureDefault makes the project's default group if it has none.
func (f *SecurityGroups) EnsureDefault(ctx context.Context, projectID string) error {
	if projectID == "" {
		return nil
	}
	there := false
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		there, err = f.table.Any(ctx, tx, store.Eq("project_id", projectID), store.Eq("is_default", true))
		return err
	})
	if err != nil || there {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := f.EnsureDefaultTx(ctx, tx, projectID)
		return err
	})
}

// EnsureDefaultTx makes the project's default group if it has
// none, and returns it: everything out is allowed, and everything between its members.
func (f *SecurityGroups) EnsureDefaultTx(ctx context.Context, tx *store.Tx, projectID string) (*SecurityGroup, error) {
	if projectID == "" {
		return nil, nil
	}
	have, err := f.table.First(ctx, tx, store.Eq("project_id", projectID), store.Eq("is_default", true))
	if err == nil || !isNotFound(err) {
		return have, err
	}
	now := f.s.now()
	g := &SecurityGroup{
		Standard: Standard{
			ID: ids.New(), ProjectID: projectID, Name: "default", Description: "Default security group",
			Tags: []string{}, Revision: 1, CreatedAt: now, UpdatedAt: now,
		},
		Stateful: true, Default: true,
	}
	if err := f.table.Insert(ctx, tx, g); err != nil {
		if store.Duplicate(err) {
			return nil, store.ErrAgain
		}
		return nil, err
	}
	if err := f.addDefaultRules(ctx, tx, g); err != nil {
		return nil, err
	}
	f.s.projector.touchGroup(tx, g.ID)
	return g, nil
}

package network

import (
	"cmp"
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

func hydrateGroups(ctx context.Context, tx *store.Tx, vs []*SecurityGroup) error {
	if err := hydrateShared(ctx, tx, "security_group", vs, func(g *SecurityGroup) *bool { return &g.Shared }); err != nil {
		return err
	}
	byID := map[string]*SecurityGroup{}
	for _, g := range vs {
		g.Rules = []*SecurityGroupRule{}
		byID[g.ID] = g
	}
	rs, err := ruleTable.WhereIn(ctx, tx, "group_id", idsOf(vs, func(g *SecurityGroup) string { return g.ID }))
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

// SecurityGroups returns the groups that the actor may see; the project's
// default group is made if it is not there yet.
func (s *Service) SecurityGroups(ctx context.Context, f Filter) ([]*SecurityGroup, error) {
	projects := []string{actor.From(ctx).ProjectID}
	if asked := f.Columns["project_id"]; len(asked) == 1 && s.isAdmin(ctx) {
		projects = asked
	}
	for _, p := range projects {
		if err := s.EnsureDefaultSecurityGroup(ctx, p); err != nil {
			return nil, err
		}
	}
	return groups.all(ctx, s, f)
}

// SecurityGroup returns one group that the actor may see.
func (s *Service) SecurityGroup(ctx context.Context, id string) (*SecurityGroup, error) {
	return groups.show(ctx, s, id)
}

// EnsureDefaultSecurityGroup makes the project's default group if it has none.
func (s *Service) EnsureDefaultSecurityGroup(ctx context.Context, projectID string) error {
	if projectID == "" {
		return nil
	}
	var n int64
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		n, err = groupTable.Count(ctx, tx, "project_id = ? AND is_default", projectID)
		return err
	})
	if err != nil || n > 0 {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := s.EnsureDefaultSecurityGroupTx(ctx, tx, projectID)
		return err
	})
}

// EnsureDefaultSecurityGroupTx makes the project's default group if it has
// none, and returns it: everything out is allowed, and everything between its members.
func (s *Service) EnsureDefaultSecurityGroupTx(ctx context.Context, tx *store.Tx, projectID string) (*SecurityGroup, error) {
	if projectID == "" {
		return nil, nil
	}
	have, err := groupTable.Find(ctx, tx, groupTable.Select().Where("project_id = ?", projectID).Where("is_default"))
	if err != nil {
		return nil, err
	}
	if len(have) > 0 {
		return have[0], nil
	}
	now := s.now()
	g := &SecurityGroup{
		Standard: Standard{
			ID: ids.New(), ProjectID: projectID, Name: "default", Description: "Default security group",
			Tags: []string{}, Revision: 1, CreatedAt: now, UpdatedAt: now,
		},
		Stateful: true, Default: true,
	}
	if err := groupTable.Insert(ctx, tx, g); err != nil {
		if store.Duplicate(err) {
			return nil, store.ErrAgain
		}
		return nil, err
	}
	if err := s.addDefaultRules(ctx, tx, g); err != nil {
		return nil, err
	}
	s.touchGroup(tx, g.ID)
	return g, nil
}

// CreateSecurityGroup makes a group that allows everything out and nothing in.
func (s *Service) CreateSecurityGroup(ctx context.Context, tx *store.Tx, g *SecurityGroup, c Change) error {
	if err := groups.prepare(ctx, s, g, c); err != nil {
		return err
	}
	if _, err := s.EnsureDefaultSecurityGroupTx(ctx, tx, g.ProjectID); err != nil {
		return err
	}
	if g.Name == "default" {
		return fault(errs.Conflict, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	if err := groups.countQuota(ctx, s, tx, g.ProjectID, 1); err != nil {
		return err
	}
	if err := groupTable.Insert(ctx, tx, g); err != nil {
		return err
	}
	if err := s.addDefaultRules(ctx, tx, g); err != nil {
		return err
	}
	s.touchGroup(tx, g.ID)
	return nil
}

// UpdateSecurityGroup changes a group by apply.
func (s *Service) UpdateSecurityGroup(ctx context.Context, tx *store.Tx, id string, c Change, apply func(*SecurityGroup) error) (*SecurityGroup, error) {
	g, err := groups.open(ctx, s, tx, "update", id, c)
	if err != nil {
		return nil, err
	}
	old := *g
	if err := apply(g); err != nil {
		return nil, err
	}
	if g.Default && g.Name != old.Name {
		return nil, fault(errs.Conflict, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
	}
	if g.Name == "default" && !g.Default {
		return nil, fault(errs.Conflict, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
	}
	if g.Stateful != old.Stateful {
		if err := groupUnused(ctx, tx, g.ID); err != nil {
			return nil, err
		}
	}
	s.touchGroup(tx, id)
	return g, groups.save(ctx, s, tx, g)
}

func groupUnused(ctx context.Context, tx *store.Tx, id string) error {
	n, err := store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM network_port_security_group WHERE group_id = ?", id)
	if err == nil && n > 0 {
		return fault(errs.Conflict, "SecurityGroupInUse", "Security Group %s in use.", id)
	}
	return err
}

// DeleteSecurityGroup deletes a group that no port and no other group's rule uses.
func (s *Service) DeleteSecurityGroup(ctx context.Context, tx *store.Tx, id string, c Change) error {
	g, err := groups.open(ctx, s, tx, "delete", id, c)
	if err != nil {
		return err
	}
	if err := groupUnused(ctx, tx, id); err != nil {
		return err
	}
	if g.Default && !s.isAdmin(ctx) {
		return fault(errs.Conflict, "SecurityGroupCannotRemoveDefault", "Insufficient rights for removing default security group.")
	}
	// Rules of other groups that name this one can match nothing any more.
	others, err := ruleTable.Where(ctx, tx, "remote_group_id", id)
	if err != nil {
		return err
	}
	for _, r := range others {
		s.touchGroup(tx, r.GroupID)
	}
	if _, err := tx.Exec(ctx, "DELETE FROM security_group_rule WHERE group_id = ? OR remote_group_id = ?", id, id); err != nil {
		return err
	}
	if err := s.forgetGrants(ctx, tx, "security_group", id); err != nil {
		return err
	}
	s.touchGroup(tx, id)
	return groupTable.Delete(ctx, tx, id)
}

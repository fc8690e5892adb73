package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// groupsCannotBeApplied refuses groups that would filter nothing: who asks for
// them believes the server to be protected.
func groupsCannotBeApplied(kind, id string) error {
	return fault(errs.Invalid, "SecurityGroupCannotBeApplied",
		"Security groups cannot be applied: %s %s has port security disabled (port_security_enabled), so no group would have an effect there.", kind, id)
}

// findGroups finds security groups by id or name in the project.
func (f *Servers) findGroups(ctx context.Context, tx *store.Tx, projectID string, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	own, err := f.s.SecurityGroups.table.All(ctx, tx, store.Is("visible", projectID))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, name := range names {
		i := slices.IndexFunc(own, func(g *SecurityGroup) bool { return g.ID == name })
		if i < 0 {
			for j, g := range own {
				if g.Name != name || g.ProjectID != projectID {
					continue
				}
				if i >= 0 {
					return nil, fault(errs.Conflict, "NoUniqueMatch", "Multiple security groups found matching '%s'. Use an ID to be more specific.", name)
				}
				i = j
			}
		}
		if i < 0 && name == "default" {
			g, err := f.s.SecurityGroups.EnsureDefaultTx(ctx, tx, projectID)
			if err != nil {
				return nil, err
			}
			own, i = append(own, g), len(own)
		}
		if i < 0 {
			return nil, fault(errs.NotFound, "SecurityGroupNotFound", "Security group %s not found for project %s.", name, projectID)
		}
		if !slices.Contains(out, own[i].ID) {
			out = append(out, own[i].ID)
		}
	}
	return out, nil
}

// AddSecurityGroup puts a group (id or name in the caller's project) on all ports of the server.
func (f *Servers) AddSecurityGroup(ctx context.Context, serverID, group string) error {
	return f.changeGroups(ctx, serverID, group, func(p *Port, id string) (bool, error) {
		if !p.PortSecurity {
			return false, groupsCannotBeApplied("Port", p.ID)
		}
		if slices.Contains(p.SecurityGroups, id) {
			return false, nil
		}
		p.SecurityGroups = append(p.SecurityGroups, id)
		return true, nil
	}, nil)
}

// RemoveSecurityGroup takes a group off all ports of the server; NotFound if no port has it.
func (f *Servers) RemoveSecurityGroup(ctx context.Context, serverID, group string) error {
	return f.changeGroups(ctx, serverID, group, func(p *Port, id string) (bool, error) {
		i := slices.Index(p.SecurityGroups, id)
		if i < 0 {
			return false, nil
		}
		p.SecurityGroups = slices.Delete(p.SecurityGroups, i, i+1)
		return true, nil
	}, fault(errs.NotFound, "SecurityGroupNotFound", "Security group %s not associated with the instance %s", group, serverID))
}

func (f *Servers) changeGroups(ctx context.Context, serverID, group string, change func(*Port, string) (bool, error), none error) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		found, err := f.findGroups(ctx, tx, actor.From(ctx).ProjectID, []string{group})
		if err != nil {
			return err
		}
		ps, err := f.PortsOfServerTx(ctx, tx, serverID)
		if err != nil {
			return err
		}
		changed := false
		for _, p := range ps {
			changes, err := change(p, found[0])
			if err != nil {
				return err
			}
			if !changes {
				continue
			}
			changed = true
			if err := f.s.Ports.linkGroups(ctx, tx, p); err != nil {
				return err
			}
			f.s.projector.touchPort(tx, p)
			if err := f.s.Ports.save(ctx, tx, p); err != nil {
				return err
			}
		}
		if !changed {
			return none
		}
		return nil
	})
}

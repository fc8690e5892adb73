package network

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

func (f *Networks) setShared(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Shared {
		return f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionShared)
	}
	if err := f.unusedByOthers(ctx, tx, n, "*", ""); err != nil {
		return err
	}
	return f.s.grants.revokeAll(ctx, tx, "network", n.ID, ActionShared)
}

// unusedByOthers makes sure that sharing with target ("*" or a project)
// can end, or go over to next alone.
func (f *Networks) unusedByOthers(ctx context.Context, tx *store.Tx, n *Network, target, next string) error {
	conds := []store.Cond{store.Eq("network_id", n.ID), store.Ne("project_id", n.ProjectID), store.Ne("project_id", ""), store.Ne("project_id", next)}
	if target != "*" {
		conds = append(conds, store.Eq("project_id", target))
	}
	users, err := f.s.Ports.table.All(ctx, tx, conds...)
	if err != nil {
		return err
	}
	for _, u := range users {
		otherwise, err := f.s.grants.granted(ctx, tx, "network", n.ID, store.Eq("action", ActionShared), store.Ne("target", target), reaches(u.ProjectID))
		if err != nil {
			return err
		}
		if !otherwise {
			return fault(errs.Conflict, "InvalidSharedSetting",
				"Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.Name)
		}
	}
	return nil
}

func (f *Networks) setExternal(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.External {
		n.externalVisible = true
		return f.s.grants.grantAll(ctx, tx, "network", n.ID, n.ProjectID, ActionExternal)
	}
	used, err := f.s.Ports.table.Any(ctx, tx, store.Eq("network_id", n.ID), store.Eq("held_as", OwnerRouterGateway))
	if err != nil {
		return err
	}
	if used {
		return fault(errs.Conflict, "ExternalNetworkInUse",
			"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
	}
	n.Default = false
	return f.s.grants.revoke(ctx, tx, "network", n.ID, store.Eq("action", ActionExternal))
}

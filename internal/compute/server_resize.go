package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Resize gives a server another flavor, on its own host if there is room,
// else on another. The owner then confirms or reverts.
func (s *Moves) Resize(ctx context.Context, id, flavorID, diskConfig string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("resize"))
		if err != nil {
			return err
		}
		f, err := s.orders.flavorFor(ctx, tx, flavorID)
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "resize"); err != nil {
			return err
		}
		switch {
		case f.ID == srv.Flavor.ID:
			return errs.New(errs.Invalid, "When resizing, instances must change flavor!")
		case f.Disk < srv.Flavor.Disk && srv.ImageID != "":
			return errs.New(errs.Invalid, "Resize to a smaller disk is not allowed: flavor %s has %d GiB, the server %d GiB.", f.Name, f.Disk, srv.Flavor.Disk)
		case f.Ephemeral < srv.Flavor.Ephemeral && len(srv.ephemeral()) > 0:
			return errs.New(errs.Invalid, "Resize to a smaller ephemeral disk is not allowed: flavor %s has %d GiB, the server %d GiB.", f.Name, f.Ephemeral, srv.Flavor.Ephemeral)
		}
		account, err := s.quotas.Account(ctx, tx, quota.Holder{Project: srv.ProjectID}, "cores", "ram")
		if err != nil {
			return err
		}
		if err := overQuota(account, map[string]int{"cores": f.VCPUs - srv.Flavor.VCPUs, "ram": f.RAM - srv.Flavor.RAM}); err != nil {
			return err
		}
		if diskConfig != "" {
			srv.DiskConfig = diskConfig
		}
		return s.begin(ctx, tx, srv, "resize", "", f)
	})
}

// begin writes the migration's record and begins its saga. A host that was
// insisted on when the server was made holds it no longer; host does, if given.
func (s *Moves) begin(ctx context.Context, tx *store.Tx, srv *Server, kind, host string, to *Flavor) error {
	if srv.Host == "" || srv.LaunchedAt.IsZero() {
		return errs.New(errs.Conflict, "Instance %s is not ready: it was never built on a host.", srv.ID)
	}
	m, err := s.Migrations.insert(ctx, tx, srv, kind, to)
	if err != nil {
		return err
	}
	j := &moving{
		Migration: m.ID, OldHost: srv.Host, Back: srv.VMState, BackPower: string(srv.Power),
		WasOn: srv.VMState == VMActive, Image: ids.New(),
	}
	srv.TaskState, srv.OldVMState, srv.RequestedHost = TaskResizePrep, srv.VMState, host
	return s.journal.begin(ctx, tx, srv, kindResize, moves[kind], j)
}

// moves are the actions of the history by the kinds of migrations.
var moves = map[string]string{"resize": "resize", "migration": "migrate"}

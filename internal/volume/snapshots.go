package volume

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Snapshots are volumes as they once were.
type Snapshots struct{ s *Service }

func (p *Snapshot) target() policy.Target {
	return policy.Target{"project_id": p.ProjectID, "user_id": p.UserID}
}

// get reads a snapshot for an actor who may know of it and do what the rule names.
func (f *Snapshots) get(ctx context.Context, tx *store.Tx, rule, id string) (*Snapshot, error) {
	p, err := f.s.tables.Snapshots.Get(ctx, tx, id)
	if err == nil && !f.s.sees(ctx, p.ProjectID) || errs.Is(err, errs.NotFound) {
		return nil, snapshotNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	return p, f.s.policy.Check(ctx, rule, p.target())
}

// forgetSnapshot removes a snapshot's record.
func (s *Service) forgetSnapshot(ctx context.Context, tx *store.Tx, p *Snapshot) error {
	kind, err := s.parts.typeByID(ctx, tx, p.TypeID)
	if err != nil {
		return err
	}
	if !p.Unmetered {
		if err := s.parts.spend(ctx, tx, Demand{Project: p.ProjectID, Type: kind.Name, Snapshots: -1, GiB: -p.SizeGiB}); err != nil {
			return err
		}
	}
	return s.tables.Snapshots.Delete(ctx, tx, p.ID)
}

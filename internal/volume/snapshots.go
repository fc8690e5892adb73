package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
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

func (f *Snapshots) change(ctx context.Context, rule, id string, change func(tx *store.Tx, p *Snapshot) error) (p *Snapshot, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		if p, err = f.get(ctx, tx, rule, id); err != nil {
			return err
		}
		if err := change(tx, p); err != nil {
			return err
		}
		return f.save(ctx, tx, p)
	})
	return p, err
}

func (f *Snapshots) save(ctx context.Context, tx *store.Tx, p *Snapshot) error {
	p.UpdatedAt = f.s.now()
	return f.s.tables.Snapshots.Update(ctx, tx, p)
}

// List lists snapshots.
func (f *Snapshots) List(ctx context.Context, q store.Query) (page store.Page[Snapshot], err error) {
	if err := f.s.Check(ctx, "volume:get_all_snapshots"); err != nil {
		return page, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.s.tables.Snapshots.List(ctx, tx, f.s.scope(ctx, q, "project_id"))
		return err
	})
	return page, err
}

// Count counts what List would list without pages.
func (f *Snapshots) Count(ctx context.Context, q store.Query) (n int64, err error) {
	q = f.s.scope(ctx, q, "project_id")
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		n, err = f.s.tables.Snapshots.Count(ctx, tx, append(slices.Clip(q.Scope), q.Where...)...)
		return err
	})
	return n, err
}

// Show returns a snapshot.
func (f *Snapshots) Show(ctx context.Context, id string) (*Snapshot, error) {
	return f.showBy(ctx, "volume:get_snapshot", id)
}

func (f *Snapshots) showBy(ctx context.Context, rule, id string) (p *Snapshot, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		p, err = f.get(ctx, tx, rule, id)
		return err
	})
	return p, err
}

// NewSnapshot is what a snapshot is made of. Force lets the volume be in use.
type NewSnapshot struct {
	ID, VolumeID, Name, Description string
	Metadata                        map[string]string
	Force                           bool
	GroupSnapshotID                 string
}

// Create makes a snapshot.
func (f *Snapshots) Create(ctx context.Context, n NewSnapshot) (p *Snapshot, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		p, err = f.CreateTx(ctx, tx, n)
		return err
	})
	return p, err
}

// CreateTx is Create in another part's transaction.
func (f *Snapshots) CreateTx(ctx context.Context, tx *store.Tx, n NewSnapshot) (*Snapshot, error) {
	v, err := f.s.Volumes.get(ctx, tx, "volume:create_snapshot", n.VolumeID)
	if err != nil {
		return nil, err
	}
	if migrating(v) {
		return nil, invalid("Snapshot cannot be created while volume is migrating.")
	}
	if v.Status != Available && (!n.Force || v.Status != InUse) {
		if n.Force {
			return nil, invalid("Volume %s status must be available or in-use, but current status is: %s.", v.ID, v.Status)
		}
		return nil, invalid("Volume %s status must be available, but current status is: %s.", v.ID, v.Status)
	}
	if err := f.s.Volumes.frozen(ctx, tx, v.Host); err != nil {
		return nil, err
	}
	kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return nil, err
	}
	if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, Snapshots: 1, GiB: v.SizeGiB}); err != nil {
		return nil, err
	}
	p := &Snapshot{
		ID: n.ID, VolumeID: v.ID, ProjectID: v.ProjectID, UserID: actor.From(ctx).UserID, Name: n.Name, Description: n.Description,
		Status: Creating, Progress: "0%", SizeGiB: v.SizeGiB, TypeID: v.TypeID, EncryptionKeyID: v.EncryptionKeyID, Metadata: n.Metadata,
		GroupSnapshotID: n.GroupSnapshotID, CreatedAt: f.s.now(),
	}
	if p.ID == "" {
		p.ID = ids.New()
	}
	if err := f.s.tables.Snapshots.Insert(ctx, tx, p); err != nil {
		return nil, err
	}
	audit.Created(ctx, p.ID)
	return p, f.s.begin(ctx, tx, kindSnapshot, "snapshot/"+p.ID, Work{Volume: v.ID, Place: v.Host, Snapshot: p.ID})
}

// Update changes a snapshot's name, description and metadata.
func (f *Snapshots) Update(ctx context.Context, id string, c Patch) (*Snapshot, error) {
	return f.change(ctx, "volume:update_snapshot", id, func(_ *store.Tx, p *Snapshot) error {
		c.Name.Into(&p.Name)
		c.Description.Into(&p.Description)
		c.Metadata.Into(&p.Metadata)
		return nil
	})
}

// Metadata returns a snapshot's metadata.
func (f *Snapshots) Metadata(ctx context.Context, id string) (map[string]string, error) {
	p, err := f.showBy(ctx, "volume:get_snapshot_metadata", id)
	if err != nil {
		return nil, err
	}
	return p.Metadata, nil
}

// ChangeMetadata changes a snapshot's metadata.
func (f *Snapshots) ChangeMetadata(ctx context.Context, id string, c MetadataChange) (map[string]string, error) {
	rule := c.rule("volume:update_snapshot_metadata", "volume:update_snapshot_metadata", "volume:delete_snapshot_metadata")
	p, err := f.change(ctx, rule, id, func(_ *store.Tx, p *Snapshot) (err error) {
		p.Metadata, err = c.apply(p.Metadata)
		return err
	})
	if err != nil {
		return nil, err
	}
	return p.Metadata, nil
}

// Delete removes a snapshot; force lets administrators do so whatever its status.
func (f *Snapshots) Delete(ctx context.Context, id string, force bool) error {
	rule := "volume:delete_snapshot"
	if force {
		rule = "volume_extension:snapshot_admin_actions:force_delete"
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		p, err := f.get(ctx, tx, rule, id)
		if err != nil {
			return err
		}
		if p.GroupSnapshotID != "" && !f.s.inside(ctx) {
			return errs.New(errs.Invalid, "Invalid snapshot: Unable to delete snapshot %s because it is part of a group snapshot.", id)
		}
		return f.DeleteTx(ctx, tx, p, force)
	})
}

// DeleteTx is Delete in another part's transaction, which has asked the policy.
func (f *Snapshots) DeleteTx(ctx context.Context, tx *store.Tx, p *Snapshot, force bool) error {
	return f.end(ctx, tx, p, force, Deleting, kindDropSnapshot, "")
}

// end begins a saga after which there is no such snapshot any more; name is what the
// backend then keeps it as. With force its status does not matter.
func (f *Snapshots) end(ctx context.Context, tx *store.Tx, p *Snapshot, force bool, status, kind, name string) error {
	used, err := f.s.tables.Volumes.Any(ctx, tx, store.Eq("snapshot_id", p.ID), store.Eq("status", Creating))
	if err != nil {
		return err
	}
	if used || !force && !slices.Contains([]string{Available, Error, ErrorDeleting}, p.Status) {
		return errs.New(errs.Invalid, "Invalid snapshot: Snapshot status must be available or error, and no volume may just be made of it; it is %s.", p.Status)
	}
	v, err := f.s.tables.Volumes.Get(ctx, tx, p.VolumeID)
	if err != nil {
		return err
	}
	if err := f.s.Volumes.frozen(ctx, tx, v.Host); err != nil {
		return err
	}
	p.Status = status
	if err := f.save(ctx, tx, p); err != nil {
		return err
	}
	return f.s.begin(ctx, tx, kind, "snapshot/"+p.ID, Work{Volume: p.VolumeID, Place: v.Host, Snapshot: p.ID, Name: name})
}

// ResetStatus is the administrators' word about a snapshot.
func (f *Snapshots) ResetStatus(ctx context.Context, id, status string) error {
	_, err := f.change(ctx, "volume_extension:snapshot_admin_actions:reset_status", id, func(_ *store.Tx, p *Snapshot) error {
		p.Status = status
		return nil
	})
	return err
}

// Report is what a server's host says about a snapshot that it makes itself.
func (f *Snapshots) Report(ctx context.Context, id, status, progress string) error {
	_, err := f.change(ctx, "snapshot_extension:snapshot_actions:update_snapshot_status", id, func(_ *store.Tx, p *Snapshot) error {
		allowed := map[string][]string{
			Creating: {Creating, Available, Error}, Deleting: {Deleting, ErrorDeleting},
		}
		if !slices.Contains(allowed[p.Status], status) {
			return errs.New(errs.Invalid, "Invalid input received: Provided snapshot status %s not allowed for snapshot with status %s.", status, p.Status)
		}
		p.Status = status
		if progress != "" {
			p.Progress = progress
		}
		return nil
	})
	return err
}

// forget removes a snapshot's record.
func (f *Snapshots) forget(ctx context.Context, tx *store.Tx, p *Snapshot) error {
	return f.s.tables.Snapshots.Delete(ctx, tx, p.ID)
}

// snapRef is the saga's snapshot as its host knows it.
func (w *Work) snapRef() hostapi.VolumeSnapshotRef {
	return hostapi.VolumeSnapshotRef{VolumeRef: w.ref(), SnapshotID: w.Snapshot}
}

// settle ends a saga by changing the snapshot's record, if it is still there.
func (f *Snapshots) settle(change func(ctx context.Context, tx *store.Tx, p *Snapshot) error) func(context.Context, *store.Tx, *Work) error {
	return func(ctx context.Context, tx *store.Tx, w *Work) error {
		p, err := f.s.tables.Snapshots.Get(ctx, tx, w.Snapshot)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err == nil {
			err = change(ctx, tx, p)
		}
		return err
	}
}

func (f *Snapshots) fail(status, action, detail string) func(context.Context, *store.Tx, *Work, *errs.Error) error {
	return func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
		return f.settle(func(ctx context.Context, tx *store.Tx, p *Snapshot) error {
			p.Status = status
			if err := f.save(ctx, tx, p); err != nil {
				return err
			}
			return f.s.message(ctx, tx, "VOLUME_SNAPSHOT", p.ID, p.ProjectID, action, detailOf(cause, detail))
		})(ctx, tx, w)
	}
}

func (f *Snapshots) createSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindSnapshot, Version: 1,
		Steps: []step{{Name: "create", Do: func(ctx context.Context, w *Work) error {
			h, err := f.s.host(w.Place)
			if err != nil {
				return err
			}
			return h.CreateVolumeSnapshot(ctx, w.snapRef())
		}, Undo: func(ctx context.Context, w *Work) error {
			h, err := f.s.host(w.Place)
			if err != nil {
				return nil //nolint:nilerr // there is nowhere to undo anything
			}
			if err := gone(h.DeleteVolumeSnapshot(ctx, w.snapRef())); !away(err) {
				return err
			}
			return nil // its deletion finds what is left
		}}},
		Done: f.settle(func(ctx context.Context, tx *store.Tx, p *Snapshot) error {
			p.Status, p.Progress = Available, "100%"
			return f.save(ctx, tx, p)
		}),
		Failed: f.fail(Error, actSnapshot, snapshotFailed),
	}
}

func (f *Snapshots) deleteSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindDropSnapshot, Version: 1,
		Steps: []step{{Name: "delete", Timeout: long, Do: func(ctx context.Context, w *Work) error {
			if w.Place == "" {
				return nil
			}
			h, err := f.s.host(w.Place)
			if err != nil {
				return err
			}
			return gone(h.DeleteVolumeSnapshot(ctx, w.snapRef()))
		}}},
		Done:   f.settle(f.s.Snapshots.forget),
		Failed: f.fail(ErrorDeleting, actDropSnapshot, dropFailed),
	}
}

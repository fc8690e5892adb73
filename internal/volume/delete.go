package volume

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// deletable are the statuses of volumes that their owners may delete.
var deletable = []string{Available, Error, ErrorDeleting, ErrorRestoring, ErrorExtending, ErrorManaging}

// Delete removes a volume, with its snapshots if cascade says so; force lets
// administrators remove it whatever its status.
func (f *Volumes) Delete(ctx context.Context, id string, cascade, force bool) error {
	rule := "volume:delete"
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.get(ctx, tx, rule, id)
		if err == nil && force {
			err = f.s.policy.Check(ctx, "volume:force_delete", v.target())
		}
		if err != nil {
			return err
		}
		return f.deleteTx(ctx, tx, v, deletion{cascade: cascade, force: force})
	})
}

// ForceDelete is the administrators' action.
func (f *Volumes) ForceDelete(ctx context.Context, id string) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.get(ctx, tx, "volume_extension:volume_admin_actions:force_delete", id)
		if err != nil {
			return err
		}
		return f.deleteTx(ctx, tx, v, deletion{force: true})
	})
}

// deletion is how a volume is deleted: with its snapshots, whatever its status, together with its group.
type deletion struct{ cascade, force, grouped bool }

func (f *Volumes) deleteTx(ctx context.Context, tx *store.Tx, v *Volume, how deletion) error {
	snaps, err := f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
	if err != nil {
		return err
	}
	used, err := f.isSource(ctx, tx, v)
	if err != nil {
		return err
	}
	attached := slices.ContainsFunc(v.Attachments, func(a *Attachment) bool { return a.Status == "attached" })
	busy := migrating(v) || attached || v.GroupID != "" && !how.grouped || used || len(snaps) > 0 && !how.cascade
	for _, p := range snaps {
		busy = busy || p.GroupSnapshotID != "" || !how.force && !slices.Contains([]string{Available, Error, ErrorDeleting}, p.Status)
	}
	if busy || !how.force && !slices.Contains(deletable, v.Status) {
		status := ""
		if !how.force {
			status = "status must be available or error or error_restoring or error_extending or error_managing and"
		}
		return invalid("Volume %s must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, "+
			"or be disassociated from snapshots after volume transfer.", status)
	}
	if err := f.frozen(ctx, tx, v.Host); err != nil {
		return err
	}
	for _, p := range snaps {
		p.Status, p.UpdatedAt = Deleting, f.s.now()
		if err := f.s.tables.Snapshots.Update(ctx, tx, p); err != nil {
			return err
		}
	}
	v.Status = Deleting
	if err := f.save(ctx, tx, v); err != nil {
		return err
	}
	return f.s.begin(ctx, tx, kindDelete, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Cascade: how.cascade})
}

func migrating(v *Volume) bool {
	return !slices.Contains([]string{"", "success", "error", "none"}, v.MigrationStatus)
}

// isSource tells whether another volume is just being made of this one.
func (f *Volumes) isSource(ctx context.Context, tx *store.Tx, v *Volume) (bool, error) {
	return f.s.tables.Volumes.Any(ctx, tx, store.Eq("source_volid", v.ID), store.Eq("status", Creating))
}

// frozen refuses changes in a backend that the operator has frozen.
func (f *Volumes) frozen(ctx context.Context, tx *store.Tx, place string) error {
	p := ParsePlace(place)
	if p.Host == "" {
		return nil
	}
	b, err := f.s.tables.Backends.Get(ctx, tx, p.Host, p.Backend)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err == nil && b.Frozen {
		err = errs.New(errs.Invalid, "Modification is not allowed: the backend %s is frozen.", p)
	}
	return err
}

// deleteSaga removes a volume's bytes and then its record. What fails can be
// tried again: each deletion finds what the last one left.
func (f *Volumes) deleteSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindDelete, Version: 1,
		Steps: []step{
			{Name: "disconnect", Do: f.dropClients},
			{Name: "snapshots", Do: f.dropSnapshots, Timeout: long, Skip: func(w *Work) bool { return !w.Cascade }},
			{Name: "delete", Do: f.deleteBytes, Timeout: long},
		},
		Done:   f.forget,
		Failed: f.s.fail(ErrorDeleting, actSchedule, unknownError),
	}
}

// dropClients ends what attachments are left, whose clients never came or are lost.
func (f *Volumes) dropClients(ctx context.Context, w *Work) error {
	var list []*Attachment
	err := f.s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = f.s.tables.Attachments.All(ctx, tx, store.Eq("volume_id", w.Volume))
		return err
	})
	if err != nil || len(list) == 0 || w.Place == "" {
		return err
	}
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	for _, a := range list {
		if err := gone(h.UnexportVolume(ctx, w.ref(), a.ID)); err != nil {
			return err
		}
	}
	return nil
}

// ref is the saga's volume as its host knows it.
func (w *Work) ref() hostapi.VolumeRef {
	return hostapi.VolumeRef{Backend: ParsePlace(w.Place).Backend, ID: w.Volume}
}

func (f *Volumes) dropSnapshots(ctx context.Context, w *Work) error {
	var list []*Snapshot
	err := f.s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", w.Volume))
		return err
	})
	if err != nil || len(list) == 0 {
		return err
	}
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	for _, p := range list {
		if err := gone(h.DeleteVolumeSnapshot(ctx, hostapi.VolumeSnapshotRef{VolumeRef: w.ref(), SnapshotID: p.ID})); err != nil {
			return err
		}
	}
	return nil
}

// deleteBytes has the backend delete the volume. One that was never put
// anywhere has none.
func (f *Volumes) deleteBytes(ctx context.Context, w *Work) error {
	if w.Place == "" {
		return nil
	}
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	return gone(h.DeleteVolume(ctx, w.ref()))
}

// forget removes a volume's record, with all that hangs on it.
func (f *Volumes) forget(ctx context.Context, tx *store.Tx, w *Work) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	snaps, err := f.s.tables.Snapshots.All(ctx, tx, store.Eq("volume_id", v.ID))
	if err != nil {
		return err
	}
	for _, p := range snaps {
		if err := f.s.Snapshots.forget(ctx, tx, p); err != nil {
			return err
		}
	}
	its := store.Eq("volume_id", v.ID)
	if _, err := f.s.tables.Attachments.DeleteWhere(ctx, tx, its); err != nil {
		return err
	}
	if _, err := f.s.tables.Transfers.DeleteWhere(ctx, tx, its, store.Eq("accepted", false)); err != nil {
		return err
	}
	if err := f.s.keys.drop(ctx, tx, v.EncryptionKeyID); err != nil {
		return err
	}
	return f.s.tables.Volumes.Delete(ctx, tx, v.ID)
}

package volume

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// settle ends a saga by changing the backup's record, if it is still there.
func (f *Backups) settle(change func(ctx context.Context, tx *store.Tx, w *Work, b *Backup) error) func(context.Context, *store.Tx, *Work) error {
	return func(ctx context.Context, tx *store.Tx, w *Work) error {
		b, err := f.s.tables.Backups.Get(ctx, tx, w.Backup)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err == nil {
			err = change(ctx, tx, w, b)
		}
		return err
	}
}

// free gives what was backed up its status back.
func (f *Backups) free(ctx context.Context, tx *store.Tx, w *Work) error {
	if w.Snapshot != "" {
		return f.s.Snapshots.settle(func(ctx context.Context, tx *store.Tx, p *Snapshot) error {
			p.Status = Available
			return f.s.Snapshots.save(ctx, tx, p)
		})(ctx, tx, w)
	}
	return f.s.finish(func(_ context.Context, _ *store.Tx, w *Work, v *Volume) error {
		v.Status, v.PreviousStatus = w.Was, ""
		return nil
	})(ctx, tx, w)
}

func (f *Backups) fail(status, action, detail string, also func(context.Context, *store.Tx, *Work) error) func(context.Context, *store.Tx, *Work, *errs.Error) error {
	return func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
		if also != nil {
			if err := also(ctx, tx, w); err != nil {
				return err
			}
		}
		return f.settle(func(ctx context.Context, tx *store.Tx, _ *Work, b *Backup) error {
			b.Status, b.FailReason = status, cause.Msg
			if err := f.save(ctx, tx, b); err != nil {
				return err
			}
			return f.s.message(ctx, tx, "VOLUME_BACKUP", b.ID, b.ProjectID, action, detailOf(cause, detail))
		})(ctx, tx, w)
	}
}

// createSaga has the host send the bytes. An attempt begins with nothing: the
// volume may have changed since the one before.
func (f *Backups) createSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindBackup, Version: 1,
		Steps: []step{{
			Name: "store", Timeout: long,
			Do: f.s.onHost(func(ctx context.Context, h hostapi.VolumeHost, w *Work) (err error) {
				if err = f.s.chunks.reset(w.Backup); err != nil {
					return err
				}
				w.Made, err = h.BackupVolume(ctx, &hostapi.VolumeBackup{VolumeRef: w.ref(), BackupID: w.Backup, SnapshotID: w.Snapshot, Since: w.Since})
				return err
			}),
			Undo: func(_ context.Context, w *Work) error { return f.s.chunks.remove(w.Backup) },
		}},
		Done: func(ctx context.Context, tx *store.Tx, w *Work) error {
			f.s.chunks.close(w.Backup)
			err := f.settle(func(ctx context.Context, tx *store.Tx, w *Work, b *Backup) (err error) {
				b.Status = Available
				if b.Bytes, _, err = f.s.chunks.bytes(b.ID); err != nil {
					return err
				}
				if w.Made.Full && b.ParentID != "" {
					b.ParentID = ""
					if err := f.s.message(ctx, tx, "VOLUME_BACKUP", b.ID, b.ProjectID, actBackup, needsFull); err != nil {
						return err
					}
				}
				return f.save(ctx, tx, b)
			})(ctx, tx, w)
			if err != nil {
				return err
			}
			return f.free(ctx, tx, w)
		},
		Failed: f.fail(Error, actBackup, backupFailed, f.free),
	}
}

func (f *Backups) deleteSaga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindDropBackup, Version: 1,
		Steps: []step{{Name: "remove", Do: func(_ context.Context, w *Work) error { return f.s.chunks.remove(w.Backup) }}},
		Done: f.settle(func(ctx context.Context, tx *store.Tx, _ *Work, b *Backup) error {
			if err := f.s.keys.drop(ctx, tx, b.EncryptionKeyID); err != nil {
				return err
			}
			return f.s.tables.Backups.Delete(ctx, tx, b.ID)
		}),
		Failed: f.fail(ErrorDeleting, actDropBackup, dropBackup, nil),
	}
}

// restoreInto fills a volume from a backup.
func (f *Contents) restoreInto(ctx context.Context, h hostapi.VolumeHost, w *Work) error {
	var chain []string
	err := f.s.read(ctx, func(tx *store.Tx) (err error) {
		chain, err = f.s.Backups.chainTx(ctx, tx, w.Backup)
		return err
	})
	if err != nil {
		return err
	}
	return h.RestoreVolume(ctx, &hostapi.VolumeRestore{VolumeRef: w.ref(), Backups: chain})
}

// restoreSaga writes a backup over a volume. Half of it is no volume any more.
func (f *Backups) restoreSaga() saga.Definition[Work] {
	end := func(status string, restored bool) func(context.Context, *store.Tx, *Work) error {
		return func(ctx context.Context, tx *store.Tx, w *Work) error {
			b, err := f.s.tables.Backups.Get(ctx, tx, w.Backup)
			if err != nil {
				return gone(err)
			}
			b.Status, b.RestoreID = Available, ""
			if err := f.save(ctx, tx, b); err != nil {
				return err
			}
			return f.s.finish(func(ctx context.Context, tx *store.Tx, _ *Work, v *Volume) (err error) {
				v.Status = status
				if restored && len(b.VolumeMetadata) > 0 {
					v.Metadata = b.VolumeMetadata
				}
				if !restored || b.EncryptionKeyID == "" {
					return nil
				}
				if err := f.s.keys.drop(ctx, tx, v.EncryptionKeyID); err != nil {
					return err
				}
				v.EncryptionKeyID, err = f.s.keys.copy(ctx, tx, b.EncryptionKeyID, v.ProjectID)
				return err
			})(ctx, tx, w)
		}
	}
	return saga.Definition[Work]{
		Kind: kindRestore, Version: 1,
		Steps: []step{{Name: "restore", Timeout: long, Do: f.s.onHost(f.s.Contents.restoreInto)}},
		Done:  end(Available, true),
		Failed: func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
			if err := end(ErrorRestoring, false)(ctx, tx, w); err != nil {
				return err
			}
			return f.settle(func(ctx context.Context, tx *store.Tx, _ *Work, b *Backup) error {
				return f.s.message(ctx, tx, "VOLUME_BACKUP", b.ID, b.ProjectID, actRestore, detailOf(cause, restoreFailed))
			})(ctx, tx, w)
		},
	}
}

package volume

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Backups are copies of volumes that lie apart from them.
type Backups struct{ s *Service }

func (b *Backup) target() policy.Target {
	return policy.Target{"project_id": b.ProjectID, "user_id": b.UserID}
}

// get reads a backup for an actor who may know of it and do what the rule names.
func (f *Backups) get(ctx context.Context, tx *store.Tx, rule, id string) (*Backup, error) {
	b, err := f.s.tables.Backups.Get(ctx, tx, id)
	if err == nil && !f.s.sees(ctx, b.ProjectID) || errs.Is(err, errs.NotFound) {
		return nil, backupNotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if b.Dependents, err = f.s.tables.Backups.Any(ctx, tx, store.Eq("parent_id", id)); err != nil {
		return nil, err
	}
	return b, f.s.policy.Check(ctx, rule, b.target())
}

func (f *Backups) change(ctx context.Context, rule, id string, change func(b *Backup) error) (b *Backup, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		if b, err = f.get(ctx, tx, rule, id); err != nil {
			return err
		}
		if err := change(b); err != nil {
			return err
		}
		return f.save(ctx, tx, b)
	})
	return b, err
}

func (f *Backups) save(ctx context.Context, tx *store.Tx, b *Backup) error {
	b.UpdatedAt = f.s.now()
	return f.s.tables.Backups.Update(ctx, tx, b)
}

// List lists backups.
func (f *Backups) List(ctx context.Context, q store.Query) (page store.Page[Backup], err error) {
	if err := f.s.Check(ctx, "backup:get_all"); err != nil {
		return page, err
	}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		if page, err = f.s.tables.Backups.List(ctx, tx, f.s.scope(ctx, q, "project_id")); err != nil {
			return err
		}
		children := make([]string, len(page.Rows))
		for i, b := range page.Rows {
			children[i] = b.ID
		}
		list, err := f.s.tables.Backups.All(ctx, tx, store.In("parent_id", children))
		for _, b := range page.Rows {
			b.Dependents = slices.ContainsFunc(list, func(c *Backup) bool { return c.ParentID == b.ID })
		}
		return err
	})
	return page, err
}

// Count counts what List would list without pages.
func (f *Backups) Count(ctx context.Context, q store.Query) (n int64, err error) {
	q = f.s.scope(ctx, q, "project_id")
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		n, err = f.s.tables.Backups.Count(ctx, tx, append(slices.Clip(q.Scope), q.Where...)...)
		return err
	})
	return n, err
}

// Show returns a backup.
func (f *Backups) Show(ctx context.Context, id string) (*Backup, error) {
	return f.showBy(ctx, "backup:get", id)
}

func (f *Backups) showBy(ctx context.Context, rule, id string) (b *Backup, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		b, err = f.get(ctx, tx, rule, id)
		return err
	})
	return b, err
}

// BackupPatch is what a user changes of a backup.
type BackupPatch struct {
	Name, Description change.Optional[string]
	Metadata          change.Optional[map[string]string]
}

// Update changes a backup's name, description and metadata.
func (f *Backups) Update(ctx context.Context, id string, p BackupPatch) (*Backup, error) {
	return f.change(ctx, "backup:update", id, func(b *Backup) error {
		p.Name.Into(&b.Name)
		p.Description.Into(&b.Description)
		p.Metadata.Into(&b.Metadata)
		return nil
	})
}

// ResetStatus is the administrators' word about a backup.
func (f *Backups) ResetStatus(ctx context.Context, id, status string) error {
	_, err := f.change(ctx, "volume_extension:backup_admin_actions:reset_status", id, func(b *Backup) error {
		b.Status = status
		return nil
	})
	return err
}

// NewBackup is what a backup is made of: a volume as it is, or a snapshot of it.
type NewBackup struct {
	VolumeID, SnapshotID    string
	Name, Description, Zone string
	Container               string
	Metadata                map[string]string
	Incremental, Force      bool
}

// Create makes a backup.
func (f *Backups) Create(ctx context.Context, n NewBackup) (b *Backup, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) (err error) {
		b, err = f.createTx(ctx, tx, n)
		return err
	})
	return b, err
}

func (f *Backups) createTx(ctx context.Context, tx *store.Tx, n NewBackup) (*Backup, error) {
	s := f.s
	v, err := s.Volumes.get(ctx, tx, "backup:create", n.VolumeID)
	if err != nil {
		return nil, err
	}
	who := actor.From(ctx)
	b := &Backup{
		ID: ids.New(), ProjectID: who.ProjectID, UserID: who.UserID, Name: n.Name, Description: n.Description, VolumeID: v.ID, SnapshotID: n.SnapshotID,
		Status: Creating, SizeGiB: v.SizeGiB, Container: n.Container, Zone: n.Zone, Metadata: n.Metadata, VolumeMetadata: maps.Clone(v.Metadata),
		CreatedAt: s.now(), DataAt: s.now(),
	}
	about, err := f.occupy(ctx, tx, v, b, n.Force)
	if err != nil {
		return nil, err
	}
	if n.Incremental {
		if b.ParentID, err = f.latest(ctx, tx, b); err != nil {
			return nil, err
		}
	}
	if err := s.parts.spend(ctx, tx, Demand{Project: b.ProjectID, Backups: 1, BackupGiB: b.SizeGiB}); err != nil {
		return nil, err
	}
	if b.EncryptionKeyID, err = s.keys.copy(ctx, tx, v.EncryptionKeyID, b.ProjectID); err != nil {
		return nil, err
	}
	if err := s.tables.Backups.Insert(ctx, tx, b); err != nil {
		return nil, err
	}
	audit.Created(ctx, b.ID)
	return b, s.begin(ctx, tx, kindBackup, about, Work{
		Volume: v.ID, Place: v.Host, Backup: b.ID, Snapshot: n.SnapshotID, Since: b.ParentID, Was: v.PreviousStatus,
	})
}

// occupy marks what is backed up, and returns what the saga holds.
func (f *Backups) occupy(ctx context.Context, tx *store.Tx, v *Volume, b *Backup, force bool) (string, error) {
	if b.SnapshotID == "" {
		if v.Status != Available && v.Status != InUse {
			return "", invalid("Volume to be backed up must be available or in-use, but the current status is \"%s\".", v.Status)
		}
		if v.Status == InUse && !force {
			return "", invalid("Backing up an in-use volume must use the force flag.")
		}
		v.PreviousStatus, v.Status = v.Status, BackingUp
		return resource(v.ID), f.s.Volumes.save(ctx, tx, v)
	}
	p, err := f.s.Snapshots.get(ctx, tx, "volume:get_snapshot", b.SnapshotID)
	if err != nil {
		return "", err
	}
	if p.VolumeID != v.ID {
		return "", invalid("Volume %s does not match with snapshot.volume_id %s.", v.ID, p.VolumeID)
	}
	if p.Status != Available {
		return "", errs.New(errs.Invalid, "Invalid snapshot: Snapshot to be backed up must be available, but the current status is \"%s\".", p.Status)
	}
	p.Status, b.DataAt, b.SizeGiB = BackingUp, p.CreatedAt, p.SizeGiB
	return "snapshot/" + p.ID, f.s.Snapshots.save(ctx, tx, p)
}

// latest is the backup that an incremental one adds to.
func (f *Backups) latest(ctx context.Context, tx *store.Tx, b *Backup) (string, error) {
	list, err := f.s.tables.Backups.All(ctx, tx, store.Eq("volume_id", b.VolumeID), store.Eq("project_id", b.ProjectID), store.Eq("status", Available))
	if err != nil {
		return "", err
	}
	list = slices.DeleteFunc(list, func(o *Backup) bool { return b.SnapshotID != "" && !o.DataAt.Before(b.DataAt) })
	if len(list) == 0 {
		return "", errs.New(errs.Invalid, "Invalid backup: No backups available to do an incremental backup.")
	}
	return slices.MaxFunc(list, func(a, b *Backup) int { return a.DataAt.Compare(b.DataAt) }).ID, nil
}

// Delete removes a backup; force lets administrators do so whatever its status.
func (f *Backups) Delete(ctx context.Context, id string, force bool) error {
	rule := "backup:delete"
	if force {
		rule = "volume_extension:backup_admin_actions:force_delete"
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		b, err := f.get(ctx, tx, rule, id)
		if err != nil {
			return err
		}
		if !force && !slices.Contains([]string{Available, Error, ErrorDeleting}, b.Status) {
			return errs.New(errs.Invalid, "Invalid backup: Backup status must be available or error")
		}
		if b.Dependents {
			return errs.New(errs.Invalid, "Invalid backup: Incremental backups exist for this backup.")
		}
		b.Status = Deleting
		if err := f.save(ctx, tx, b); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindDropBackup, "backup/"+b.ID, Work{Backup: b.ID})
	})
}

// Restored says into which volume a backup goes.
type Restored struct{ Backup, Volume, Name string }

// Restore writes a backup into a volume, or into a new one.
func (f *Backups) Restore(ctx context.Context, id, volumeID, name string) (out *Restored, err error) {
	err = f.s.write(ctx, func(tx *store.Tx) error {
		b, err := f.get(ctx, tx, "backup:restore", id)
		if err != nil {
			return err
		}
		if b.Status != Available {
			return errs.New(errs.Invalid, "Invalid backup: Backup status must be available")
		}
		if b.SizeGiB == 0 {
			return errs.New(errs.Invalid, "Invalid backup: Backup to be restored has invalid size")
		}
		if volumeID == "" {
			if name == "" {
				name = "restore_backup_" + b.ID
			}
			v, err := f.s.Volumes.createTx(ctx, tx, NewVolume{Name: name, SizeGiB: b.SizeGiB, BackupID: b.ID}, nil)
			if err == nil {
				out = &Restored{b.ID, v.ID, v.Name}
			}
			return err
		}
		v, err := f.s.Volumes.get(ctx, tx, "volume:update", volumeID)
		if err != nil {
			return err
		}
		switch {
		case v.Status != Available:
			return invalid("Volume to be restored to must be available")
		case v.SizeGiB < b.SizeGiB:
			return invalid("volume size %d is too small to restore backup of size %d.", v.SizeGiB, b.SizeGiB)
		case v.Encrypted != (b.EncryptionKeyID != ""):
			return invalid("an encrypted backup is restored into an encrypted volume, and no other is.")
		}
		out = &Restored{b.ID, v.ID, v.Name}
		v.Status = RestoringBackup
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		b.Status, b.RestoreID = "restoring", v.ID
		if err := f.save(ctx, tx, b); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindRestore, resource(v.ID), Work{Volume: v.ID, Place: v.Host, Backup: b.ID})
	})
	return out, err
}

// chainTx are a backup and those that it adds to, the oldest first.
func (f *Backups) chainTx(ctx context.Context, tx *store.Tx, id string) ([]string, error) {
	var chain []string
	for id != "" && !slices.Contains(chain, id) {
		b, err := f.s.tables.Backups.Get(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		chain = append(chain, id)
		id = b.ParentID
	}
	slices.Reverse(chain)
	return chain, nil
}

// Write takes a part of a backup from its volume's host.
func (f *Backups) Write(_ context.Context, w hostapi.BackupWrite) error { return f.s.chunks.write(w) }

// Read gives a host the next part of a backup.
func (f *Backups) Read(_ context.Context, r hostapi.BackupRead) (*hostapi.BackupWrite, error) {
	return f.s.chunks.read(r)
}

// mayWrite tells whether a host is just making a backup.
func (f *Backups) mayWrite(ctx context.Context, host, id string) error {
	return f.s.read(ctx, func(tx *store.Tx) error {
		b, err := f.s.tables.Backups.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		v, err := f.s.tables.Volumes.Get(ctx, tx, b.VolumeID)
		if err == nil && (b.Status != Creating || ParsePlace(v.Host).Host != host) {
			err = errs.New(errs.Forbidden, "Host %s makes no backup %s.", host, id)
		}
		return err
	})
}

// mayRead tells whether a volume of a host is just filled from a backup.
func (f *Backups) mayRead(ctx context.Context, host, id string) error {
	return f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.s.tables.Volumes.All(ctx, tx, store.In("status", []string{Creating, RestoringBackup}))
		if err != nil {
			return err
		}
		for _, v := range list {
			if ParsePlace(v.Host).Host != host {
				continue
			}
			from := v.BackupID
			if v.Status == RestoringBackup {
				b, err := f.s.tables.Backups.First(ctx, tx, store.Eq("restore_id", v.ID), store.Eq("status", "restoring"))
				if err != nil {
					continue
				}
				from = b.ID
			}
			if from == "" {
				continue
			}
			chain, err := f.chainTx(ctx, tx, from)
			if err != nil {
				return err
			}
			if slices.Contains(chain, id) {
				return nil
			}
		}
		return errs.New(errs.Forbidden, "Host %s restores no backup %s.", host, id)
	})
}

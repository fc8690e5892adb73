package volume_test

import (
	"context"
	"strings"
	"testing"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
	"kumoi/internal/volume/sqlstore"
)

// snapshot makes a snapshot and runs its saga.
func (w *world) snapshot(t *testing.T, id string) string {
	t.Helper()
	p, err := w.Svc.Snapshots.Create(w.ctx, volume.NewSnapshot{VolumeID: id})
	if err != nil {
		t.Fatal(err)
	}
	w.runAll(t)
	return p.ID
}

// backup makes a backup and runs its saga.
func (w *world) backup(t *testing.T, id string) string {
	t.Helper()
	b, err := w.Svc.Backups.Create(w.ctx, volume.NewBackup{VolumeID: id})
	if err != nil {
		t.Fatal(err)
	}
	w.runAll(t)
	return b.ID
}

// status is that of a row; "" if there is none.
func status[T any](t *testing.T, w *world, table *store.Table[T], id string, of func(*T) string) string {
	t.Helper()
	got := ""
	err := w.DB.Read(t.Context(), func(tx *store.Tx) error {
		list, err := table.All(t.Context(), tx, store.Eq("id", id))
		for _, v := range list {
			got = of(v)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func (w *world) snapshotIs(id, want string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if got := status(t, w, sqlstore.Tables().Snapshots, id, func(p *volume.Snapshot) string { return p.Status }); got != want {
			t.Errorf("the snapshot is %q, want %q", got, want)
		}
	}
}

func (w *world) backupIs(id, want string) func(t *testing.T) {
	return func(t *testing.T) {
		t.Helper()
		if got := status(t, w, sqlstore.Tables().Backups, id, func(b *volume.Backup) string { return b.Status }); got != want {
			t.Errorf("the backup is %q, want %q", got, want)
		}
	}
}

func (w *world) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSnapshotSagas(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			p, err := w.Svc.Snapshots.Create(w.ctx, volume.NewSnapshot{VolumeID: w.volume(t, volume.NewVolume{})})
			w.must(t, err)
			return w.env(t, "volume.snapshot.create", w.snapshotIs(p.ID, volume.Available), w.snapshotIs(p.ID, volume.Error))
		})
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			id := w.snapshot(t, w.volume(t, volume.NewVolume{}))
			w.must(t, w.Svc.Snapshots.Delete(w.ctx, id, false))
			return w.env(t, "volume.snapshot.delete", w.snapshotIs(id, ""), w.snapshotIs(id, volume.ErrorDeleting))
		})
	})
	t.Run("revert", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			v := w.volume(t, volume.NewVolume{})
			p := w.snapshot(t, v)
			w.must(t, w.Svc.Contents.Revert(w.ctx, v, p))
			return w.env(t, "volume.revert", both(w.is(v, volume.Available), w.snapshotIs(p, volume.Available)), both(w.is(v, volume.Error), w.snapshotIs(p, volume.Available)))
		})
	})
}

func TestExtendSaga(t *testing.T) {
	t.Parallel()
	sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
		w := newWorld(t)
		id := w.volume(t, volume.NewVolume{})
		w.must(t, w.Svc.Contents.Extend(w.ctx, id, 3, false))
		size := func(want int) func(t *testing.T) {
			return func(t *testing.T) {
				t.Helper()
				if v, err := w.row(t, id); err != nil || v.SizeGiB != want {
					t.Errorf("the volume is %+v, %v; want %d GiB", v, err, want)
				}
			}
		}
		return w.env(t, "volume.extend", both(w.is(id, volume.Available), size(3)), both(w.is(id, volume.ErrorExtending), size(1)))
	})
}

const imageID = "2ec1c0a1-7a4f-4d0b-8a3c-0d6c8f5c9b01"

func TestImageSagas(t *testing.T) {
	t.Parallel()
	t.Run("reimage", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			w.Images.Add(imageID, []byte("an image"), nil)
			id := w.volume(t, volume.NewVolume{})
			w.must(t, w.Svc.Contents.Reimage(w.ctx, id, imageID, false))
			return w.env(t, "volume.reimage", both(w.is(id, volume.Available), w.holds(id, true)), w.is(id, volume.Error))
		})
	})
	t.Run("upload", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			id := w.volume(t, volume.NewVolume{})
			up, err := w.Svc.Contents.Upload(w.ctx, id, volume.NewUpload{Name: "i", DiskFormat: "raw", ContainerFormat: "bare"})
			w.must(t, err)
			there := func(want bool) func(t *testing.T) {
				return func(t *testing.T) {
					t.Helper()
					img, err := w.Images.Show(w.ctx, up.ImageID)
					if got := err == nil && img.Status == image.Active; got != want {
						t.Errorf("the image is there: %v, %v", got, err)
					}
				}
			}
			return w.env(t, "volume.upload", both(w.is(id, volume.Available), there(true)), both(w.is(id, volume.Available), there(false)))
		})
	})
}

func TestBackupSagas(t *testing.T) {
	t.Parallel()
	t.Run("create", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			id := w.volume(t, volume.NewVolume{})
			b, err := w.Svc.Backups.Create(w.ctx, volume.NewBackup{VolumeID: id})
			w.must(t, err)
			return w.env(t, "volume.backup.create", both(w.is(id, volume.Available), w.backupIs(b.ID, volume.Available)),
				both(w.is(id, volume.Available), w.backupIs(b.ID, volume.Error)))
		})
	})
	t.Run("delete", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			b := w.backup(t, w.volume(t, volume.NewVolume{}))
			w.must(t, w.Svc.Backups.Delete(w.ctx, b, false))
			return w.env(t, "volume.backup.delete", w.backupIs(b, ""), w.backupIs(b, volume.ErrorDeleting))
		})
	})
	t.Run("restore", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			id := w.volume(t, volume.NewVolume{})
			b := w.backup(t, id)
			_, err := w.Svc.Backups.Restore(w.ctx, b, id, "")
			w.must(t, err)
			return w.env(t, "volume.backup.restore", both(w.is(id, volume.Available), w.backupIs(b, volume.Available)),
				both(w.is(id, volume.ErrorRestoring), w.backupIs(b, volume.Available)))
		})
	})
}

func TestMigrateSaga(t *testing.T) {
	t.Parallel()
	sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
		w := newWorld(t)
		id := w.volume(t, volume.NewVolume{})
		w.Hosts.Add("other")
		w.must(t, w.Svc.Moves.Migrate(w.ctx, id, "other@fake#fake", false))
		once := func(t *testing.T) {
			t.Helper()
			v, err := w.row(t, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, host := range []string{"host", "other"} {
				list, err := w.Hosts.Volumes(host).ManageableVolumes(t.Context(), "fake")
				if here := volume.ParsePlace(v.Host).Host == host; err != nil || (len(list) == 1) != here {
					t.Errorf("the volume is at %s, and %s has %v: %v", v.Host, host, list, err)
				}
			}
		}
		return w.env(t, "volume.migrate", both(w.is(id, volume.Available), once), both(w.is(id, volume.Available), once))
	})
}

// lossy is a host whose daemon has died by the time a copy is to be finished: what
// clients have written after that is in the volume alone.
type lossy struct {
	hostapi.VolumeHost
	left   int // copies to lose
	copies int
}

func (h *lossy) CopyVolume(ctx context.Context, c *hostapi.VolumeCopy) error {
	h.copies++
	return h.VolumeHost.CopyVolume(ctx, c)
}

func (h *lossy) FinishCopy(ctx context.Context, ref hostapi.VolumeRef) error {
	if h.left--; h.left >= 0 {
		return errs.New(errs.Conflict, "The copy has ended.")
	}
	return h.VolumeHost.FinishCopy(ctx, ref)
}

// A copy that was not followed to its end is made again.
func TestMigrateCopiesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.volume(t, volume.NewVolume{})
	w.Hosts.Add("other")
	from := &lossy{left: 2}
	w.Hosts.Wrap = func(host string, h hostapi.VolumeHost) hostapi.VolumeHost {
		if host == "host" {
			from.VolumeHost = h
			return from
		}
		return h
	}
	w.must(t, w.Svc.Moves.Migrate(w.ctx, id, "other@fake#fake", false))
	w.runAll(t)
	v, err := w.row(t, id)
	if err != nil || v.Host != "other@fake#fake" || v.MigrationStatus != "success" || from.copies != 3 {
		t.Errorf("after %d copies the volume is %+v: %v", from.copies, v, err)
	}
}

func TestManageSagas(t *testing.T) {
	t.Parallel()
	t.Run("adopt", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			w.Hosts.Host("host").Park("fake", "found", 2)
			v, err := w.Svc.Managed.Create(w.ctx, volume.NewManaged{Place: "host@fake#fake", Name: "found"})
			w.must(t, err)
			return w.env(t, "volume.adopt", both(w.is(v.ID, volume.Available), w.holds(v.ID, true)), both(w.is(v.ID, volume.ErrorManaging), w.holds(v.ID, false)))
		})
	})
	t.Run("release", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w := newWorld(t)
			id := w.volume(t, volume.NewVolume{})
			w.must(t, w.Svc.Managed.Release(w.ctx, id))
			return w.env(t, "volume.release", both(w.is(id, ""), w.holds(id, false)), w.is(id, volume.Error))
		})
	})
}

func TestManageSnapshotSagas(t *testing.T) {
	t.Parallel()
	// made is a volume's snapshot that nobody manages, and its name.
	released := func(t *testing.T) (w *world, id, name string) {
		w = newWorld(t)
		id = w.volume(t, volume.NewVolume{})
		p, err := w.Svc.Snapshots.Create(w.ctx, volume.NewSnapshot{VolumeID: id})
		w.must(t, err)
		w.runAll(t)
		w.must(t, w.Svc.Snapshots.Unmanage(w.ctx, p.ID))
		return w, id, "snapshot-" + p.ID
	}
	// lies tells which id, if any, manages a snapshot, and under which name it lies.
	lies := func(w *world, name, owner string) func(t *testing.T) {
		return func(t *testing.T) {
			t.Helper()
			list, err := w.Hosts.Volumes("host").ManageableSnapshots(t.Context(), "fake")
			if err != nil || len(list) != 1 || list[0].Name != name || list[0].Snapshot != owner {
				t.Errorf("the backend has %+v: %v; want %s of %q", list, err, name, owner)
			}
		}
	}
	t.Run("adopt", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w, id, name := released(t)
			w.runAll(t)
			p, err := w.Svc.Snapshots.Manage(w.ctx, volume.NewManagedSnapshot{VolumeID: id, Ref: name})
			w.must(t, err)
			return w.env(t, "volume.snapshot.adopt", both(w.snapshotIs(p.ID, volume.Available), lies(w, p.ID, p.ID)),
				both(w.snapshotIs(p.ID, volume.Error), lies(w, name, "")))
		})
	})
	t.Run("release", func(t *testing.T) {
		t.Parallel()
		sagatest.Run(t, func(t *testing.T) sagatest.Env[volume.Work] {
			w, _, name := released(t)
			id := strings.TrimPrefix(name, "snapshot-")
			return w.env(t, "volume.snapshot.release", both(w.snapshotIs(id, ""), lies(w, name, "")), w.snapshotIs(id, volume.ErrorDeleting))
		})
	})
}

package volume

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Servers are volumes as compute sees them: it gives them to servers, and alone
// takes them away.
type Servers struct{ s *Service }

// ServerAttachment is a volume that becomes a server's. Compute chooses the id.
type ServerAttachment struct {
	ID, VolumeID, ServerID string
	Device                 string // /dev/vdb
}

// VolumeTx finds a volume that the actor may attach to his servers.
func (f *Servers) VolumeTx(ctx context.Context, tx *store.Tx, id string) (*Volume, error) {
	return f.s.Volumes.get(ctx, tx, "volume:get", id)
}

// SnapshotTx finds a snapshot that the actor may use.
func (f *Servers) SnapshotTx(ctx context.Context, tx *store.Tx, id string) (*Snapshot, error) {
	return f.s.Snapshots.get(ctx, tx, "volume:get_snapshot", id)
}

// CreateTx begins to make a volume of the actor; img is the image of n.ImageID.
func (f *Servers) CreateTx(ctx context.Context, tx *store.Tx, n NewVolume, img *image.Image) (*Volume, error) {
	if err := f.s.Check(ctx, "volume:create"); err != nil {
		return nil, err
	}
	return f.s.Volumes.createTx(ctx, tx, n, img)
}

// AwaitVolume waits until a volume is made, and says why if it is not.
func (f *Servers) AwaitVolume(ctx context.Context, id string) error {
	return f.await(ctx, resource(id), func(tx *store.Tx) (bool, error) {
		v, err := f.s.tables.Volumes.Get(ctx, tx, id)
		switch {
		case errs.Is(err, errs.NotFound):
			return false, NotFound(id)
		case err == nil && v.Status == Error:
			return false, errs.New(errs.Conflict, "Volume %s is in status error; its messages say why.", id)
		case err != nil:
			return false, err
		}
		return v.Status == Creating || v.Status == Downloading, nil
	})
}

// await waits for the saga of a resource, until the resource is no longer pending.
func (f *Servers) await(ctx context.Context, about string, pending func(tx *store.Tx) (bool, error)) error {
	const every = 500 * time.Millisecond // for sagas of another process; ours are waited for
	for {
		var at string
		var more bool
		err := f.s.read(ctx, func(tx *store.Tx) (err error) {
			if more, err = pending(tx); err != nil {
				return err
			}
			x, _, err := f.s.sagas.Active(ctx, tx, about)
			at = x.ID
			return err
		})
		if err != nil || !more {
			return err
		}
		if at != "" {
			x, err := f.s.sagas.Wait(ctx, at)
			if err != nil {
				return err
			}
			if x.State.Ended() {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// ReserveTx takes a volume for a server, in the request's transaction.
func (f *Servers) ReserveTx(ctx context.Context, tx *store.Tx, r ServerAttachment) error {
	there, err := f.s.tables.Attachments.Any(ctx, tx, store.Eq("id", r.ID))
	if err != nil || there {
		return err
	}
	_, err = f.s.Attachments.reserveTx(ctx, tx, NewAttachment{
		ID: r.ID, VolumeID: r.VolumeID, InstanceID: r.ServerID, Mountpoint: r.Device, Mode: "rw", ofServer: true,
	})
	return err
}

// ConnectVolume makes a reserved volume reachable from a host, and from no
// other: one that was reached from elsewhere is cut off there first. complete
// tells whether CompleteTx was said of it already.
func (f *Servers) ConnectVolume(ctx context.Context, id, host string) (complete bool, err error) {
	a, _, err := f.s.Attachments.find(ctx, id)
	if err != nil {
		return false, err
	}
	if a.AttachedHost == host && a.Connection != nil {
		return a.Status == Attached, nil
	}
	if a.AttachedHost != host {
		if err := f.DisconnectVolume(ctx, id, ""); err != nil {
			return false, err
		}
	}
	_, err = f.s.Attachments.connect(ctx, id, func(a *Attachment, _ *Volume) error {
		a.AttachedHost = host
		return nil
	})
	return false, err
}

// DisconnectVolume ends a host's way to a volume, which stays reserved. host ""
// means whichever has one.
func (f *Servers) DisconnectVolume(ctx context.Context, id, host string) error {
	a, v, err := f.s.Attachments.find(ctx, id)
	if err != nil || a.AttachedHost == "" || host != "" && a.AttachedHost != host {
		return err
	}
	if err := f.s.Attachments.unexport(ctx, v, id); err != nil {
		return err
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		a, v, err := f.s.Attachments.findTx(ctx, tx, id)
		if err != nil {
			return err
		}
		a.AttachedHost, a.Connection, a.Status, a.UpdatedAt = "", nil, Reserved, f.s.now()
		if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil || v.Status == Detaching {
			return err
		}
		return f.s.Volumes.restate(ctx, tx, a.VolumeID)
	})
}

// ServerConnection is how a server's host reaches a volume, and what it finds.
type ServerConnection struct {
	hostapi.VolumeConnection
	SizeGiB     int
	Multiattach bool
}

// Connections are how a server's host reaches its volumes, by attachment.
func (f *Servers) Connections(ctx context.Context, serverID string) (map[string]ServerConnection, error) {
	out := map[string]ServerConnection{}
	err := f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.s.tables.Attachments.All(ctx, tx, store.Eq("instance_id", serverID))
		if err != nil {
			return err
		}
		for _, a := range list {
			if a.Connection == nil {
				continue
			}
			v, err := f.s.tables.Volumes.Get(ctx, tx, a.VolumeID)
			if err != nil {
				return err
			}
			out[a.ID] = ServerConnection{VolumeConnection: a.Connection.VolumeConnection, SizeGiB: v.SizeGiB, Multiattach: v.Multiattach}
		}
		return nil
	})
	return out, err
}

// CompleteTx says that the server's guest has the volume.
func (f *Servers) CompleteTx(ctx context.Context, tx *store.Tx, id string) error {
	a, _, err := f.s.Attachments.findTx(ctx, tx, id)
	if err != nil || a.Status == Attached {
		return err
	}
	return f.s.Attachments.completeTx(ctx, tx, a)
}

// DetachingTx says that the guest is about to lose the volume, or does not after all.
func (f *Servers) DetachingTx(ctx context.Context, tx *store.Tx, id string, going bool) error {
	a, v, err := f.s.Attachments.findTx(ctx, tx, id)
	if err != nil {
		return err
	}
	if !going {
		return f.s.Volumes.restate(ctx, tx, a.VolumeID)
	}
	if migrating(v) || !slices.Contains([]string{InUse, Attaching, Detaching, Reserved}, v.Status) {
		return errs.New(errs.Invalid, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
	}
	v.Status = Detaching
	return f.s.Volumes.save(ctx, tx, v)
}

// DetachTx gives a volume back that no host reaches any more.
func (f *Servers) DetachTx(ctx context.Context, tx *store.Tx, id string) error {
	a, _, err := f.s.Attachments.findTx(ctx, tx, id)
	if err != nil {
		return err
	}
	if a.AttachedHost != "" {
		return errs.New(errs.Conflict, "Volume %s is still connected to host %s.", a.VolumeID, a.AttachedHost)
	}
	if err := f.s.tables.Attachments.Delete(ctx, tx, id); err != nil {
		return err
	}
	return f.s.Volumes.restate(ctx, tx, a.VolumeID)
}

// DeleteTx begins the deletion of a volume whose server has ended.
func (f *Servers) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	v, err := f.s.tables.Volumes.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return NotFound(id)
	}
	if err != nil {
		return err
	}
	return f.s.Volumes.deleteTx(ctx, tx, v, deletion{})
}

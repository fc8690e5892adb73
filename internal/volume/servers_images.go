package volume

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// SnapshotVolumeTx begins a snapshot of a server's volume.
func (f *Servers) SnapshotVolumeTx(ctx context.Context, tx *store.Tx, n NewSnapshot) (*Snapshot, error) {
	return f.s.Snapshots.CreateTx(ctx, tx, n)
}

// AwaitSnapshot waits until a snapshot is made, and says why if it is not.
func (f *Servers) AwaitSnapshot(ctx context.Context, id string) error {
	return f.await(ctx, "snapshot/"+id, func(tx *store.Tx) (bool, error) {
		p, err := f.s.tables.Snapshots.Get(ctx, tx, id)
		switch {
		case errs.Is(err, errs.NotFound):
			return false, snapshotNotFound(id)
		case err == nil && p.Status == Error:
			return false, errs.New(errs.Conflict, "Snapshot %s is in status error; its messages say why.", id)
		case err != nil:
			return false, err
		}
		return p.Status == Creating, nil
	})
}

// DeleteSnapshotTx begins the deletion of a snapshot of the actor's.
func (f *Servers) DeleteSnapshotTx(ctx context.Context, tx *store.Tx, id string) error {
	p, err := f.s.Snapshots.get(ctx, tx, "volume:delete_snapshot", id)
	if err != nil {
		return err
	}
	return f.s.Snapshots.DeleteTx(ctx, tx, p, false)
}

// Reads tells whether a host has a reason to read an image: a volume of its is
// just being made of it, or made anew.
func (f *Servers) Reads(ctx context.Context, host, imageID string) (yes bool, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.s.tables.Volumes.All(ctx, tx, store.In("status", []string{Creating, Downloading}))
		for _, v := range list {
			yes = yes || ParsePlace(v.Host).Host == host && (v.ImageID == imageID || v.Status == Downloading)
		}
		return err
	})
	return yes, err
}

// Fills tells whether a host has a reason to fill an image: it just uploads a
// volume of the image's owner.
func (f *Servers) Fills(ctx context.Context, host, imageID string) (yes bool, err error) {
	img, err := f.s.images.Show(actor.AsSystem(ctx, "volume"), imageID)
	if err != nil {
		return false, gone(err)
	}
	err = f.s.read(ctx, func(tx *store.Tx) error {
		list, err := f.s.tables.Volumes.All(ctx, tx, store.Eq("status", Uploading))
		for _, v := range list {
			yes = yes || ParsePlace(v.Host).Host == host && img.Owner == v.ProjectID
		}
		return err
	})
	return yes, err
}

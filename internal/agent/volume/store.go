package volume

import (
	"context"

	"kumoi/internal/agent/imagecache"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
)

// store is what backends differ in: where the bytes lie, and how a storage
// daemon opens them. Everything that is done to a volume in use is done to the
// daemon, whatever the store. Who calls with a volume has its turn.
type store interface {
	// self is what the store always is; report adds how much room there is, and
	// what the store can do now.
	self() hostapi.VolumeBackend
	report(ctx context.Context, to *hostapi.VolumeBackend) error

	// load gives an error that is fs.ErrNotExist if there is no such volume.
	load(ctx context.Context, id string) (*record, error)
	save(ctx context.Context, v *volume) error
	// served are the volumes that may have clients of this host's daemons.
	served(ctx context.Context) ([]string, error)

	// A new volume begins, is filled, and appears by commit; remove takes back
	// either one.
	begin(ctx context.Context, v *volume) error
	commit(ctx context.Context, v *volume) error
	remove(ctx context.Context, v *volume) error

	blank(ctx context.Context, v *volume, thick bool) error
	// base makes a volume that shows an image, which lies at path on the host,
	// until it is written to.
	base(ctx context.Context, v *volume, path, key string, image imagecache.Image) error
	cloneSnapshot(ctx context.Context, v, from *volume, at int) error
	cloneVolume(ctx context.Context, v, from *volume) error
	// reserve takes room before a volume grows, if it is one that has its room at once.
	reserve(ctx context.Context, v *volume, size int64) error
	used(ctx context.Context, v *volume) int64

	// open has a daemon open what it does not have open yet of the volume.
	open(ctx context.Context, v *volume, q *qmp) error
	// openSnapshot opens a snapshot to be read, and names its node.
	openSnapshot(ctx context.Context, v *volume, q *qmp, at int) (string, error)

	snapshot(ctx context.Context, v *volume, id string) error
	// unsnapshot forgets a snapshot, if there is one, and gives its room back.
	unsnapshot(ctx context.Context, v *volume, id string) error
	revert(ctx context.Context, v *volume, at int) error

	// read calls f with the volume as it is now, while its clients write on. It
	// is called without the volume's turn.
	read(ctx context.Context, ref hostapi.VolumeRef, want view, f func(s still) error) error

	manageable(ctx context.Context) ([]hostapi.ManageableVolume, error)
	adopt(ctx context.Context, id, name string) error
	release(ctx context.Context, v *volume, name string) error

	// manageableSnapshots are those of all volumes, strays those of one that
	// nobody manages. adoptSnapshot and releaseSnapshot give an error that is
	// fs.ErrNotExist if there is none of that name or id.
	manageableSnapshots(ctx context.Context) ([]hostapi.ManageableSnapshot, error)
	strays(ctx context.Context, v *volume) ([]hostapi.ManageableSnapshot, error)
	adoptSnapshot(ctx context.Context, v *volume, id, name string) error
	releaseSnapshot(ctx context.Context, v *volume, id, name string) error
}

// view is what a reader wants to see.
type view struct {
	// plain asks for the bytes that clients see, with this key if the volume is
	// encrypted, and not those that are stored.
	plain bool
	key   *hostapi.VolumeEncryption
	// backup begins to mark changes for the next one; since asks for those that
	// are marked since an older one.
	backup, since string
}

// still is a volume at one moment.
type still struct {
	*nbd.Client
	// changed names what has changed since view.since; nil: that is not known.
	changed func(f func(e nbd.Extent) error) error
}

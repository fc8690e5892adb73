package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// CreateVolume makes a volume, which appears whole.
func (b *Backend) CreateVolume(ctx context.Context, c *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
	if c.SizeGiB < 1 || c.SizeGiB > 1<<20 {
		return nil, errs.New(errs.Invalid, "A volume cannot have %d GiB.", c.SizeGiB)
	}
	s, end, err := b.turn(ctx, c.VolumeRef)
	if err != nil {
		return nil, err
	}
	defer end()
	v, err := b.load(ctx, c.VolumeRef, s)
	if errs.Is(err, errs.NotFound) {
		v, err = b.create(ctx, c, s)
	}
	if err != nil {
		return nil, err
	}
	return v.describe(ctx), nil
}

func (v *volume) describe(ctx context.Context) *hostapi.VolumeBytes {
	return &hostapi.VolumeBytes{SizeGiB: v.rec.SizeGiB, UsedBytes: v.b.store.used(ctx, v)}
}

func (b *Backend) create(ctx context.Context, c *hostapi.VolumeCreate, s *state) (*volume, error) {
	v := &volume{b: b, state: s, rec: &record{ID: c.ID, SizeGiB: c.SizeGiB, Clients: map[string]client{}}}
	err := b.store.begin(ctx, v)
	if err == nil {
		err = v.fill(ctx, c)
	}
	if err == nil {
		err = v.save(ctx)
	}
	if err == nil {
		err = b.store.commit(ctx, v)
	}
	if err != nil {
		rest := context.WithoutCancel(ctx)
		return nil, errors.Join(err, v.daemon().stop(rest), b.store.remove(rest, v))
	}
	return v, nil
}

// fill makes the bytes of a new volume.
func (v *volume) fill(ctx context.Context, c *hostapi.VolumeCreate) error {
	switch {
	case c.Snapshot != nil && c.Snapshot.ID == c.ID, c.Volume != nil && c.Volume.ID == c.ID:
		return errs.New(errs.NotFound, "Volume %s cannot be made of itself.", c.ID)
	case c.Snapshot != nil:
		return v.b.with(ctx, c.Snapshot.VolumeRef, func(from *volume) error { return v.ofSnapshot(ctx, from, c) })
	case c.Volume != nil:
		return v.b.with(ctx, *c.Volume, func(from *volume) error { return v.ofVolume(ctx, from, c) })
	case c.Image != nil:
		return v.ofImage(ctx, c)
	}
	return v.blank(ctx, c)
}

// blank makes a volume of zeros.
func (v *volume) blank(ctx context.Context, c *hostapi.VolumeCreate) error {
	if err := v.b.store.blank(ctx, v, c.Thick); err != nil || c.Encryption == nil {
		return err
	}
	return v.encrypt(ctx, c.Encryption)
}

// headerRoom is more than LUKS needs before the disk.
const headerRoom = 16 << 20

// encrypt writes LUKS' header onto a new volume, which grows by it.
func (v *volume) encrypt(ctx context.Context, key *hostapi.VolumeEncryption) error {
	cipher, mode, ivgen, err := cipherOf(key)
	if err != nil {
		return err
	}
	size := int64(v.rec.SizeGiB) << 30
	var stored int64
	err = v.serving(ctx, func(q *qmp) error {
		if err := q.addKey(ctx, key); err != nil {
			return err
		}
		options := object{
			"driver": "luks", "file": v.rec.active().node(), "size": size, "key-secret": "key",
			"cipher-alg": cipher, "cipher-mode": mode, "ivgen-alg": ivgen, "hash-alg": "sha256", "iter-time": 10,
		}
		if err := q.format(ctx, options); err != nil {
			return err
		}
		// What is written is flushed: a daemon that does not end is killed.
		if err := v.daemon().writing(ctx, q, v.rec.active().node(), func(*nbd.Client) error { return nil }); err != nil {
			return err
		}
		stored, err = q.size(ctx, v.rec.active().node())
		return err
	})
	if err != nil {
		return err
	}
	v.rec.Header, v.rec.KeyHash = stored-size, hashOf(key)
	if v.rec.Header <= 0 || v.rec.Header > headerRoom {
		return fmt.Errorf("the header of LUKS takes %d bytes", v.rec.Header)
	}
	return v.b.store.reserve(ctx, v, v.rec.bytes())
}

// format has the daemon make a disk. QEMU measures how fast the machine derives
// keys, and gives up where its kernel counts so short a time as none; the next
// measurement is another.
func (q *qmp) format(ctx context.Context, options object) error {
	const job, tries = "create", 20
	for try := 1; ; try++ {
		err := q.do(ctx, "blockdev-create", object{"job-id": job, "options": options}, nil)
		if err == nil {
			err = q.finish(ctx, job)
		}
		if err == nil || try == tries || !strings.Contains(err.Error(), "accurate CPU usage") {
			return err
		}
		if err := q.end(ctx, job); err != nil {
			return err
		}
	}
}

func cipherOf(e *hostapi.VolumeEncryption) (cipher, mode, ivgen string, err error) {
	if len(e.Key) == 0 {
		return "", "", "", errs.New(errs.Invalid, "A volume cannot be encrypted without a key.")
	}
	switch {
	case e.Cipher != "" && e.Cipher != "aes-xts-plain64":
		return "", "", "", errs.New(errs.Invalid, "Volumes cannot be encrypted with %s; aes-xts-plain64 is possible.", e.Cipher)
	case e.KeySize == 512 || e.KeySize == 0:
		return "aes-256", "xts", "plain64", nil
	case e.KeySize == 256:
		return "aes-128", "xts", "plain64", nil
	}
	return "", "", "", errs.New(errs.Invalid, "Volumes cannot be encrypted with keys of %d bits; 256 and 512 are possible.", e.KeySize)
}

// ofImage makes a volume that shows an image until it is written to, or one
// that the image was copied into, where that cannot be.
func (v *volume) ofImage(ctx context.Context, c *hostapi.VolumeCreate) error {
	local := filepath.Join(v.b.cfg.Dir, ".new-base-"+c.ID)
	image, err := v.b.cfg.Images.Link(ctx, *c.Image, local)
	defer os.Remove(local) //nolint:errcheck // it may have been moved
	switch {
	case err != nil:
		return err
	case image.VirtualSize > int64(c.SizeGiB)<<30:
		return errs.New(errs.Invalid, "The image has %d bytes; a volume of %d GiB is too small for it.", image.VirtualSize, c.SizeGiB)
	}
	if c.Encryption == nil && !c.Thick {
		return v.b.store.base(ctx, v, local, imageKey(c.Image), image)
	}
	if err := v.blank(ctx, c); err != nil {
		return err
	}
	v.state.key = c.Encryption
	return v.serving(ctx, func(q *qmp) error {
		if err := q.addFile(ctx, "b", localFile(local), image.Format, "", true); err != nil {
			return err
		}
		to, err := v.plain(ctx, q, c.Encryption)
		if err != nil {
			return err
		}
		return v.daemon().pour(ctx, q, "lb", to)
	})
}

// imageKey names an image's content, which no other has.
func imageKey(d *hostapi.RootDisk) string { return short(d.ImageID + d.DiskFormat + d.SHA512) }

func (v *volume) ofSnapshot(ctx context.Context, from *volume, c *hostapi.VolumeCreate) error {
	at := from.rec.snapshot(c.Snapshot.SnapshotID)
	switch {
	case at < 0:
		return errs.New(errs.NotFound, "Volume %s has no snapshot %s.", c.Snapshot.ID, c.Snapshot.SnapshotID)
	case from.rec.Layers[at].SizeGiB > c.SizeGiB:
		return errs.New(errs.Invalid, "The snapshot has %d GiB; a volume of %d GiB is too small for it.", from.rec.Layers[at].SizeGiB, c.SizeGiB)
	}
	if err := v.sameKey(from, c); err != nil {
		return err
	}
	return v.b.store.cloneSnapshot(ctx, v, from, at)
}

func (v *volume) ofVolume(ctx context.Context, from *volume, c *hostapi.VolumeCreate) error {
	if from.rec.SizeGiB > c.SizeGiB {
		return errs.New(errs.Invalid, "The volume has %d GiB; one of %d GiB is too small for it.", from.rec.SizeGiB, c.SizeGiB)
	}
	if err := v.sameKey(from, c); err != nil {
		return err
	}
	return v.b.store.cloneVolume(ctx, v, from)
}

// sameKey: a clone has the header of its source, and its key.
func (v *volume) sameKey(from *volume, c *hostapi.VolumeCreate) error {
	v.rec.Header, v.rec.KeyHash = from.rec.Header, from.rec.KeyHash
	if c.Encryption != nil && v.rec.Header == 0 {
		return errs.New(errs.Invalid, "An encrypted volume cannot be made of volume %s, which is not.", from.rec.ID)
	}
	return v.checkKey(c.Encryption)
}

// DeleteVolume removes a volume without clients and snapshots.
func (b *Backend) DeleteVolume(ctx context.Context, ref hostapi.VolumeRef) error {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	v, err := b.load(ctx, ref, s)
	switch {
	case errs.Is(err, errs.NotFound):
		return b.store.remove(ctx, &volume{b: b, state: s, rec: &record{ID: ref.ID}})
	case err != nil:
		return err
	}
	if err := v.idle(); err != nil {
		return err
	}
	if n := v.rec.snapshots(); n > 0 {
		return errs.New(errs.Conflict, "Volume %s has %d snapshots.", ref.ID, n)
	}
	if strays, err := b.store.strays(ctx, v); err != nil {
		return err
	} else if len(strays) > 0 {
		return errs.New(errs.Conflict, "Volume %s has %d snapshots that nobody manages, %q first; manage and delete them, then it can be deleted.", ref.ID, len(strays), strays[0].Name)
	}
	if err := v.daemon().stop(ctx); err != nil {
		return err
	}
	s.key = nil
	return b.store.remove(ctx, v)
}

// ExtendVolume grows a volume. Its clients are let go for a moment, because a
// daemon does not resize what it exports; they come again and find more.
func (b *Backend) ExtendVolume(ctx context.Context, ref hostapi.VolumeRef, sizeGiB int) error {
	return b.with(ctx, ref, func(v *volume) error {
		if sizeGiB <= v.rec.SizeGiB {
			return nil
		}
		if sizeGiB > 1<<20 {
			return errs.New(errs.Invalid, "A volume cannot have %d GiB.", sizeGiB)
		}
		grown := *v.rec
		grown.SizeGiB = sizeGiB
		err := v.serving(ctx, func(q *qmp) error {
			for _, id := range []string{"rw", "ro"} {
				if err := q.unexport(ctx, id); err != nil {
					return err
				}
			}
			err := v.resize(ctx, q, &grown)
			if err == nil {
				was := v.rec
				v.rec = &grown
				if err = v.save(ctx); err != nil {
					v.rec = was
				}
			}
			if len(v.rec.Clients) > 0 { // in any case
				err = errors.Join(err, v.export(ctx, q))
			}
			return err
		})
		return disk.Full(err)
	})
}

// resize grows the layer that is written to, below everything else.
func (v *volume) resize(ctx context.Context, q *qmp, to *record) error {
	if err := v.b.store.reserve(ctx, v, to.bytes()); err != nil {
		return err
	}
	have, err := q.nodes(ctx)
	if err != nil {
		return err
	}
	node, size := v.rec.active().node(), to.bytes()
	switch {
	case have[topNode]:
		node, size = topNode, int64(to.SizeGiB)<<30
	case have[cryptNode]:
		node, size = cryptNode, int64(to.SizeGiB)<<30
	}
	return q.do(ctx, "block_resize", object{"node-name": node, "size": size}, nil)
}

// exists tells whether a file is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

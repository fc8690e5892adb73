package volume

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/disk"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// CreateVolume makes a volume: a folder that appears whole.
func (b *Backend) CreateVolume(ctx context.Context, c *hostapi.VolumeCreate) (*hostapi.VolumeBytes, error) {
	if c.SizeGiB < 1 || c.SizeGiB > 1<<20 {
		return nil, errs.New(errs.Invalid, "A volume cannot have %d GiB.", c.SizeGiB)
	}
	s, end, err := b.turn(ctx, c.VolumeRef)
	if err != nil {
		return nil, err
	}
	defer end()
	v, err := b.load(c.VolumeRef, s)
	if errs.Is(err, errs.NotFound) {
		v, err = b.create(ctx, c, s)
	}
	if err != nil {
		return nil, err
	}
	return v.describe(), nil
}

func (v *volume) describe() *hostapi.VolumeBytes {
	out := &hostapi.VolumeBytes{SizeGiB: v.rec.SizeGiB}
	for _, l := range v.rec.Layers {
		var st unix.Stat_t
		if unix.Stat(v.path(l.file()), &st) == nil {
			out.UsedBytes += st.Blocks * 512
		}
	}
	return out
}

func (b *Backend) create(ctx context.Context, c *hostapi.VolumeCreate, s *state) (*volume, error) {
	dir := filepath.Join(b.cfg.Dir, ".new-"+c.ID)
	if err := errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700)); err != nil {
		return nil, disk.Full(err)
	}
	v := &volume{b: b, dir: dir, state: s, rec: &record{ID: c.ID, SizeGiB: c.SizeGiB, Clients: map[string]client{}}}
	err := v.fill(ctx, c)
	if err == nil {
		err = v.rec.save(dir)
	}
	if err == nil {
		err = errors.Join(os.Rename(dir, b.dir(c.ID)), syncDir(b.cfg.Dir))
	}
	if err != nil {
		return nil, errors.Join(err, v.daemon().stop(context.WithoutCancel(ctx)), os.RemoveAll(dir))
	}
	v.dir = b.dir(c.ID)
	return v, nil
}

// fill makes the layers of a new volume.
func (v *volume) fill(ctx context.Context, c *hostapi.VolumeCreate) error {
	switch {
	case c.Snapshot != nil && c.Snapshot.ID == c.ID, c.Volume != nil && c.Volume.ID == c.ID:
		return errs.New(errs.NotFound, "Volume %s cannot be made of itself.", c.ID)
	case c.Snapshot != nil:
		return v.b.with(ctx, c.Snapshot.VolumeRef, func(from *volume) error { return v.cloneSnapshot(from, c) })
	case c.Volume != nil:
		return v.b.with(ctx, *c.Volume, func(from *volume) error { return v.cloneVolume(ctx, from, c) })
	case c.Image != nil:
		return v.fromImage(ctx, c)
	}
	return v.blank(ctx, c)
}

// blank makes a volume of zeros.
func (v *volume) blank(ctx context.Context, c *hostapi.VolumeCreate) error {
	if c.Thick {
		return v.addRaw()
	}
	if err := v.addLayer(); err != nil || c.Encryption == nil {
		return err
	}
	return v.encrypt(ctx, c.Encryption)
}

// addLayer makes the next layer to write to, an empty one.
func (v *volume) addLayer() error {
	backing, format := "", ""
	if n := len(v.rec.Layers); n > 0 {
		backing, format = v.rec.active().file(), v.rec.active().Format
	} else if v.rec.Base != "" {
		backing, format = "base", v.rec.Base
	}
	l := v.rec.grow("qcow2")
	if err := disk.CreateOverlay(v.path(l.file()), v.rec.bytes(), backing, format); err != nil {
		return err
	}
	return syncFile(v.path(l.file()))
}

// addRaw makes a layer that has all its room.
func (v *volume) addRaw() error {
	l := v.rec.grow("raw")
	f, err := os.OpenFile(v.path(l.file()), os.O_CREATE|os.O_RDWR|os.O_EXCL, 0o600)
	if err != nil {
		return disk.Full(err)
	}
	err = unix.Fallocate(int(f.Fd()), 0, 0, v.rec.bytes())
	return disk.Full(errors.Join(err, f.Sync(), f.Close()))
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return disk.Full(errors.Join(f.Sync(), f.Close()))
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
	err = v.serving(ctx, func(q *qmp) error {
		if err := q.addKey(ctx, key); err != nil {
			return err
		}
		options := object{
			"driver": "luks", "file": v.rec.active().node(), "size": size, "key-secret": "key",
			"cipher-alg": cipher, "cipher-mode": mode, "ivgen-alg": ivgen, "hash-alg": "sha256", "iter-time": 10,
		}
		if err := q.do(ctx, "blockdev-create", object{"job-id": "create", "options": options}, nil); err != nil {
			return err
		}
		return q.finish(ctx, "create")
	})
	if err != nil {
		return err
	}
	stored, err := disk.Size(v.path(v.rec.active().file()))
	if err != nil {
		return err
	}
	v.rec.Header, v.rec.KeyHash = stored-size, hashOf(key)
	if v.rec.Header <= 0 || v.rec.Header > headerRoom {
		return fmt.Errorf("the header of LUKS takes %d bytes", v.rec.Header)
	}
	return nil
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

// fromImage makes a volume that shows an image until it is written to, or one
// that the image was copied into, where that cannot be.
func (v *volume) fromImage(ctx context.Context, c *hostapi.VolumeCreate) error {
	image, err := v.b.cfg.Images.Link(ctx, *c.Image, v.path("base"))
	switch {
	case err != nil:
		return err
	case image.VirtualSize > int64(c.SizeGiB)<<30:
		return errs.New(errs.Invalid, "The image has %d bytes; a volume of %d GiB is too small for it.", image.VirtualSize, c.SizeGiB)
	}
	if c.Encryption == nil && !c.Thick {
		v.rec.Base = image.Format
		return v.addLayer()
	}
	if err := v.blank(ctx, c); err != nil {
		return err
	}
	v.state.key = c.Encryption
	err = v.serving(ctx, func(q *qmp) error {
		if err := q.addFile(ctx, "b", v.path("base"), image.Format, "", true); err != nil {
			return err
		}
		to, err := v.plain(ctx, q, c.Encryption)
		if err != nil {
			return err
		}
		return v.pour(ctx, q, "lb", to)
	})
	return errors.Join(err, os.Remove(v.path("base")))
}

// cloneSnapshot shares the layers of a snapshot.
func (v *volume) cloneSnapshot(from *volume, c *hostapi.VolumeCreate) error {
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
	if v.rec.Base = from.rec.Base; v.rec.Base != "" {
		if err := os.Link(from.path("base"), v.path("base")); err != nil {
			return err
		}
	}
	for _, l := range from.rec.Layers[:at+1] {
		shared := v.rec.grow(l.Format)
		if err := os.Link(from.path(l.file()), v.path(shared.file())); err != nil {
			return err
		}
	}
	return v.addLayer()
}

// sameKey: a clone has the header of its source, and its key.
func (v *volume) sameKey(from *volume, c *hostapi.VolumeCreate) error {
	v.rec.Header, v.rec.KeyHash = from.rec.Header, from.rec.KeyHash
	if c.Encryption != nil && v.rec.Header == 0 {
		return errs.New(errs.Invalid, "An encrypted volume cannot be made of volume %s, which is not.", from.rec.ID)
	}
	return v.checkKey(c.Encryption)
}

// cloneVolume copies a volume as it is at a moment, also while it is written.
func (v *volume) cloneVolume(ctx context.Context, from *volume, c *hostapi.VolumeCreate) error {
	if from.rec.SizeGiB > c.SizeGiB {
		return errs.New(errs.Invalid, "The volume has %d GiB; one of %d GiB is too small for it.", from.rec.SizeGiB, c.SizeGiB)
	}
	if err := v.sameKey(from, c); err != nil {
		return err
	}
	copied := v.rec.grow("qcow2")
	path := v.path(copied.file())
	if err := disk.CreateOverlay(path, from.rec.bytes(), "", ""); err != nil {
		return err
	}
	err := from.serving(ctx, func(q *qmp) error {
		const job = "clone"
		if err := errors.Join(q.end(ctx, job), q.remove(ctx, "l-clone", "f-clone")); err != nil {
			return err
		}
		if err := q.addFile(ctx, "-clone", path, "qcow2", "", false); err != nil {
			return err
		}
		err := q.do(ctx, "blockdev-backup", object{
			"job-id": job, "device": from.rec.active().node(), "target": "l-clone", "sync": "full", "auto-dismiss": false,
		}, nil)
		if err == nil {
			err = q.finish(ctx, job)
		}
		rest := context.WithoutCancel(ctx)
		return errors.Join(err, q.end(rest, job), q.remove(rest, "l-clone", "f-clone"))
	})
	if err != nil {
		return disk.Full(err)
	}
	if from.rec.SizeGiB == c.SizeGiB {
		return nil
	}
	return v.addLayer()
}

// DeleteVolume removes a volume without clients and snapshots.
func (b *Backend) DeleteVolume(ctx context.Context, ref hostapi.VolumeRef) error {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	gone := filepath.Join(b.cfg.Dir, ".del-"+ref.ID)
	v, err := b.load(ref, s)
	switch {
	case errs.Is(err, errs.NotFound):
		return os.RemoveAll(gone)
	case err != nil:
		return err
	}
	if err := v.idle(); err != nil {
		return err
	}
	if n := v.rec.snapshots(); n > 0 {
		return errs.New(errs.Conflict, "Volume %s has %d snapshots.", ref.ID, n)
	}
	if err := v.daemon().stop(ctx); err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(gone), os.Rename(v.dir, gone), syncDir(b.cfg.Dir)); err != nil {
		return fmt.Errorf("delete volume %s: %w", ref.ID, err)
	}
	s.key = nil
	return os.RemoveAll(gone)
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
				err = grown.save(v.dir)
			}
			if err == nil {
				v.rec = &grown
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
	l := v.rec.active()
	if l.Format == "raw" { // all its room at once
		f, err := os.OpenFile(v.path(l.file()), os.O_RDWR, 0)
		if err != nil {
			return err
		}
		if err := errors.Join(unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, to.bytes()), f.Close()); err != nil {
			return disk.Full(err)
		}
	}
	have, err := q.nodes(ctx)
	if err != nil {
		return err
	}
	node, size := l.node(), to.bytes()
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

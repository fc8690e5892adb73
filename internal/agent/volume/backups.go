package volume

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// BackupVolume sends what is stored, or what of it has changed.
func (b *Backend) BackupVolume(ctx context.Context, r *hostapi.VolumeBackup) (*hostapi.VolumeBackupMade, error) {
	made := &hostapi.VolumeBackupMade{Full: true}
	send := func(s still) error {
		made.Full = s.changed == nil
		return b.send(ctx, s, r, made)
	}
	var err error
	if r.SnapshotID != "" {
		s := hostapi.VolumeSnapshotRef{VolumeRef: r.VolumeRef, SnapshotID: r.SnapshotID}
		err = b.readSnapshot(ctx, s, func(c *nbd.Client) error { return send(still{Client: c}) })
	} else {
		err = b.store.read(ctx, r.VolumeRef, view{backup: r.BackupID, since: r.Since}, send)
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

// send sends the data of a full backup, or all that has changed.
func (b *Backend) send(ctx context.Context, s still, r *hostapi.VolumeBackup, made *hostapi.VolumeBackupMade) error {
	parts := s.changed
	if parts == nil {
		parts = s.data
	}
	buf := make([]byte, hostapi.MaxChunk)
	zeros := make([]byte, hostapi.MaxChunk)
	err := parts(func(e nbd.Extent) error {
		for at := e.Offset; at < e.Offset+e.Length; at += int64(len(buf)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			data := buf[:min(int64(len(buf)), e.Offset+e.Length-at)]
			if _, err := s.ReadAt(data, at); err != nil {
				return err
			}
			w := hostapi.BackupWrite{BackupID: r.BackupID, Offset: at, Length: int64(len(data)), Data: data}
			if bytes.Equal(data, zeros[:len(data)]) {
				if made.Full {
					continue
				}
				w.Zero, w.Data = true, nil
			}
			made.Bytes += int64(len(w.Data))
			if err := b.cfg.Control.WriteBackup(ctx, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	size, _ := s.Size()
	return b.cfg.Control.WriteBackup(ctx, hostapi.BackupWrite{BackupID: r.BackupID, Offset: size, Done: true})
}

// data names what is not zero.
func (s still) data(f func(e nbd.Extent) error) error {
	return s.Extents(nbd.Allocation, func(e nbd.Extent) error {
		if e.Flags&nbd.Zero != 0 {
			return nil
		}
		return f(e)
	})
}

// RestoreVolume makes a volume zero and writes backups into it, oldest first.
func (b *Backend) RestoreVolume(ctx context.Context, r *hostapi.VolumeRestore) error {
	return b.serving(ctx, r.VolumeRef, func(v *volume, q *qmp) error {
		if err := v.idle(); err != nil {
			return err
		}
		return v.daemon().writing(ctx, q, v.rec.active().node(), func(c *nbd.Client) error {
			if err := c.WriteZeroes(0, v.rec.bytes()); err != nil {
				return err
			}
			for _, id := range r.Backups {
				if err := b.restore(ctx, c, id); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (b *Backend) restore(ctx context.Context, c *nbd.Client, backup string) error {
	size, _ := c.Size()
	for at := int64(0); ; {
		part, err := b.cfg.Control.ReadBackup(ctx, hostapi.BackupRead{BackupID: backup, Offset: at})
		switch {
		case err != nil:
			return err
		case part.Done:
			return nil
		case part.Length <= 0 || part.Offset < at || part.Offset+part.Length > size:
			return errs.New(errs.Invalid, "Backup %s has %d bytes at %d, which the volume of %d bytes has no room for.", backup, part.Length, part.Offset, size)
		case part.Zero:
			err = c.WriteZeroes(part.Offset, part.Length)
		default:
			_, err = c.WriteAt(part.Data, part.Offset)
		}
		if err != nil {
			return disk.Full(err)
		}
		at = part.Offset + part.Length
	}
}

// writing calls f with a connection that writes to a node that has no clients,
// and flushes after it.
func (d daemon) writing(ctx context.Context, q *qmp, node string, f func(c *nbd.Client) error) error {
	const id = "fill"
	if err := q.listen(ctx, object{"type": "unix", "data": object{"path": d.socket()}}, ""); err != nil {
		return err
	}
	if err := q.unexport(ctx, id); err != nil {
		return err
	}
	if err := q.do(ctx, "block-export-add", object{"type": "nbd", "id": id, "node-name": node, "name": id, "writable": true}, nil); err != nil {
		return err
	}
	c, err := nbd.Dial(ctx, d.socket(), id)
	if err == nil {
		if err = f(c); err == nil {
			err = c.Flush()
		}
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, q.unexport(context.WithoutCancel(ctx), id))
}

// pour copies the data of one node into another, which is zero.
func (d daemon) pour(ctx context.Context, q *qmp, from, to string) error {
	const id = "pour"
	return d.writing(ctx, q, to, func(out *nbd.Client) error {
		if err := q.do(ctx, "block-export-add", object{"type": "nbd", "id": id, "node-name": from, "name": id}, nil); err != nil {
			return err
		}
		in, err := nbd.Dial(ctx, d.socket(), id, nbd.Allocation)
		if err == nil {
			err = errors.Join(copyData(ctx, in, out), in.Close())
		}
		return errors.Join(err, q.unexport(context.WithoutCancel(ctx), id))
	})
}

// copyData copies what is not zero.
func copyData(ctx context.Context, in *nbd.Client, out interface {
	WriteAt(p []byte, off int64) (int, error)
},
) error {
	buf := make([]byte, hostapi.MaxChunk)
	return in.Extents(nbd.Allocation, func(e nbd.Extent) error {
		if e.Flags&nbd.Zero != 0 {
			return nil
		}
		for at := e.Offset; at < e.Offset+e.Length; at += int64(len(buf)) {
			if err := ctx.Err(); err != nil {
				return err
			}
			data := buf[:min(int64(len(buf)), e.Offset+e.Length-at)]
			if _, err := in.ReadAt(data, at); err != nil {
				return err
			}
			if _, err := out.WriteAt(data, at); err != nil {
				return disk.Full(err)
			}
		}
		return nil
	})
}

// UploadVolume copies the volume as it is now into a file, and sends that.
func (b *Backend) UploadVolume(ctx context.Context, u *hostapi.VolumeUpload) error {
	dir, err := os.MkdirTemp(b.cfg.Dir, ".new-upload-")
	if err != nil {
		return disk.Full(err)
	}
	defer os.RemoveAll(dir) // or by the next start
	path := filepath.Join(dir, "raw")
	want := view{plain: u.Encryption != nil, key: u.Encryption}
	if err := b.store.read(ctx, u.VolumeRef, want, func(s still) error { return dump(ctx, s.Client, path) }); err != nil {
		return b.abort(ctx, u.ImageID, err)
	}
	if u.DiskFormat != "raw" {
		limits := diskimage.DefaultLimits()
		image := filepath.Join(dir, "image")
		err := diskimage.Convert(ctx, []diskimage.Layer{{Path: path, Format: "raw"}}, diskimage.Layer{Path: image, Format: u.DiskFormat}, limits)
		if err != nil {
			return b.abort(ctx, u.ImageID, disk.Full(err))
		}
		path = image
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return b.abort(ctx, u.ImageID, hostapi.SendImage(ctx, b.cfg.Control, u.ImageID, f, info.Size()))
}

// abort tells the control plane that an image will not come, if it failed.
func (b *Backend) abort(ctx context.Context, imageID string, err error) error {
	if err == nil || errs.Is(err, errs.Unavailable) { // then it is tried again
		return err
	}
	return errors.Join(err, b.cfg.Control.WriteImage(context.WithoutCancel(ctx), hostapi.ImageWrite{ImageID: imageID, Abort: errs.As(err).Msg}))
}

func dump(ctx context.Context, c *nbd.Client, path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return disk.Full(err)
	}
	size, _ := c.Size()
	return errors.Join(f.Truncate(size), copyData(ctx, c, f), f.Close())
}

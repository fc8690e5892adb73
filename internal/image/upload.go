package image

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"kumoi/internal/diskimage"
	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Uploads bring images' bytes from clients, and clear away what they leave.
type Uploads struct{ s *Service }

// Create fills a queued image with the data of r. size is what the sender
// announced, -1 if nothing; storeID chooses the store, "" the default one. If
// anything fails the image is queued again and nothing is stored.
func (f *Uploads) Create(ctx context.Context, id string, r io.Reader, size int64, storeID string) error {
	target, err := f.s.Stores.writable(storeID)
	if err != nil {
		return err
	}
	if size > f.s.cfg.SizeCap {
		return errs.New(errs.TooLarge, "The incoming image is too large: %d bytes announced, at most %d allowed.", size, f.s.cfg.SizeCap)
	}
	img, err := f.begin(ctx, id, size)
	if err != nil {
		return err
	}
	check, err := f.verifier(ctx, img)
	if err == nil {
		_, err = f.fill(ctx, img, target, r, size, check)
	}
	if err != nil {
		f.requeue(ctx, img.ID, Saving)
		return err
	}
	f.s.Images.audit(ctx, "upload", img)
	return nil
}

// begin takes the image from queued to saving.
func (f *Uploads) begin(ctx context.Context, id string, size int64) (*Image, error) {
	return f.s.Images.modify(ctx, id, "upload_image", func(tx *store.Tx, img *Image) error {
		if err := img.fillable(ctx); err != nil {
			return err
		}
		if err := f.s.enforce(ctx, tx, img.Owner, quota.Want{Resource: "image_size_total", N: size}, quota.Want{Resource: "image_count_uploading", N: 1}); err != nil {
			return err
		}
		return img.setStatus(Saving)
	})
}

// fill writes data to a store, inspects it, and makes the image active with
// it. The lease tells upkeep that somebody is at work.
func (f *Uploads) fill(ctx context.Context, img *Image, to NamedStore, r io.Reader, size int64, check *verification) (*Image, error) {
	loc := Location{ID: ids.New(), Store: to.ID, Status: "active", Metadata: map[string]any{"store": to.ID}}
	key := img.ID + "-" + loc.ID[:8]
	loc.URL = to.Backend.URL(key)
	var sum digest
	var rep *diskimage.Report
	err := f.leased(ctx, Upload{URL: loc.URL, Store: to.ID, ImageID: img.ID}, func(ctx context.Context) (err error) {
		if sum, err = f.put(ctx, to, key, r, size, check); err != nil {
			return err
		}
		if rep, err = f.inspect(ctx, img, to, loc.URL); err == nil {
			f.dedup(ctx, to, key, sum.hash)
		}
		return err
	}, func(tx *store.Tx) error {
		cur, err := f.s.tables.Images.Get(ctx, tx, img.ID)
		if errs.Is(err, errs.NotFound) {
			return errs.New(errs.Gone, "Image %s could not be found after upload. The image may have been deleted during the upload, cleaning up the chunks uploaded.", img.ID)
		}
		if err != nil {
			return err
		}
		if err := cur.setStatus(Active); err != nil {
			return err
		}
		cur.Size, cur.Checksum, cur.HashAlgo, cur.HashValue = &sum.size, sum.checksum, hashAlgo, sum.hash
		cur.VirtualSize = nil
		if rep.VirtualSize >= 0 {
			cur.VirtualSize = &rep.VirtualSize
		}
		cur.Locations = append(cur.Locations, loc)
		cur.UpdatedAt = f.s.now()
		img = cur
		return f.s.Images.save(ctx, tx, cur)
	})
	return img, err
}

// leased notes where data will lie, lets write put it there while the lease is
// renewed, and commits finish together with the note's removal. Whatever fails,
// the data is discarded.
func (f *Uploads) leased(ctx context.Context, u Upload, write func(context.Context) error, finish func(*store.Tx) error) error {
	u.Node, u.LeaseUntil = f.s.cfg.Node, f.s.now().Add(f.s.cfg.Lease)
	if err := f.s.db.Write(ctx, func(tx *store.Tx) error { return f.s.tables.Uploads.Insert(ctx, tx, &u) }); err != nil {
		return err
	}
	err := f.renewing(ctx, u.URL, write)
	if err == nil {
		err = f.s.db.Write(ctx, func(tx *store.Tx) error {
			err := f.s.tables.Uploads.Delete(ctx, tx, u.URL)
			if errs.Is(err, errs.NotFound) {
				return errs.New(errs.Conflict, "The data took too long without a sign of life and was given up.")
			}
			if err != nil {
				return err
			}
			return finish(tx)
		})
	}
	if err == nil {
		return nil
	}
	after := context.WithoutCancel(ctx)
	if derr := f.s.db.Write(after, func(tx *store.Tx) error {
		switch derr := f.s.tables.Uploads.Delete(after, tx, u.URL); {
		case errs.Is(derr, errs.NotFound):
			return nil // upkeep has taken it over already
		case derr != nil:
			return derr
		}
		return f.s.Images.discard(after, tx, Location{Store: u.Store, URL: u.URL}, u.ImageID)
	}); derr != nil {
		f.s.log.ErrorContext(after, "discard broken upload", "url", u.URL, "error", derr) // the lease runs out
	}
	return err
}

// renewing runs write while the lease is kept alive; losing the lease ends write.
func (f *Uploads) renewing(ctx context.Context, url string, write func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	defer wg.Wait()
	done := make(chan struct{})
	defer close(done)
	wg.Go(func() {
		tick := time.NewTicker(f.s.cfg.Lease / 4)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			err := f.s.db.Write(ctx, func(tx *store.Tx) error {
				n, err := f.s.tables.Uploads.Patch(ctx, tx, store.Changes{"lease_until": f.s.now().Add(f.s.cfg.Lease)}, store.Eq("url", url))
				if err == nil && n == 0 {
					err = store.ErrNoRows
				}
				return err
			})
			if errs.Is(err, errs.NotFound) {
				cancel(errs.New(errs.Gone, "The image was deleted while its data was being written."))
				return
			}
		}
	})
	err := write(ctx)
	if cause := context.Cause(ctx); err != nil && errs.Is(cause, errs.Gone) {
		return cause
	}
	return err
}

// put streams r into a store and hashes it meanwhile.
func (f *Uploads) put(ctx context.Context, to NamedStore, key string, r io.Reader, size int64, check *verification) (digest, error) {
	m := newMeter(r, f.s.cfg.SizeCap, check.writer())
	n, err := to.Backend.Put(ctx, key, m, size)
	sum := m.sum()
	switch {
	case err != nil:
		return sum, err
	case n != sum.size:
		return sum, errs.New(errs.Internal, "The store kept %d bytes of %d.", n, sum.size)
	case size >= 0 && n != size:
		return sum, errs.New(errs.Invalid, "The data ended after %d bytes; %d were announced.", n, size)
	}
	return sum, check.verify()
}

// dedup lets a store keep equal data once, where that costs nothing.
func (f *Uploads) dedup(ctx context.Context, in NamedStore, key, digest string) {
	if d, ok := in.Backend.(backend.Deduplicator); ok {
		if err := d.Dedup(ctx, in.Backend.URL(key), digest); err != nil {
			f.s.log.WarnContext(ctx, "equal data is kept twice", "store", in.ID, "key", key, "error", err)
		}
	}
}

// inspect judges data by its content before anybody may use it.
func (f *Uploads) inspect(ctx context.Context, img *Image, in NamedStore, url string) (*diskimage.Report, error) {
	obj, err := in.Backend.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer obj.Close()
	return f.judge(img, obj, obj.Size())
}

// judge compares data with what the image declares and refuses what is unsafe.
// Containers are not looked into: nothing here opens them.
func (f *Uploads) judge(img *Image, r io.ReaderAt, size int64) (*diskimage.Report, error) {
	if img.ContainerFormat != "bare" {
		return &diskimage.Report{Format: img.DiskFormat, VirtualSize: -1}, nil
	}
	rep, err := diskimage.Detect(r, size)
	if err != nil {
		return nil, err
	}
	if len(rep.Unsafe) > 0 {
		return nil, errs.New(errs.MediaType, "The image data is refused: it is %s, and %s.", rep.Format, strings.Join(rep.Unsafe, "; "))
	}
	if rep.VirtualSize > f.s.cfg.VirtualSizeCap {
		return nil, errs.New(errs.TooLarge, "The image claims a disk of %d bytes; at most %d are allowed.", rep.VirtualSize, f.s.cfg.VirtualSizeCap)
	}
	signed := slices.Contains(diskimage.Signed, img.DiskFormat)
	switch {
	case rep.Format == img.DiskFormat:
	case img.DiskFormat == "raw":
		// Raw is a promise that nobody looks inside; hosts keep it by never probing.
		rep.VirtualSize = size
	case rep.Format == "raw" && !signed:
		rep.VirtualSize = -1
	case rep.Format == "raw" && !f.s.cfg.StrictFormats:
		f.s.log.Warn("image data lacks the signature of its format", "image_id", img.ID, "disk_format", img.DiskFormat)
		rep.VirtualSize = -1
	default:
		return nil, errs.New(errs.MediaType, "Image disk_format %s does not match stream data %s", img.DiskFormat, rep.Format)
	}
	return rep, nil
}

// requeue takes an image whose data failed back to queued, if it is still from.
func (f *Uploads) requeue(ctx context.Context, id string, from ...Status) {
	ctx = context.WithoutCancel(ctx)
	err := f.s.db.Write(ctx, func(tx *store.Tx) error {
		img, err := f.s.tables.Images.Get(ctx, tx, id)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		if !slices.Contains(from, img.Status) {
			return nil
		}
		if err := img.setStatus(Queued); err != nil {
			return err
		}
		img.UpdatedAt = f.s.now()
		return f.s.Images.save(ctx, tx, img)
	})
	if err != nil {
		f.s.log.ErrorContext(ctx, "requeue image", "image_id", id, "error", err)
	}
}

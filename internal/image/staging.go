package image

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// staged is where an image's data waits for its import. A file with this name
// is whole; ".part" is on its way in and ".out" on its way through a converter.
func (f *Uploads) staged(id string) string { return filepath.Join(f.s.stagingDir(), id) }

// stagingURL stands for the staging area in the note of data being written.
func stagingURL(id string) string { return "staging:" + id }

// dropStaged removes whatever waits for an import of the image.
func (f *Uploads) dropStaged(id string) {
	for _, path := range []string{f.staged(id), f.staged(id) + ".part", f.staged(id) + ".out"} {
		if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
			f.s.log.Warn("staged data not removed", "image_id", id, "error", err)
		}
	}
}

// Stage takes an image's data without judging it; import does the rest.
func (f *Uploads) Stage(ctx context.Context, id string, r io.Reader, size int64) error {
	img, err := f.s.Images.modify(ctx, id, "modify_image", func(tx *store.Tx, img *Image) error {
		if err := img.fillable(ctx); err != nil {
			return err
		}
		if err := f.s.enforce(ctx, tx, img.Owner, quota.Want{Resource: "image_stage_total", N: size}, quota.Want{Resource: "image_count_uploading", N: 1}); err != nil {
			return err
		}
		if img.Status != Queued {
			return errs.New(errs.Conflict, "Image status transition from %s to uploading is not allowed", img.Status)
		}
		return img.setStatus(Uploading)
	})
	if err != nil {
		return err
	}
	var n int64
	err = f.leased(ctx, Upload{URL: stagingURL(img.ID), ImageID: img.ID}, func(ctx context.Context) error {
		n, err = f.writeStaged(ctx, img.ID, r, size)
		return err
	}, func(tx *store.Tx) error {
		cur, err := f.s.tables.Images.Get(ctx, tx, img.ID)
		if errs.Is(err, errs.NotFound) {
			return errs.New(errs.Gone, "Image %s could not be found after upload.", img.ID)
		}
		if err != nil {
			return err
		}
		cur.Size, cur.UpdatedAt = &n, f.s.now()
		return f.s.Images.save(ctx, tx, cur)
	})
	if err != nil {
		f.dropStaged(img.ID)
		f.requeue(ctx, img.ID, Uploading)
		return err
	}
	f.s.Images.audit(ctx, "stage", img)
	return nil
}

// writeStaged writes r to the staging area; the file appears when it is whole.
func (f *Uploads) writeStaged(ctx context.Context, id string, r io.Reader, size int64) (int64, error) {
	part := f.staged(id) + ".part"
	file, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, diskError(err)
	}
	defer file.Close()
	n, err := io.Copy(file, &bounded{ctx: ctx, r: r, left: f.s.cfg.SizeCap})
	if err == nil && size >= 0 && n != size {
		err = errs.New(errs.Invalid, "The data ended after %d bytes; %d were announced.", n, size)
	}
	if err == nil {
		err = file.Sync()
	}
	if err == nil {
		err = os.Rename(part, f.staged(id))
	}
	if err != nil {
		os.Remove(part)
	}
	return n, diskError(err)
}

// bounded ends a stream that is too long, or that nobody waits for any more.
type bounded struct {
	ctx  context.Context
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := context.Cause(b.ctx); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n, errs.New(errs.TooLarge, "The incoming image is too large.")
	}
	return n, err
}

// diskError gives the errors of our own disk a kind.
func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errs.Wrap(errs.TooLarge, err, "Image storage media is full.")
	}
	return err
}

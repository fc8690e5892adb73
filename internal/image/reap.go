package image

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

const reapTask = "image.reap"

// reap takes back what broken uploads left and removes the bytes that no image
// has any more. A store that is away is tried again later.
func (f *Uploads) reap(ctx context.Context) (string, error) {
	given, err := f.reapUploads(ctx)
	if err != nil {
		return "", err
	}
	removed := 0
	for {
		var due []*Garbage
		err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
			due, err = f.dueGarbage(ctx, tx)
			return err
		})
		if err != nil || len(due) == 0 {
			return fmt.Sprintf("%d uploads given up, %d objects tried to remove", given, removed), err
		}
		for _, g := range due {
			if err := f.reapOne(ctx, g); err != nil {
				return "", err
			}
			removed++
		}
	}
}

// reapUploads ends the uploads whose writer is gone: the data becomes garbage
// and the image is queued again.
func (f *Uploads) reapUploads(ctx context.Context) (given int, err error) {
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		expired, err := f.expiredUploads(ctx, tx)
		given = len(expired)
		return err
	})
	if err != nil || given == 0 {
		return 0, err
	}
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		expired, err := f.expiredUploads(ctx, tx)
		given = len(expired)
		if err != nil {
			return err
		}
		for _, u := range expired {
			if err := f.s.tables.Uploads.Delete(ctx, tx, u.URL); err != nil {
				return err
			}
			if u.Store == "" {
				tx.AfterCommit(func() { f.dropStaged(u.ImageID) })
			} else if err := f.s.tables.Garbage.Insert(ctx, tx, &Garbage{ID: ids.New(), Store: u.Store, URL: u.URL, ImageID: u.ImageID, NotBefore: f.s.now()}); err != nil {
				return err
			}
			img, err := f.s.tables.Images.Get(ctx, tx, u.ImageID)
			if errs.Is(err, errs.NotFound) {
				continue
			}
			if err != nil {
				return err
			}
			// An import's image belongs to its task, which decides for itself.
			if _, imported := img.Properties[propTask]; imported || img.Status != Saving && (u.Store != "" || img.Status != Uploading) {
				continue
			}
			if err := img.setStatus(Queued); err != nil {
				return err
			}
			img.UpdatedAt = f.s.now()
			if err := f.s.Images.save(ctx, tx, img); err != nil {
				return err
			}
			f.s.log.WarnContext(ctx, "upload was given up; the image is queued again", "image_id", img.ID, "url", u.URL)
		}
		return nil
	})
	return given, err
}

func (f *Uploads) expiredUploads(ctx context.Context, tx *store.Tx) ([]*Upload, error) {
	return f.s.tables.Uploads.All(ctx, tx, store.Cond{Field: "lease_until", Op: store.Less, Value: f.s.now()})
}

// dueGarbage is data whose removal should be tried now.
func (f *Uploads) dueGarbage(ctx context.Context, tx *store.Tx) ([]*Garbage, error) {
	page, err := f.s.tables.Garbage.List(ctx, tx, store.Query{
		Where: []store.Cond{{Field: "not_before", Op: store.LessEqual, Value: f.s.now()}}, Sort: []store.Sort{{Field: "not_before"}}, Limit: 100,
	})
	return page.Rows, err
}

func (f *Uploads) reapOne(ctx context.Context, g *Garbage) error {
	var inUse bool
	if err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		inUse, err = f.s.Images.inUse(ctx, tx, g.URL)
		return err
	}); err != nil {
		return err
	}
	err := f.eraseUnless(ctx, inUse, g)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err == nil {
			return ignoreMissing(f.s.tables.Garbage.Delete(ctx, tx, g.ID))
		}
		g.Attempts++
		wait := min(time.Second<<min(g.Attempts, 12), time.Hour)
		g.NotBefore = f.s.now().Add(wait)
		f.s.log.WarnContext(ctx, "data of a deleted image could not be removed; will try again",
			"image_id", g.ImageID, "url", g.URL, "attempts", g.Attempts, "in", wait, "error", err)
		return ignoreMissing(f.s.tables.Garbage.Update(ctx, tx, g))
	})
}

func (f *Uploads) eraseUnless(ctx context.Context, inUse bool, g *Garbage) error {
	if inUse {
		return nil
	}
	n, ok := f.s.Stores.named(g.Store)
	if !ok {
		return fmt.Errorf("store %q is not configured", g.Store)
	}
	return n.Backend.Delete(ctx, g.URL)
}

// ignoreMissing is for rows that another process may have removed first.
func ignoreMissing(err error) error {
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	return err
}

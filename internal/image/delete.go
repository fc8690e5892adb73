package image

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Delete removes an image at once; its bytes follow when its stores allow.
func (f *Images) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error { return f.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (f *Images) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	img, err := f.visible(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := f.s.check(ctx, "delete_image", img); err != nil {
		return err
	}
	if img.Protected {
		return errs.New(errs.Forbidden, "Image %s is protected and cannot be deleted.", img.ID)
	}
	if err := f.remove(ctx, tx, img); err != nil {
		return err
	}
	img.Status = Deleted
	tx.AfterCommit(func() { f.audit(ctx, "delete", img) })
	return nil
}

// remove deletes the record and leaves its bytes to the reaper.
func (f *Images) remove(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := f.erase(ctx, tx, img); err != nil {
		return err
	}
	if _, busy := img.Properties[propTask]; busy {
		if _, err := f.s.sagas.Cancel(ctx, tx, "image/"+img.ID); err != nil {
			return err
		}
	}
	for _, l := range img.Locations {
		if err := f.discard(ctx, tx, l, img.ID); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() {
		f.s.Uploads.dropStaged(img.ID)
		f.s.Cache.drop(img.ID)
	})
	return nil
}

// discard leaves a location's bytes to the reaper; foreign URLs are left alone.
func (f *Images) discard(ctx context.Context, tx *store.Tx, l Location, imageID string) error {
	if l.Store == "" {
		return nil
	}
	if n, ok := f.s.Stores.named(l.Store); ok && n.Backend.ReadOnly() {
		return nil
	}
	tx.AfterCommit(func() { f.s.upkeep.Wake(reapTask) })
	return f.s.tables.Garbage.Insert(ctx, tx, &Garbage{ID: ids.New(), Store: l.Store, URL: l.URL, ImageID: imageID, NotBefore: f.s.now()})
}

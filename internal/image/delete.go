package image

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Delete removes an image at once; its bytes follow when its stores allow.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error { return s.DeleteTx(ctx, tx, id) })
}

// DeleteTx is Delete inside the caller's transaction.
func (s *Service) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	img, err := s.visible(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := s.check(ctx, "delete_image", img); err != nil {
		return err
	}
	if img.Protected {
		return errs.New(errs.Forbidden, "Image %s is protected and cannot be deleted.", img.ID)
	}
	if err := s.remove(ctx, tx, img); err != nil {
		return err
	}
	img.Status = Deleted
	tx.AfterCommit(func() { s.audit(ctx, "delete", img) })
	return nil
}

// remove deletes the record and leaves its bytes to the reaper.
func (s *Service) remove(ctx context.Context, tx *store.Tx, img *Image) error {
	if err := s.erase(ctx, tx, img); err != nil {
		return err
	}
	if _, busy := img.Properties[propTask]; busy {
		if _, err := s.sagas.Cancel(ctx, tx, "image/"+img.ID); err != nil {
			return err
		}
	}
	for _, l := range img.Locations {
		if err := s.discard(ctx, tx, l, img.ID); err != nil {
			return err
		}
	}
	tx.AfterCommit(func() {
		s.dropStaged(img.ID)
		s.Cache.drop(img.ID)
	})
	return nil
}

// discard leaves a location's bytes to the reaper; foreign URLs are left alone.
func (s *Service) discard(ctx context.Context, tx *store.Tx, l Location, imageID string) error {
	if l.Store == "" {
		return nil
	}
	if n, ok := s.named(l.Store); ok && n.Backend.ReadOnly() {
		return nil
	}
	tx.AfterCommit(func() { s.upkeep.Wake(reapTask) })
	return s.tables.Garbage.Insert(ctx, tx, &Garbage{ID: ids.New(), Store: l.Store, URL: l.URL, ImageID: imageID, NotBefore: s.now()})
}

package image

import (
	"context"

	"kumoi/internal/kernel/store"
)

// CreateTx is Create inside the caller's transaction, for those who make an
// image together with something of their own, such as a server's snapshot.
// The project's limits are checked against what the transaction sees.
func (s *Service) CreateTx(ctx context.Context, tx *store.Tx, attributes map[string]any) (*Image, error) {
	img, err := s.newImage(ctx, attributes)
	if err != nil {
		return nil, err
	}
	limits, err := s.limitsOf(ctx, img.Owner)
	if err != nil {
		return nil, err
	}
	if err := s.enforce(ctx, tx, limits, img.Owner, "image_count_total", 1); err != nil {
		return nil, err
	}
	if err := s.store.CreateImage(ctx, tx, img); err != nil {
		return nil, err
	}
	tx.AfterCommit(func() { s.audit(ctx, "create", img) })
	return img, nil
}

package compute

import (
	"context"
	"errors"
	"time"

	"kumoi/internal/kernel/store"
)

// SeenSince tells whether a host has reported at or after a moment: whether
// its agent has found this control plane since that started.
func (s *Hosts) SeenSince(ctx context.Context, name string, since time.Time) (bool, error) {
	var seen time.Time
	err := s.read(ctx, func(tx *store.Tx) error {
		h, err := s.hostStates.Get(ctx, tx, name)
		if err == nil {
			seen = h.SeenAt
		}
		return err
	})
	if errors.Is(err, store.ErrNoRows) {
		return false, nil
	}
	return err == nil && !seen.Before(since), err
}

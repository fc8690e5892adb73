package identity

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// RotateAllKeys makes new keys for every purpose.
func (s *Service) RotateAllKeys(ctx context.Context) error {
	for _, purpose := range []string{tokenKey, credentialKey} {
		if err := s.RotateKeys(ctx, purpose); err != nil {
			return err
		}
	}
	return nil
}

// UserExists tells whether there is such a user, for other services.
func (s *Service) UserExists(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	_, err := s.store.Users.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

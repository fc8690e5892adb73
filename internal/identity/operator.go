package identity

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// ResetPassword gives a user, named by name and domain, a new password: the
// operator's way back in. The context's actor must be Kumoi itself or an
// administrator. The rules for passwords hold.
func (s *Service) ResetPassword(ctx context.Context, name, domain, password string) error {
	id, err := s.findUser(ctx, Ref{Name: name, DomainName: domain})
	if err != nil {
		return err
	}
	_, err = s.UpdateUser(ctx, id, UserChange{Apply: func(u *User) error { u.Enabled = true; return nil }, Password: &password})
	return err
}

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

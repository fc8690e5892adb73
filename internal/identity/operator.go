package identity

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// UserExists tells whether there is such a user, for other services.
func (s *Service) UserExists(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	_, err := family.Get(ctx, tx, s.store.Users.Table, id)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// ResetPassword gives a user a new password, enables him and ends a lock. It
// is for an operator on the machine itself; no policy is asked.
func (s *Service) ResetPassword(ctx context.Context, user, domain, password string) error {
	if password == "" {
		return errs.New(errs.Invalid, "A password must not be empty.")
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		d, err := byName(ctx, tx, s.store.Projects.Table, "", domain)
		if err != nil {
			return err
		}
		u, err := byName(ctx, tx, s.store.Users.Table, d.ID, user)
		if err != nil {
			return err
		}
		return s.Users.reset(ctx, tx, u, hash)
	})
}

// reset enables a user, ends a lock and, unless hash is empty, replaces the password.
func (f *Users) reset(ctx context.Context, tx *store.Tx, u User, hash string) error {
	what := updated
	if hash != "" {
		what = "reset_password"
		if err := f.s.passwords.replace(ctx, tx, &u, hash, false); err != nil {
			return err
		}
	}
	u.Enabled, u.FailedAttempts, u.LastActiveAt = true, 0, f.s.now()
	if err := f.s.store.Users.Update(ctx, tx, &u); err != nil {
		return err
	}
	if err := f.s.noted(ctx, tx, "user", what, u.ID); err != nil {
		return err
	}
	return f.s.changed(ctx, tx, userTag(u.ID))
}

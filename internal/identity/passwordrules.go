package identity

import (
	"context"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// acceptable checks a new password against the operator's rules.
func (f *passwords) acceptable(password string) error {
	r := f.s.cfg.Passwords
	if len(password) > maxPasswordLen {
		return errs.New(errs.Invalid, "The password is longer than %d bytes.", maxPasswordLen)
	}
	if r.regex == nil {
		return nil
	}
	if fits, err := r.regex.MatchString(password); err != nil || !fits { // an error means that it took too long
		why := r.RegexDescription
		if why == "" {
			why = "it must match " + r.Regex
		}
		return errs.New(errs.Invalid, "The password does not match the requirements: %s.", why)
	}
	return nil
}

// notUsedBefore refuses a password that is among the user's last ones.
func (f *passwords) notUsedBefore(ctx context.Context, userID, password string) error {
	n := f.s.cfg.Passwords.UniqueLast
	if n < 1 {
		return nil
	}
	hashes, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]string, error) {
		u, err := family.Get(ctx, tx, f.s.store.Users.Table, userID)
		if err != nil || n == 1 {
			return []string{u.PasswordHash}, err
		}
		old, err := f.s.store.Users.OldPasswords(ctx, tx, userID, n-1)
		return append(old, u.PasswordHash), err
	})
	if err != nil {
		return err
	}
	for _, h := range hashes {
		same, err := f.s.hasher.compare(ctx, h, password)
		if err != nil {
			return err
		}
		if same {
			return errs.New(errs.Invalid, "The new password cannot be identical to a previous password. The total number which includes the new password must be unique is %d.", n)
		}
	}
	return nil
}

// set puts a hash on a user, with the times that the rules give it.
func (f *passwords) set(u *User, hash string, byHimself bool) {
	r, now := f.s.cfg.Passwords, f.s.now()
	u.PasswordHash, u.PasswordCreatedAt, u.PasswordSelfService = hash, now, byHimself
	u.PasswordExpiresAt = now.Add(r.ExpiresAfter)
	switch {
	case r.ChangeUponFirstUse && !byHimself && !exempt(*u, "ignore_change_password_upon_first_use"):
		u.PasswordExpiresAt = now
	case r.ExpiresAfter == 0 || exempt(*u, "ignore_password_expiry"):
		u.PasswordExpiresAt = time.Time{}
	}
	u.FailedAttempts = 0
}

// replace remembers the old password, sets the new and voids all tokens.
func (f *passwords) replace(ctx context.Context, tx *store.Tx, u *User, hash string, byHimself bool) error {
	keep := max(0, f.s.cfg.Passwords.UniqueLast-1)
	if err := f.s.store.Users.AddOldPassword(ctx, tx, u.ID, u.PasswordHash, u.PasswordCreatedAt, keep); err != nil {
		return err
	}
	f.set(u, hash, byHimself)
	return f.s.revoke(ctx, tx, userTag(u.ID))
}

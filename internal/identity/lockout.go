package identity

import (
	"context"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// exempt tells whether a user's options free him from a rule.
func exempt(u User, option string) bool { return isTrue(u.Options[option]) }

// locked tells whether failures in a row keep the user out for now.
func (f *passwords) locked(u User) bool {
	r := f.s.cfg.Passwords
	if r.LockoutAttempts == 0 || u.FailedAttempts < int64(r.LockoutAttempts) || exempt(u, "ignore_lockout_failure_attempts") {
		return false
	}
	return r.LockoutFor == 0 || f.s.now().Before(u.FailedAt.Add(r.LockoutFor))
}

// inactive tells whether the user has not logged in for too long.
func (f *passwords) inactive(u User) bool {
	after := f.s.cfg.Passwords.DisableInactive
	if after == 0 || exempt(u, "ignore_user_inactivity") {
		return false
	}
	last := u.LastActiveAt
	if last.IsZero() {
		last = u.CreatedAt
	}
	return f.s.now().Sub(last) > after
}

// verify checks the password of a user who is enabled, under the rules
// for lockout, inactivity and expiry, and records the outcome.
func (f *passwords) verify(ctx context.Context, l *loginUser, password string) error {
	u := l.user
	if u.Kind == NonLocal {
		return f.s.directories.verify(ctx, u, password)
	}
	if f.locked(u) {
		if err := f.s.hasher.pretend(ctx, password); err != nil {
			return err
		}
		return family.Unauthorized("the account is locked after failed logins: " + u.ID)
	}
	hash := u.PasswordHash
	if hash == "" {
		hash = f.s.hasher.dummy // a user without a password takes as long to refuse
	}
	right, err := f.s.guesses.secret(ctx, guessFrom(ctx, PasswordMethod, u.ID), l.bounds, hash, password)
	if err != nil {
		return err
	}
	if !right || u.PasswordHash == "" {
		if err := f.recordLogin(ctx, u.ID, false); err != nil {
			return err
		}
		return family.Unauthorized("wrong password for user " + u.ID)
	}
	if f.inactive(u) {
		return family.Unauthorized("the account is disabled for inactivity: " + u.ID)
	}
	if u.FailedAttempts != 0 || day(u.LastActiveAt) != day(f.s.now()) {
		if err := f.recordLogin(ctx, u.ID, true); err != nil {
			return err
		}
	}
	return f.unexpired(u)
}

// unexpired refuses a user whose password must be changed.
func (f *passwords) unexpired(u User) error {
	if !u.PasswordExpiresAt.IsZero() && !f.s.now().Before(u.PasswordExpiresAt) && !exempt(u, "ignore_password_expiry") {
		return errs.New(errs.Unauthenticated, "The password is expired and needs to be changed for user: %s.", u.ID)
	}
	return nil
}

func day(t time.Time) string { return t.Format(time.DateOnly) }

// recordLogin counts a failure, or forgets all failures and notes the day.
func (f *passwords) recordLogin(ctx context.Context, userID string, success bool) error {
	if !success && f.s.cfg.Passwords.LockoutAttempts == 0 {
		return nil
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		u, err := family.Get(ctx, tx, f.s.store.Users.Table, userID)
		if err != nil {
			return err
		}
		if success {
			u.FailedAttempts, u.FailedAt, u.LastActiveAt = 0, time.Time{}, f.s.now()
		} else {
			if f.s.cfg.Passwords.LockoutFor > 0 && !f.s.now().Before(u.FailedAt.Add(f.s.cfg.Passwords.LockoutFor)) {
				u.FailedAttempts = 0 // an old lock has passed: count anew
			}
			u.FailedAttempts++
			u.FailedAt = f.s.now()
		}
		if err := f.s.store.Users.RecordLogin(ctx, tx, u); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, loginTag(u.ID))
	})
}

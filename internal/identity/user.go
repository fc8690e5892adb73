package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// UserChange applies a client's wishes to a user; a password goes beside it.
type UserChange struct {
	Apply    func(u *User) error
	Password *string // nil: leave it; "" takes it away
}

// ListUsers lists users. A token for a domain sees its own.
func (s *Service) ListUsers(ctx context.Context, q Query) (Page[User], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target["target.domain_id"] = a.DomainID
		q.Where = append(q.Where, Eq("domain_id", a.DomainID))
	}
	if err := s.check(ctx, "identity:list_users", target); err != nil {
		return Page[User]{}, err
	}
	if err := s.mirrorNamed(ctx, q); err != nil {
		return Page[User]{}, err
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]User, error) {
		rows, err := s.store.Users.List(ctx, tx, s.limited(q))
		if err != nil {
			return nil, err
		}
		return rows, s.withFederated(ctx, tx, rows)
	})
	return page(s, q, rows), err
}

func (s *Service) withFederated(ctx context.Context, tx *store.Tx, users []User) error {
	var linked []string
	for _, u := range users {
		linked = append(linked, u.ID)
	}
	rows, err := s.store.Users.Federated(ctx, tx, linked...)
	for _, f := range rows {
		i := slices.IndexFunc(users, func(u User) bool { return u.ID == f.UserID })
		users[i].Federated = append(users[i].Federated, f)
	}
	return err
}

// getUser loads a user under a rule, telling of absence only those who may see any.
func (s *Service) getUser(ctx context.Context, tx *store.Tx, rule, id string) (User, error) {
	u, err := s.store.Users.Get(ctx, tx, id)
	target := policy.Target{"user_id": id, "target.user.id": id}
	if err == nil {
		target = userTarget(u)
	} else if !errs.Is(err, errs.NotFound) {
		return u, err
	}
	if perr := s.check(ctx, rule, target); perr != nil {
		return u, perr
	}
	return u, err
}

// GetUser returns a user.
func (s *Service) GetUser(ctx context.Context, id string) (User, error) {
	return read(ctx, s, func(tx *store.Tx) (User, error) {
		u, err := s.getUser(ctx, tx, "identity:get_user", id)
		if err != nil {
			return u, err
		}
		one := []User{u}
		err = s.withFederated(ctx, tx, one)
		return one[0], err
	})
}

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, u User, password string) (User, error) {
	u.DomainID = homeDomain(ctx, u.DomainID)
	u.ID, u.Kind, u.CreatedAt = ids.NewHex(), Local, s.now()
	if err := s.check(ctx, "identity:create_user", userTarget(u)); err != nil {
		return u, err
	}
	if err := s.ownDirectory(ctx, u.DomainID); err != nil {
		return u, err
	}
	if password != "" {
		if err := s.acceptable(password); err != nil {
			return u, err
		}
		hash, err := s.hasher.hash(ctx, password)
		if err != nil {
			return u, err
		}
		s.setPassword(&u, hash, false)
	}
	return write(ctx, s, func(tx *store.Tx) (User, error) {
		if _, err := s.domain(ctx, tx, u.DomainID); err != nil {
			return u, err
		}
		if err := s.mayDefault(ctx, tx, u.DefaultProjectID); err != nil {
			return u, err
		}
		if err := s.store.Users.Insert(ctx, tx, u); err != nil {
			return u, err
		}
		if len(u.Federated) > 0 {
			if err := s.store.Users.SetFederated(ctx, tx, u.ID, u.Federated); err != nil {
				return u, err
			}
		}
		return u, s.noted(ctx, tx, "user", created, u.ID)
	})
}

// mayDefault refuses a domain as somebody's default project. A project that
// does not exist is taken as it is: the login will find out.
func (s *Service) mayDefault(ctx context.Context, tx *store.Tx, id string) error {
	if id == "" {
		return nil
	}
	p, err := s.store.Projects.Get(ctx, tx, id)
	if err == nil && p.IsDomain {
		return errs.New(errs.Invalid, "User's default project ID cannot be a domain ID: %s.", id)
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// UpdateUser changes a user. A new password or a disabled account voids all
// tokens that the user has.
func (s *Service) UpdateUser(ctx context.Context, id string, change UserChange) (User, error) {
	var hash string
	if change.Password != nil && *change.Password != "" {
		// The policy comes before the cost of a hash and before judging the
		// password. The history binds users who choose their own alone.
		if _, err := read(ctx, s, func(tx *store.Tx) (User, error) {
			return s.getUser(ctx, tx, "identity:update_user", id)
		}); err != nil {
			return User{}, err
		}
		if err := s.acceptable(*change.Password); err != nil {
			return User{}, err
		}
		var err error
		if hash, err = s.hasher.hash(ctx, *change.Password); err != nil {
			return User{}, err
		}
	}
	return write(ctx, s, func(tx *store.Tx) (User, error) {
		u, err := s.getUser(ctx, tx, "identity:update_user", id)
		if err != nil {
			return u, err
		}
		before := u
		if err := ownRecord(actor.From(ctx), id); err != nil {
			return u, err
		}
		if err := readOnly(u); err != nil {
			return u, err
		}
		if err := change.Apply(&u); err != nil {
			return u, err
		}
		if u.DomainID != before.DomainID {
			return u, errs.New(errs.Invalid, "Cannot change Domain ID.")
		}
		if u.DefaultProjectID != before.DefaultProjectID {
			if err := s.mayDefault(ctx, tx, u.DefaultProjectID); err != nil {
				return u, err
			}
		}
		if change.Password != nil {
			if err := s.replacePassword(ctx, tx, &u, hash, false); err != nil {
				return u, err
			}
		}
		if u.Enabled && !before.Enabled {
			u.FailedAttempts, u.LastActiveAt = 0, s.now() // an administrator's help ends lock and inactivity
		}
		if !u.Enabled && before.Enabled {
			if err := s.revoke(ctx, tx, userTag(id)); err != nil {
				return u, err
			}
		}
		if err := s.store.Users.Update(ctx, tx, u); err != nil {
			return u, err
		}
		if u.Federated != nil {
			if err := s.store.Users.SetFederated(ctx, tx, id, u.Federated); err != nil {
				return u, err
			}
		}
		if err := s.noted(ctx, tx, "user", updated, id); err != nil {
			return u, err
		}
		return u, s.changed(ctx, tx, userTag(id))
	})
}

// DeleteUser deletes a user and all that is his alone.
func (s *Service) DeleteUser(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		u, err := s.getUser(ctx, tx, "identity:delete_user", id)
		if err != nil {
			return err
		}
		if err := ownRecord(actor.From(ctx), id); err != nil {
			return err
		}
		if err := readOnly(u); err != nil {
			return err
		}
		return s.removeUser(ctx, tx, u)
	})
}

func (s *Service) removeUser(ctx context.Context, tx *store.Tx, u User) error {
	if err := s.store.Assignments.RemoveActor(ctx, tx, UserActor, u.ID); err != nil {
		return err
	}
	if err := s.store.Groups.RemoveUser(ctx, tx, u.ID); err != nil {
		return err
	}
	for _, del := range []func(context.Context, *store.Tx, ...Match) (int64, error){
		s.store.Credentials.DeleteWhere, s.store.AppCredentials.DeleteWhere, s.store.AccessRules.DeleteWhere, s.store.OAuthTokens.DeleteWhere,
	} {
		if _, err := del(ctx, tx, Eq("user_id", u.ID)); err != nil {
			return err
		}
	}
	for _, side := range []string{"trustor_user_id", "trustee_user_id"} {
		if _, err := s.store.Trusts.DeleteWhere(ctx, tx, Eq(side, u.ID)); err != nil {
			return err
		}
	}
	if err := s.store.Users.Delete(ctx, tx, u.ID); err != nil {
		return err
	}
	if err := s.noted(ctx, tx, "user", deleted, u.ID); err != nil {
		return err
	}
	return s.revoke(ctx, tx, userTag(u.ID))
}

// UserGroups lists the groups that a user is in.
func (s *Service) UserGroups(ctx context.Context, userID string, q Query) (Page[Group], error) {
	rows, err := read(ctx, s, func(tx *store.Tx) ([]Group, error) {
		if _, err := s.getUser(ctx, tx, "identity:list_groups_for_user", userID); err != nil {
			return nil, err
		}
		if d := actor.From(ctx).DomainID; d != "" {
			q.Where = append(q.Where, Eq("domain_id", d))
		}
		return s.store.Groups.OfUser(ctx, tx, userID, s.now(), s.limited(q))
	})
	return page(s, q, rows), err
}

// ChangeOwnPassword lets whoever knows a user's password replace it. It needs
// no token: an expired password gives none.
func (s *Service) ChangeOwnPassword(ctx context.Context, userID, original, password string) error {
	l, err := s.loginUser(ctx, userID)
	if err != nil {
		if !errs.Is(err, errs.Unauthenticated) {
			return err
		}
		if perr := s.hasher.pretend(ctx, original); perr != nil {
			return perr
		}
		return unauthorized(reason(err))
	}
	err = s.verifyPassword(ctx, &l, original)
	if err != nil && !expired(err, l.user, s.now()) {
		return err
	}
	u := l.user
	if u.Kind != Local {
		return errs.New(errs.Invalid, "The password of user %s is kept elsewhere and cannot be changed here.", userID)
	}
	if exempt(u, "lock_password") {
		return errs.New(errs.Invalid, "You cannot change your password at this time due to password policy disallowing password changes.")
	}
	if age := s.cfg.Passwords.MinimumAge; age > 0 && u.PasswordSelfService && s.now().Before(u.PasswordCreatedAt.Add(age)) {
		return errs.New(errs.Invalid, "You cannot change your password before %s.", u.PasswordCreatedAt.Add(age).Format(time.RFC3339))
	}
	if err := s.acceptable(password); err != nil {
		return err
	}
	if err := s.notUsedBefore(ctx, userID, password); err != nil {
		return err
	}
	hash, err := s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		u, err := s.store.Users.Get(ctx, tx, userID)
		if err != nil {
			return err
		}
		if u.PasswordHash != l.user.PasswordHash {
			return errs.New(errs.Conflict, "The password was changed meanwhile.")
		}
		if err := s.replacePassword(ctx, tx, &u, hash, true); err != nil {
			return err
		}
		if err := s.noted(asUser(ctx, u), tx, "user", "changed_password", userID); err != nil {
			return err
		}
		return s.store.Users.Update(ctx, tx, u)
	})
}

// expired tells whether the only thing wrong with a right password is its age.
func expired(err error, u User, now time.Time) bool {
	return errs.Is(err, errs.Unauthenticated) && errs.As(err).Err == nil && !u.PasswordExpiresAt.IsZero() && !now.Before(u.PasswordExpiresAt)
}

package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// UserChange applies a client's wishes to a user; a password goes beside it.
type UserChange struct {
	change.Patch[User]
	Password *string // nil: leave it; "" takes it away
}

func (c UserChange) password() string {
	if c.Password == nil {
		return ""
	}
	return *c.Password
}

// List lists users. A token for a domain sees its own.
func (f *Users) List(ctx context.Context, q store.Query) (store.Page[User], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target["target.domain_id"] = a.DomainID
		q = q.Within(store.Eq("domain_id", a.DomainID))
	}
	if err := f.s.check(ctx, "identity:list_users", target); err != nil {
		return store.Page[User]{}, err
	}
	if err := f.s.directories.mirrorNamed(ctx, q); err != nil {
		return store.Page[User]{}, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (store.Page[User], error) { return f.page(ctx, tx, q) })
}

func (f *Users) page(ctx context.Context, tx *store.Tx, q store.Query) (store.Page[User], error) {
	page, err := f.s.store.Users.List(ctx, tx, f.s.base.Capped(q))
	if err != nil {
		return page, err
	}
	return page, f.withFederated(ctx, tx, page.Rows...)
}

func (f *Users) withFederated(ctx context.Context, tx *store.Tx, users ...*User) error {
	var linked []string
	for _, u := range users {
		linked = append(linked, u.ID)
	}
	rows, err := f.s.store.Users.Federated(ctx, tx, linked...)
	for _, l := range rows {
		i := slices.IndexFunc(users, func(u *User) bool { return u.ID == l.UserID })
		users[i].Federated = append(users[i].Federated, l)
	}
	return err
}

// get loads a user under a rule, telling of absence only those who may see any.
func (f *Users) get(ctx context.Context, tx *store.Tx, rule, id string) (User, error) {
	u, err := family.Get(ctx, tx, f.s.store.Users.Table, id)
	target := policy.Target{"user_id": id, "target.user.id": id}
	if err == nil {
		target = userTarget(u)
	} else if !errs.Is(err, errs.NotFound) {
		return u, err
	}
	if perr := f.s.check(ctx, rule, target); perr != nil {
		return u, perr
	}
	return u, err
}

// Show returns a user.
func (f *Users) Show(ctx context.Context, id string) (*User, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (User, error) {
		u, err := f.get(ctx, tx, "identity:get_user", id)
		if err != nil {
			return u, err
		}
		return u, f.withFederated(ctx, tx, &u)
	}))
}

// Create makes a user.
func (f *Users) Create(ctx context.Context, in UserChange) (*User, error) {
	u := User{Enabled: true}
	if err := in.To(&u); err != nil {
		return nil, err
	}
	u.DomainID = homeDomain(ctx, u.DomainID)
	u.ID, u.Kind, u.CreatedAt = ids.NewHex(), Local, f.s.now()
	if err := f.s.check(ctx, "identity:create_user", userTarget(u)); err != nil {
		return nil, err
	}
	if err := f.s.directories.own(ctx, u.DomainID); err != nil {
		return nil, err
	}
	if password := in.password(); password != "" {
		if err := f.s.passwords.acceptable(password); err != nil {
			return nil, err
		}
		hash, err := f.s.hasher.hash(ctx, password)
		if err != nil {
			return nil, err
		}
		f.s.passwords.set(&u, hash, false)
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (User, error) {
		if _, err := f.s.Domains.get(ctx, tx, u.DomainID); err != nil {
			return u, err
		}
		if err := f.mayDefault(ctx, tx, u.DefaultProjectID); err != nil {
			return u, err
		}
		if err := f.s.store.Users.Insert(ctx, tx, &u); err != nil {
			return u, err
		}
		if len(u.Federated) > 0 {
			if err := f.s.store.Users.SetFederated(ctx, tx, u.ID, u.Federated); err != nil {
				return u, err
			}
		}
		return u, f.s.base.Made(ctx, tx, "user", u.ID)
	}))
}

// mayDefault refuses a domain as somebody's default project. A project that
// does not exist is taken as it is: the login will find out.
func (f *Users) mayDefault(ctx context.Context, tx *store.Tx, id string) error {
	if id == "" {
		return nil
	}
	p, err := family.Get(ctx, tx, f.s.store.Projects.Table, id)
	if err == nil && p.IsDomain {
		return errs.New(errs.Invalid, "User's default project ID cannot be a domain ID: %s.", id)
	}
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// Update changes a user. A new password or a disabled account voids all
// tokens that the user has.
func (f *Users) Update(ctx context.Context, id string, in UserChange) (*User, error) {
	var hash string
	if in.Password != nil && *in.Password != "" {
		// The policy comes before the cost of a hash and before judging the
		// password. The history binds users who choose their own alone.
		if _, err := family.Read(ctx, f.s.db, func(tx *store.Tx) (User, error) {
			return f.get(ctx, tx, "identity:update_user", id)
		}); err != nil {
			return nil, err
		}
		if err := f.s.passwords.acceptable(*in.Password); err != nil {
			return nil, err
		}
		var err error
		if hash, err = f.s.hasher.hash(ctx, *in.Password); err != nil {
			return nil, err
		}
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (User, error) {
		u, err := f.get(ctx, tx, "identity:update_user", id)
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
		if err := in.To(&u); err != nil {
			return u, err
		}
		if u.DomainID != before.DomainID {
			return u, errs.New(errs.Invalid, "Cannot change Domain ID.")
		}
		if u.DefaultProjectID != before.DefaultProjectID {
			if err := f.mayDefault(ctx, tx, u.DefaultProjectID); err != nil {
				return u, err
			}
		}
		if in.Password != nil {
			if err := f.s.passwords.replace(ctx, tx, &u, hash, false); err != nil {
				return u, err
			}
		}
		if u.Enabled && !before.Enabled {
			u.FailedAttempts, u.LastActiveAt = 0, f.s.now() // an administrator's help ends lock and inactivity
		}
		if !u.Enabled && before.Enabled {
			if err := f.s.revoke(ctx, tx, userTag(id)); err != nil {
				return u, err
			}
		}
		if err := f.s.store.Users.Update(ctx, tx, &u); err != nil {
			return u, err
		}
		if u.Federated != nil {
			if err := f.s.store.Users.SetFederated(ctx, tx, id, u.Federated); err != nil {
				return u, err
			}
		}
		if err := f.s.noted(ctx, tx, "user", updated, id); err != nil {
			return u, err
		}
		return u, f.s.changed(ctx, tx, userTag(id))
	}))
}

// Delete deletes a user and all that is his alone.
func (f *Users) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		u, err := f.get(ctx, tx, "identity:delete_user", id)
		if err != nil {
			return err
		}
		if err := ownRecord(actor.From(ctx), id); err != nil {
			return err
		}
		if err := readOnly(u); err != nil {
			return err
		}
		return f.remove(ctx, tx, u)
	})
}

func (f *Users) remove(ctx context.Context, tx *store.Tx, u User) error {
	if err := f.s.store.Assignments.RemoveActor(ctx, tx, UserActor, u.ID); err != nil {
		return err
	}
	if err := f.s.store.Groups.RemoveUser(ctx, tx, u.ID); err != nil {
		return err
	}
	for _, del := range []func(context.Context, *store.Tx, ...store.Cond) (int64, error){
		f.s.store.Credentials.DeleteWhere, f.s.store.AppCredentials.DeleteWhere, f.s.store.AccessRules.DeleteWhere, f.s.store.OAuth1.Tokens.DeleteWhere,
	} {
		if _, err := del(ctx, tx, store.Eq("user_id", u.ID)); err != nil {
			return err
		}
	}
	for _, side := range []string{"trustor_user_id", "trustee_user_id"} {
		if _, err := f.s.store.Trusts.DeleteWhere(ctx, tx, store.Eq(side, u.ID)); err != nil {
			return err
		}
	}
	if err := f.s.store.Users.Delete(ctx, tx, u.ID); err != nil {
		return err
	}
	if err := f.s.noted(ctx, tx, "user", deleted, u.ID); err != nil {
		return err
	}
	return f.s.revoke(ctx, tx, userTag(u.ID))
}

// Groups lists the groups that a user is in.
func (f *Users) Groups(ctx context.Context, userID string, q store.Query) (store.Page[Group], error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (page store.Page[Group], err error) {
		if _, err := f.get(ctx, tx, "identity:list_groups_for_user", userID); err != nil {
			return page, err
		}
		q := q.Within(store.Is("of_user", []any{userID, userID, store.Micros(f.s.now())}))
		if d := actor.From(ctx).DomainID; d != "" {
			q = q.Within(store.Eq("domain_id", d))
		}
		return f.s.store.Groups.List(ctx, tx, f.s.base.Capped(q))
	})
}

// ChangeOwnPassword lets whoever knows a user's password replace it. It needs
// no token: an expired password gives none.
func (f *Users) ChangeOwnPassword(ctx context.Context, userID, original, password string) error {
	l, err := f.s.loginUser(ctx, userID)
	if err != nil {
		if !errs.Is(err, errs.Unauthenticated) {
			return err
		}
		if perr := f.s.hasher.pretend(ctx, original); perr != nil {
			return perr
		}
		return family.Unauthorized(reason(err))
	}
	err = f.s.passwords.verify(ctx, &l, original)
	if err != nil && !expired(err, l.user, f.s.now()) {
		return err
	}
	u := l.user
	if u.Kind != Local {
		return errs.New(errs.Invalid, "The password of user %s is kept elsewhere and cannot be changed here.", userID)
	}
	if exempt(u, "lock_password") {
		return errs.New(errs.Invalid, "You cannot change your password at this time due to password policy disallowing password changes.")
	}
	if age := f.s.cfg.Passwords.MinimumAge; age > 0 && u.PasswordSelfService && f.s.now().Before(u.PasswordCreatedAt.Add(age)) {
		return errs.New(errs.Invalid, "You cannot change your password before %s.", u.PasswordCreatedAt.Add(age).Format(time.RFC3339))
	}
	if err := f.s.passwords.acceptable(password); err != nil {
		return err
	}
	if err := f.s.passwords.notUsedBefore(ctx, userID, password); err != nil {
		return err
	}
	hash, err := f.s.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		u, err := family.Get(ctx, tx, f.s.store.Users.Table, userID)
		if err != nil {
			return err
		}
		if u.PasswordHash != l.user.PasswordHash {
			return errs.New(errs.Conflict, "The password was changed meanwhile.")
		}
		if err := f.s.passwords.replace(ctx, tx, &u, hash, true); err != nil {
			return err
		}
		if err := f.s.noted(asUser(ctx, u), tx, "user", "changed_password", userID); err != nil {
			return err
		}
		return f.s.store.Users.Update(ctx, tx, &u)
	})
}

// expired tells whether the only thing wrong with a right password is its age.
func expired(err error, u User, now time.Time) bool {
	return errs.Is(err, errs.Unauthenticated) && errs.As(err).Err == nil && !u.PasswordExpiresAt.IsZero() && !now.Before(u.PasswordExpiresAt)
}

package identity

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Directory reads users and groups from elsewhere; package ldap does. options
// are the ldap group of a domain's configuration, defaults filled in.
type Directory interface {
	// Read returns everybody and every group.
	Read(ctx context.Context, options map[string]any) ([]DirectoryUser, []DirectoryGroup, error)
	// Bind proves a password: nil, Unauthenticated, or Unavailable.
	Bind(ctx context.Context, options map[string]any, name, password string) error
}

// DirectoryUser is a user as the directory has him.
type DirectoryUser struct {
	ID, Name, Email, Description string
	Enabled                      bool
}

// DirectoryGroup is a group with the ids of its members.
type DirectoryGroup struct {
	ID, Name, Description string
	Members               []string
}

// A domain whose configuration says identity/driver: ldap mirrors a directory:
// its users and groups are read from there and kept here as rows that cannot be
// changed, so that roles, filters and pages work as for all others. Passwords
// stay in the directory. The mirror is refreshed when somebody looks and it is
// older than mirrorAge, and at once when a name is not found.
const (
	mirrorAge    = 30 * time.Second
	mirrorMinAge = time.Second
)

// mirrored tells whether an id is that of a user or group of a directory: those
// are sums, all others 32 digits.
func mirrored(id string) bool { return len(id) == 2*sha256.Size }

func readOnlyGroup(id string) error {
	if mirrored(id) {
		return errs.New(errs.Forbidden, "Group %s is kept in a directory and is read-only here.", id)
	}
	return nil
}

// mirrors remembers when each domain was last read.
type mirrors struct {
	mu   sync.Mutex
	read map[string]time.Time
}

// directoryID is the id here of what a directory calls local.
func directoryID(domainID, kind, local string) string {
	sum := sha256.Sum256([]byte(domainID + "\x00" + kind + "\x00" + local))
	return hex.EncodeToString(sum[:])
}

// options returns a domain's LDAP options; ok is false for a domain
// that keeps its users here.
func (f *directories) options(ctx context.Context, domainID string) (options map[string]any, ok bool, err error) {
	if f.s.directory == nil || domainID == "" {
		return nil, false, nil
	}
	c, known := f.s.configs.get(domainID)
	if !known {
		at := f.s.watch.now()
		c, err = family.Read(ctx, f.s.db, func(tx *store.Tx) (DomainConfig, error) { return f.s.DomainConfigs.load(ctx, tx, domainID, true) })
		if err != nil {
			return nil, false, err
		}
		f.s.configs.put(domainID, c, at, []string{configTag(domainID)})
	}
	if c["identity"]["driver"] != "ldap" {
		return nil, false, nil
	}
	options = domainDefaults()["ldap"]
	maps.Copy(options, c["ldap"])
	return options, true, nil
}

// mirror refreshes a domain's mirror if it is older than age. A directory that
// is away leaves the mirror as it is.
func (f *directories) mirror(ctx context.Context, domainID string, age time.Duration) error {
	options, ok, err := f.options(ctx, domainID)
	if err != nil || !ok {
		return err
	}
	f.s.mirrors.mu.Lock()
	defer f.s.mirrors.mu.Unlock() // one refresh at a time; the others find it done
	if f.s.now().Sub(f.s.mirrors.read[domainID]) < age {
		return nil
	}
	users, groups, err := f.s.directory.Read(ctx, options)
	if err != nil {
		f.s.log.WarnContext(ctx, "a domain's directory cannot be read; its users stay as they were", "domain_id", domainID, "error", err)
		return nil
	}
	if err := f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.mirrorUsers(ctx, tx, domainID, users); err != nil {
			return err
		}
		return f.mirrorGroups(ctx, tx, domainID, groups)
	}); err != nil {
		return err
	}
	f.s.mirrors.read[domainID] = f.s.now()
	return nil
}

func (f *directories) mirrorUsers(ctx context.Context, tx *store.Tx, domainID string, users []DirectoryUser) error {
	rows, err := family.Find(ctx, tx, f.s.store.Users.Table, store.Eq("domain_id", domainID), store.Eq("kind", string(NonLocal)))
	if err != nil {
		return err
	}
	have := map[string]User{}
	for _, u := range rows {
		have[u.ID] = u
	}
	taken := map[string]bool{}
	for _, d := range users {
		if taken[family.FoldName(d.Name)] {
			f.s.log.WarnContext(ctx, "two users of a directory have one name; the second is left out", "domain_id", domainID, "name", d.Name)
			continue
		}
		taken[family.FoldName(d.Name)] = true
		id := directoryID(domainID, "user", d.ID)
		old, known := have[id]
		delete(have, id)
		u := old
		u.ID, u.DomainID, u.Name, u.Enabled, u.Kind = id, domainID, d.Name, d.Enabled, NonLocal
		u.Extra = Attrs{}
		for k, v := range map[string]string{"email": d.Email, "description": d.Description} {
			if v != "" {
				u.Extra[k] = v
			}
		}
		switch {
		case !known:
			u.CreatedAt = f.s.now()
			err = f.s.store.Users.Insert(ctx, tx, &u)
		case u.Name != old.Name || u.Enabled != old.Enabled || !maps.Equal(u.Extra, old.Extra):
			if err = f.s.store.Users.Update(ctx, tx, &u); err == nil {
				err = f.s.changed(ctx, tx, userTag(id))
			}
		}
		if err != nil {
			return err
		}
	}
	for _, gone := range have {
		if err := f.s.Users.remove(ctx, tx, gone); err != nil {
			return err
		}
	}
	return nil
}

func (f *directories) mirrorGroups(ctx context.Context, tx *store.Tx, domainID string, groups []DirectoryGroup) error {
	rows, err := family.Find(ctx, tx, f.s.store.Groups.Table, store.Eq("domain_id", domainID))
	if err != nil {
		return err
	}
	have := map[string]Group{}
	ids := make([]string, 0, len(rows))
	for _, g := range rows {
		have[g.ID] = g
		ids = append(ids, g.ID)
	}
	members, err := f.s.store.Groups.Members(ctx, tx, ids)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, d := range groups {
		if taken[family.FoldName(d.Name)] {
			f.s.log.WarnContext(ctx, "two groups of a directory have one name; the second is left out", "domain_id", domainID, "name", d.Name)
			continue
		}
		taken[family.FoldName(d.Name)] = true
		id := directoryID(domainID, "group", d.ID)
		old, known := have[id]
		delete(have, id)
		g := Group{ID: id, DomainID: domainID, Name: d.Name, Description: d.Description}
		switch {
		case !known:
			err = f.s.store.Groups.Insert(ctx, tx, &g)
		case g.Name != old.Name || g.Description != old.Description:
			err = f.s.store.Groups.Update(ctx, tx, &g)
		}
		if err != nil {
			return err
		}
		if err := f.mirrorMembers(ctx, tx, domainID, id, d.Members, members[id]); err != nil {
			return err
		}
	}
	for _, gone := range have {
		if err := f.s.Groups.remove(ctx, tx, gone); err != nil {
			return err
		}
	}
	return nil
}

func (f *directories) mirrorMembers(ctx context.Context, tx *store.Tx, domainID, groupID string, want, have []string) error {
	ids := make([]string, len(want))
	for i, m := range want {
		ids[i] = directoryID(domainID, "user", m)
	}
	for _, u := range ids {
		if slices.Contains(have, u) {
			continue
		}
		if err := f.s.store.Groups.AddMember(ctx, tx, u, groupID); err != nil {
			return err
		}
		if err := f.s.changed(ctx, tx, userTag(u)); err != nil {
			return err
		}
	}
	for _, u := range have {
		if slices.Contains(ids, u) {
			continue
		}
		if _, err := f.s.store.Groups.RemoveMember(ctx, tx, u, groupID); err != nil {
			return err
		}
		if err := f.s.changed(ctx, tx, userTag(u)); err != nil {
			return err
		}
	}
	return nil
}

// mirrorNamed refreshes the mirror of the domain that a query is confined to.
func (f *directories) mirrorNamed(ctx context.Context, q store.Query) error {
	for _, conds := range [][]store.Cond{q.Scope, q.Where} {
		if id := said(store.Query{Where: conds}, "domain_id"); id != "" {
			return f.mirror(ctx, id, mirrorAge)
		}
	}
	return nil
}

// readOnly refuses changes to a user that a directory keeps.
func readOnly(u User) error {
	if u.Kind == NonLocal {
		return errs.New(errs.Forbidden, "User %s is kept in a directory and is read-only here.", u.ID)
	}
	return nil
}

// own refuses changes in a domain whose users are kept elsewhere.
func (f *directories) own(ctx context.Context, domainID string) error {
	_, elsewhere, err := f.options(ctx, domainID)
	if err == nil && elsewhere {
		err = errs.New(errs.Forbidden, "The users and groups of domain %s are kept in a directory and are read-only here.", domainID)
	}
	return err
}

// verify lets a user's directory check the password.
func (f *directories) verify(ctx context.Context, u User, password string) error {
	options, ok, err := f.options(ctx, u.DomainID)
	if err != nil {
		return err
	}
	if !ok || password == "" { // an empty password would bind as nobody, and succeed
		return family.Unauthorized("no directory vouches for user " + u.ID)
	}
	g := guessFrom(ctx, PasswordMethod, u.ID)
	if err := f.s.guesses.take(ctx, g); err != nil {
		return err
	}
	if err := f.s.directory.Bind(ctx, options, u.Name, password); err != nil {
		if errs.Is(err, errs.Unauthenticated) {
			return family.Unauthorized("the directory refuses user " + u.ID)
		}
		return err
	}
	return f.s.guesses.right(ctx, g)
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"kumoi/internal/identity"
	"kumoi/internal/identity/sqlstore"
	"kumoi/internal/kernel/store"
)

// largeIdentity measures logins, validations and lists, first in an empty
// cloud, then in one with very many users.
func largeIdentity(ctx context.Context, o options) ([]*table, error) {
	head := []string{"operation", "runs", "p50", "p99", "rate", "per core", "target", "compared"}
	small := &table{title: "Identity, an empty cloud", head: head}
	large := &table{title: fmt.Sprintf("Identity, %d users, %d projects, %d assignments", o.users, o.users/10, 3*o.users), head: head}
	tables := []*table{small, large}
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		p, err := up(ctx, o, listen, fakes...)
		if err != nil {
			return tables, err
		}
		err = identityTable(ctx, t, p, o)
		p.stop()
		if err != nil {
			return tables, err
		}
		if t == small {
			fmt.Fprintln(os.Stderr, "bench: a large cloud is filled")
			if err := populate(ctx, filepath.Join(p.dir, "kumoi.db"), o.users); err != nil {
				return tables, err
			}
		}
	}
	return tables, nil
}

func identityTable(ctx context.Context, t *table, p *process, o options) error {
	admin, err := p.client(ctx)
	if err != nil {
		return err
	}
	m := &meter{ctx: ctx, p: p, admin: admin}
	if err := m.logins(t); err != nil {
		return err
	}
	some := func(i int) string { return userID((i * 7919) % o.users) }
	for _, l := range []struct {
		name, path string
		runs       int
		target     time.Duration
	}{
		{"role assignments of one user, effective, with names", "/identity/v3/role_assignments?effective&include_names&user.id=SOME", 1000, 5 * time.Millisecond},
		{"one page of users", "/identity/v3/users?limit=50&marker=SOME", 500, 0},
		{"one page of projects", "/identity/v3/projects?limit=50&marker=SOME", 500, 0},
		{"one page of role assignments", "/identity/v3/role_assignments?limit=50", 500, 0},
		{"one page of role assignments, effective, with names", "/identity/v3/role_assignments?effective&include_names&limit=50", 200, 0},
	} {
		s, spent, err := m.run(l.name, l.runs, 1, func(ctx context.Context, i int) error {
			path := strings.ReplaceAll(l.path, "SOME", some(i))
			_, err := m.admin.Do(ctx, "GET", path, nil, nil)
			return err
		})
		if err != nil {
			return err
		}
		t.latency(l.name, s, spent, l.target)
	}
	t.notes = append(t.notes, fmt.Sprintf("Resident memory afterwards: %.0f MiB.", p.resident()))
	return nil
}

func userID(i int) string    { return fmt.Sprintf("bb%030d", i) }
func projectID(i int) string { return fmt.Sprintf("aa%030d", i) }

// populate writes users, projects and assignments straight into the database
// of a cloud that is down.
func populate(ctx context.Context, file string, users int) error {
	db, err := store.Open(ctx, "sqlite:"+file)
	if err != nil {
		return err
	}
	defer db.Close()
	tables := sqlstore.New()
	var roles []*identity.Role
	if err := db.Read(ctx, func(tx *store.Tx) error {
		roles, err = tables.Roles.All(ctx, tx, store.In("name", []string{"member", "reader"}))
		return err
	}); err != nil {
		return err
	}
	// many writes n rows, some thousand in each transaction.
	many := func(n int, row func(tx *store.Tx, i int) error) error {
		const batch = 5000
		for from := 0; from < n; from += batch {
			if err := db.Write(ctx, func(tx *store.Tx) error {
				for i := from; i < min(from+batch, n); i++ {
					if err := row(tx, i); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		return nil
	}
	const domain = "default"
	projects := users / 10
	if err := many(projects, func(tx *store.Tx, i int) error {
		return tables.Projects.Insert(ctx, tx, &identity.Project{
			ID: projectID(i), Name: fmt.Sprint("many-", i), DomainID: domain, ParentID: domain, Enabled: true,
			Path: domain + "/" + projectID(i) + "/",
		})
	}); err != nil {
		return err
	}
	now := time.Now()
	if err := many(users, func(tx *store.Tx, i int) error {
		return tables.Users.Insert(ctx, tx, &identity.User{
			ID: userID(i), Name: fmt.Sprint("many-", i), DomainID: domain, Enabled: true, Kind: "local", CreatedAt: now,
		})
	}); err != nil {
		return err
	}
	return many(3*users, func(tx *store.Tx, i int) error {
		return tables.Assignments.Add(ctx, tx, identity.Assignment{
			ActorKind: identity.UserActor, ActorID: userID(i % users), TargetKind: identity.ProjectTarget,
			TargetID: projectID((i*7 + i/users) % projects), RoleID: roles[i%len(roles)].ID,
		})
	})
}

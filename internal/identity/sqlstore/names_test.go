package sqlstore

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"kumoi/internal/identity"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// Names that differed by case alone before are told apart as before, and can
// still be changed; so are names whose letters the database does not know.
func TestNamesOfBeforeAreFound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		before := fstest.MapFS{}
		files, err := fs.Glob(migrations, "migrations/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if text, err := fs.ReadFile(migrations, name); err != nil {
				t.Fatal(err)
			} else if strings.TrimPrefix(name, "migrations/") < "0005" {
				before[name] = &fstest.MapFile{Data: text}
			}
		}
		if err := db.Migrate(ctx, store.Migrations{Service: "identity", FS: before}); err != nil {
			t.Fatal(err)
		}
		names := map[string]string{"1": "Admin", "2": "admin", "3": "ADMIN", "4": "Émile Ω", "5": "other"}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			for id, name := range names {
				if _, err := tx.Exec(ctx, "INSERT INTO identity_role (id, domain_id, name, description, options, extra) VALUES (?, '', ?, '', '{}', '{}')", id, name); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, Migrations()); err != nil {
			t.Fatal(err)
		}
		roles := newRoles()
		if err := db.Write(ctx, func(tx *store.Tx) error {
			for id, name := range names {
				r, err := roles.ByName(ctx, tx, "", name)
				if err != nil || r.ID != id {
					t.Errorf("%s is %s: %v", name, r.ID, err)
				}
				r.Description = "changed"
				if err := roles.Update(ctx, tx, r); err != nil {
					t.Errorf("%s cannot be changed: %v", name, err)
				}
			}
			if r, err := roles.ByName(ctx, tx, "", "aDMIN"); err != nil || r.ID != "1" {
				t.Errorf("aDMIN is %s: %v", r.ID, err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		err = db.Write(ctx, func(tx *store.Tx) error { return roles.Insert(ctx, tx, identity.Role{ID: "6", Name: "OTHER"}) })
		if !errs.Is(err, errs.Exists) {
			t.Errorf("a second %q: %v", "OTHER", err)
		}
	})
}

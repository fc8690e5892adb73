package sqlstore

import (
	"io/fs"
	"slices"
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
		roles := roles()
		if err := db.Write(ctx, func(tx *store.Tx) error {
			for id, name := range names {
				r, err := roles.Get(ctx, tx, id)
				if err != nil {
					t.Fatal(err)
				}
				if found := named(t, tx, roles, name); !slices.Contains(found, id) {
					t.Errorf("%s finds %v", name, found)
				}
				r.Description = "changed"
				if err := roles.Update(ctx, tx, r); err != nil {
					t.Errorf("%s cannot be changed: %v", name, err)
				}
			}
			if found := named(t, tx, roles, "aDMIN"); !slices.Equal(found, []string{"1"}) {
				t.Errorf("aDMIN finds %v", found)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		err = db.Write(ctx, func(tx *store.Tx) error { return roles.Insert(ctx, tx, &identity.Role{ID: "6", Name: "OTHER"}) })
		if !errs.Is(err, errs.Exists) {
			t.Errorf("a second %q: %v", "OTHER", err)
		}
	})
}

func named(t *testing.T, tx *store.Tx, roles *store.Table[identity.Role], name string) (ids []string) {
	t.Helper()
	rows, err := roles.All(t.Context(), tx, store.Eq("domain_id", ""), store.Eq("name", name))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		ids = append(ids, r.ID)
	}
	return ids
}

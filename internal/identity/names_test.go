package identity

import (
	"testing"
	"testing/fstest"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// Names compare without case, but of two that cases alone tell apart, as there
// may be of before, each is found by its very name.
func TestTheVeryNameGoesFirst(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), store.Migrations{Service: "names", FS: fstest.MapFS{"migrations/0001_names.sql": {Data: []byte(
			`CREATE TABLE named_role (id TEXT PRIMARY KEY, domain_id TEXT NOT NULL, name TEXT NOT NULL, name_key TEXT NOT NULL);
			INSERT INTO named_role VALUES ('1', '', 'Admin', 'admin'), ('2', '', 'admin', 'admin/2'), ('3', 'd', 'ADMIN', 'admin');`)}}}); err != nil {
			t.Fatal(err)
		}
		roles := store.NewTable("named_role", func(v *Role, c *store.Columns) {
			c.Key("id", &v.ID)
			c.Text("domain_id", &v.DomainID)
			c.Name("name", &v.Name, "name_key", family.FoldName)
		})
		if err := db.Read(t.Context(), func(tx *store.Tx) error {
			for _, tc := range []struct{ domain, name, id string }{
				{"", "admin", "2"}, {"", "Admin", "1"}, {"", "ADMIN", "1"}, {"d", "admin", "3"},
			} {
				if r, err := byName(t.Context(), tx, roles, tc.domain, tc.name); err != nil || r.ID != tc.id {
					t.Errorf("%q in %q is %q, %v; want %q", tc.name, tc.domain, r.ID, err, tc.id)
				}
			}
			if _, err := byName(t.Context(), tx, roles, "d", "nobody"); !errs.Is(err, errs.NotFound) {
				t.Errorf("nobody: %v", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

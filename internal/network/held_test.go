package network_test

import (
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	networkstore "kumoi/internal/network/sqlstore"
)

// Ports of a database from before attachments had columns of their own keep them,
// where more than a user's words speaks for them.
func TestOldPortsKeepTheirServers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		old := networkstore.Migrations()
		before := fstest.MapFS{}
		files, err := fs.Glob(old.FS, "migrations/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if strings.Compare(f, "migrations/0008") < 0 {
				text, err := fs.ReadFile(old.FS, f)
				if err != nil {
					t.Fatal(err)
				}
				before[f] = &fstest.MapFile{Data: text}
			}
		}
		if err := db.Migrate(t.Context(), store.Migrations{Service: old.Service, FS: before}); err != nil {
			t.Fatal(err)
		}
		const server = "11111111-1111-4111-8111-111111111111"
		err = db.Write(t.Context(), func(tx *store.Tx) error {
			if _, err := tx.Exec(t.Context(), "INSERT INTO network (id, project_id, name, net_type, physical, doc) VALUES ('n', 'p', '', 'geneve', '', '{}')"); err != nil {
				return err
			}
			for id, doc := range map[string]string{"made": `{"ID":"made","MadeFor":"` + server + `"}`, "posing": `{"ID":"posing"}`} {
				if _, err := tx.Exec(t.Context(), `INSERT INTO port (id, project_id, name, network_id, mac, device_id, device_owner, host, doc)
					VALUES (?, 'p', '', 'n', ?, ?, 'compute:nova', '', ?)`, id, id, server, doc); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c := newCloud(t, db)
		if ps, err := c.Servers.PortsOfServer(t.Context(), server); err != nil || len(ps) != 1 || ps[0].ID != "made" {
			t.Fatalf("the server has %v, %v", ps, err)
		}
	})
}

package app

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// What "kumoi status" counts must be tables that the services keep.
func TestCountedTablesExist(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), migrations()...); err != nil {
			t.Fatal(err)
		}
		for _, q := range counted {
			err := db.Read(t.Context(), func(tx *store.Tx) error {
				_, err := store.One(t.Context(), tx, store.Value[int64], q.query)
				return err
			})
			if err != nil {
				t.Errorf("%s: %v", q.name, err)
			}
		}
	})
}

package app

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// What "kumoi status" counts must be tables that the services keep.
func TestCountedTablesExist(t *testing.T) {
	s, err := blueprint()
	if err != nil {
		t.Fatal(err)
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.Migrate(t.Context(), s.migrations()...); err != nil {
			t.Fatal(err)
		}
		counted := 0
		for _, d := range s.list {
			for _, c := range d.Counts {
				counted++
				err := db.Read(t.Context(), func(tx *store.Tx) error {
					_, err := c.Of(t.Context(), tx)
					return err
				})
				if err != nil {
					t.Errorf("%s: %v", c.Name, err)
				}
			}
		}
		if counted < 6 {
			t.Errorf("the services count %d things only", counted)
		}
	})
}

// A service that bounds what projects have says so where the cloud can see it.
func TestServicesSayTheirQuotas(t *testing.T) {
	t.Parallel()
	list, err := Services()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, d := range list {
		for resource, limit := range d.Quotas {
			got[d.Name+" "+resource] = limit
		}
	}
	for resource, want := range map[string]int64{
		"compute instances": 10, "volume gigabytes": 1000, "volume per_volume_gigabytes": -1, "network port": 500, "image image_count_total": -1,
	} {
		if limit, known := got[resource]; !known || limit != want {
			t.Errorf("%s: %d (%v), want %d", resource, limit, known, want)
		}
	}
}

package placement_test

import (
	"fmt"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/placement"
)

// What a claim on a hundred hosts costs, and giving it back.
func BenchmarkClaim(b *testing.B) {
	db := storetest.SQLite(b)
	s, names := setup(b, db, 100, 1000)
	for i := 0; b.Loop(); i++ {
		r := placement.ClaimRequest{ConsumerID: ids.Derive("c", fmt.Sprint(i)), ProjectID: "p", UserID: "u", Hosts: names, Resources: placement.Resources{VCPU: 1, MemoryMB: 1, DiskGB: 1}}
		if _, err := claim(b.Context(), db, s, r); err != nil {
			b.Fatal(err)
		}
		if err := db.Write(b.Context(), func(tx *store.Tx) error { return s.Release(b.Context(), tx, r.ConsumerID) }); err != nil {
			b.Fatal(err)
		}
	}
}

// What it costs to hear of a host that has not changed.
func BenchmarkSetHost(b *testing.B) {
	db := storetest.SQLite(b)
	s, _ := setup(b, db, 100, 8)
	for b.Loop() {
		err := db.Write(b.Context(), func(tx *store.Tx) error {
			return s.SetHost(b.Context(), tx, placement.HostInventory{Name: "host7", ProviderID: ids.Derive("host7"), Total: placement.Resources{VCPU: 8, MemoryMB: 8192, DiskGB: 80}})
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// What a search for room among a hundred hosts costs.
func BenchmarkAllocationCandidates(b *testing.B) {
	db := storetest.SQLite(b)
	s, _ := setup(b, db, 100, 8)
	ctx := actor.AsSystem(b.Context(), "bench")
	q := placement.Query{Groups: []placement.Group{{Constraints: placement.Constraints{Resources: map[string]int64{"VCPU": 1}}}}}
	for b.Loop() {
		if found, _, err := s.AllocationCandidates(ctx, q); err != nil || len(found) != 100 {
			b.Fatal(len(found), err)
		}
	}
}

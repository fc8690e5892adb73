package placement_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/placement"
	"kumoi/internal/placement/sqlstore"
)

func setup(t testing.TB, db *store.DB, hosts, cpus int) (*placement.Service, []string) {
	t.Helper()
	if err := db.Migrate(t.Context(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := placement.New(placement.Deps{DB: db, Tables: sqlstore.Tables()})
	var names []string
	for i := range hosts {
		name := fmt.Sprintf("host%d", i)
		names = append(names, name)
		err := db.Write(t.Context(), func(tx *store.Tx) error {
			return s.SetHost(t.Context(), tx, placement.HostInventory{
				Name: name, ProviderID: ids.Derive(name), Total: placement.Resources{VCPU: cpus, MemoryMB: cpus * 1024, DiskGB: cpus * 10},
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s, names
}

func claim(ctx context.Context, db *store.DB, s *placement.Service, r placement.ClaimRequest) (*placement.Decision, error) {
	var d *placement.Decision
	err := db.Write(ctx, func(tx *store.Tx) error {
		var err error
		d, err = s.Claim(ctx, tx, r)
		return err
	})
	return d, err
}

// Two thousand claims at once for room for a thousand: exactly a thousand succeed.
func TestConcurrentClaimsNeverOversubscribe(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const hosts, cpus, claims = 8, 125, 2000
		s, names := setup(t, db, hosts, cpus)
		var won, refused atomic.Int64
		var wg sync.WaitGroup
		for i := range claims {
			wg.Go(func() {
				for {
					_, err := claim(t.Context(), db, s, placement.ClaimRequest{
						ConsumerID: ids.Derive("c", fmt.Sprint(i)), ProjectID: "p", UserID: "u", Hosts: names,
						Resources: placement.Resources{VCPU: 1, MemoryMB: 512},
					})
					switch {
					case err == nil:
						won.Add(1)
					case errs.Is(err, errs.NoCapacity):
						refused.Add(1)
					case errs.Is(err, errs.Unavailable):
						continue // too busy, said so: a client tries again
					default:
						t.Error(err)
					}
					return
				}
			})
		}
		wg.Wait()
		if won.Load() != hosts*cpus || refused.Load() != claims-hosts*cpus {
			t.Errorf("%d claims won and %d were refused, want %d and %d", won.Load(), refused.Load(), hosts*cpus, claims-hosts*cpus)
		}
		_ = db.Read(t.Context(), func(tx *store.Tx) error {
			usage, err := s.Usage(t.Context(), tx)
			for host, u := range usage {
				if u.VCPU != cpus {
					t.Errorf("%s: %d VCPU used of %d", host, u.VCPU, cpus)
				}
			}
			return err
		})
	})
}

func TestClaimReleaseMove(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		s, names := setup(t, db, 2, 4)
		r := placement.ClaimRequest{ConsumerID: "a", ProjectID: "p", UserID: "u", Hosts: names, Resources: placement.Resources{VCPU: 3, MemoryMB: 64, DiskGB: 1}}
		d, err := claim(ctx, db, s, r)
		if err != nil {
			t.Fatal(err)
		}
		again, err := claim(ctx, db, s, r)
		if err != nil || again.Host != d.Host {
			t.Errorf("claiming again: %v, %v; want %s", again, err, d.Host)
		}
		r.ConsumerID = "b"
		other, err := claim(ctx, db, s, r)
		if err != nil || other.Host == d.Host {
			t.Errorf("second consumer: %v, %v; want the other host", other, err)
		}
		r.ConsumerID = "c"
		none, err := claim(ctx, db, s, r)
		if !errs.Is(err, errs.NoCapacity) || none == nil || len(none.Verdicts) != 2 {
			t.Errorf("third consumer: %+v, %v; want NoCapacity with two verdicts", none, err)
		}
		err = db.Write(ctx, func(tx *store.Tx) error {
			if err := s.Move(ctx, tx, "a", "old-a"); err != nil {
				return err
			}
			if err := s.RemoveHost(ctx, tx, d.Host); !errs.Is(err, errs.Conflict) {
				t.Errorf("removing a host in use: %v", err)
			}
			for range 2 {
				if err := s.Release(ctx, tx, "old-a"); err != nil {
					return err
				}
			}
			return s.RemoveHost(ctx, tx, d.Host)
		})
		if err != nil {
			t.Error(err)
		}
		_ = db.Read(ctx, func(tx *store.Tx) error {
			usage, err := s.Usage(ctx, tx)
			if _, ok := usage[d.Host]; ok || usage[other.Host].VCPU != 3 {
				t.Errorf("usage %v", usage)
			}
			return err
		})
	})
}

func TestDecideExplains(t *testing.T) {
	t.Parallel()
	host := func(name string, used int64, traits ...string) placement.HostState {
		return placement.HostState{Name: name, Traits: traits, Inventories: map[string]placement.Inventory{
			placement.VCPU: {Class: placement.VCPU, Total: 8, MaxUnit: 8, MinUnit: 1, StepSize: 1, AllocationRatio: 1, Used: used},
		}}
	}
	r := placement.ClaimRequest{ConsumerID: "c", Resources: placement.Resources{VCPU: 2}}
	for _, tc := range []struct {
		name   string
		change func(*placement.ClaimRequest)
		hosts  []placement.HostState
		want   string
	}{
		{"roomiest", func(*placement.ClaimRequest) {}, []placement.HostState{host("a", 4), host("b", 0), host("c", 7)}, "b"},
		{"preferred", func(r *placement.ClaimRequest) { r.Prefer = map[string]float64{"a": 10} }, []placement.HostState{host("a", 4), host("b", 0)}, "a"},
		{"required trait", func(r *placement.ClaimRequest) { r.Required = []string{"T"} }, []placement.HostState{host("a", 4, "T"), host("b", 0)}, "a"},
		{"forbidden trait", func(r *placement.ClaimRequest) { r.Forbidden = []string{"T"} }, []placement.HostState{host("a", 4), host("b", 0, "T")}, "a"},
		{"full", func(*placement.ClaimRequest) {}, []placement.HostState{host("a", 7)}, ""},
		{"lacks a class", func(r *placement.ClaimRequest) { r.Resources.DiskGB = 1 }, []placement.HostState{host("a", 0)}, ""},
		{"no hosts", func(*placement.ClaimRequest) {}, nil, ""},
	} {
		req := r
		tc.change(&req)
		d := placement.Decide(req, tc.hosts)
		if d.Host != tc.want || d.Why == "" || len(d.Verdicts) != len(tc.hosts) {
			t.Errorf("%s: %+v, want %q", tc.name, d, tc.want)
		}
		why := map[string]string{
			"roomiest": "leaves 6 of 8 VCPU", "preferred": "leaves 2 of 8 VCPU, preference +10.0",
			"full": "none of 1 host(s) has room (a: VCPU: needs 2, 1 of 8 are free)", "no hosts": "no host is up, enabled and allowed for this request",
		}[tc.name]
		if why != "" && d.Why != why {
			t.Errorf("%s: because %q, want %q", tc.name, d.Why, why)
		}
	}
}

// Whatever the hosts look like, the chosen one has room, and if any has room one is chosen.
func TestDecideProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var hosts []placement.HostState
		fits := map[string]bool{}
		need := rapid.Int64Range(1, 8).Draw(t, "need")
		for i := range rapid.IntRange(0, 10).Draw(t, "hosts") {
			inv := placement.Inventory{
				Class: placement.VCPU, Total: rapid.Int64Range(1, 16).Draw(t, "total"), MinUnit: 1, MaxUnit: 16, StepSize: 1,
				AllocationRatio: rapid.SampledFrom([]float64{0.5, 1, 4}).Draw(t, "ratio"), Used: rapid.Int64Range(0, 20).Draw(t, "used"),
			}
			name := fmt.Sprint(i)
			fits[name] = inv.Used+need <= inv.Capacity()
			hosts = append(hosts, placement.HostState{Name: name, Inventories: map[string]placement.Inventory{placement.VCPU: inv}})
		}
		d := placement.Decide(placement.ClaimRequest{ConsumerID: "x", Resources: placement.Resources{VCPU: int(need)}}, hosts)
		possible := false
		for _, ok := range fits {
			possible = possible || ok
		}
		if possible != (d.Host != "") || d.Host != "" && !fits[d.Host] {
			t.Fatalf("chose %q, fits %v", d.Host, fits)
		}
	})
}

package placement_test

import (
	"context"
	"reflect"
	"testing"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/placement"
)

// Hosts and claims with a database that fails at each statement in turn: the failure
// is told, and nothing stays half done.
func TestDatabaseFails(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s, names := setup(t, db, 2, 4)
	write := func(f func(ctx context.Context, tx *store.Tx) error) error {
		t.Helper()
		return storetest.Failing(t, func(ctx context.Context) error {
			return db.Write(ctx, func(tx *store.Tx) error { return f(ctx, tx) })
		})
	}
	good := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	used := func(want map[string]placement.Resources) {
		t.Helper()
		var got map[string]placement.Resources
		good(storetest.Failing(t, func(ctx context.Context) error {
			return db.Read(ctx, func(tx *store.Tx) (err error) { got, err = s.Usage(ctx, tx); return err })
		}))
		if !reflect.DeepEqual(got, want) {
			t.Errorf("used %v, want %v", got, want)
		}
	}
	host := placement.HostInventory{Name: "new", ProviderID: "new-id", Total: placement.Resources{VCPU: 2, MemoryMB: 64}, Traits: []string{"HW_CPU_X86_AVX"}}
	set := func(h placement.HostInventory) {
		t.Helper()
		good(write(func(ctx context.Context, tx *store.Tx) error { return s.SetHost(ctx, tx, h) }))
	}
	set(host)
	set(host)
	host.Name, host.Total.VCPU, host.Traits = "renamed", 3, nil
	set(host)
	used(map[string]placement.Resources{names[0]: {}, names[1]: {}, "renamed": {}})

	r := placement.ClaimRequest{ConsumerID: "a", ProjectID: "p", UserID: "u", Hosts: []string{names[0]}, Resources: placement.Resources{VCPU: 3, MemoryMB: 64, DiskGB: 1}}
	claim := func() (d *placement.Decision, err error) {
		t.Helper()
		err = write(func(ctx context.Context, tx *store.Tx) (err error) { d, err = s.Claim(ctx, tx, r); return err })
		return d, err
	}
	for range 2 { // taken, then kept
		d, err := claim()
		if good(err); d.Host != names[0] {
			t.Errorf("on %s, want %s", d.Host, names[0])
		}
		used(map[string]placement.Resources{names[0]: r.Resources, names[1]: {}, "renamed": {}})
	}
	r.Hosts = names[1:] // moves: the old room is given back
	_, err := claim()
	good(err)
	used(map[string]placement.Resources{names[0]: {}, names[1]: r.Resources, "renamed": {}})
	r.Resources.MemoryMB = 0 // asks for less
	_, err = claim()
	good(err)
	used(map[string]placement.Resources{names[0]: {}, names[1]: r.Resources, "renamed": {}})
	r.Resources.VCPU = 5
	if _, err := claim(); !errs.Is(err, errs.NoCapacity) {
		t.Errorf("more than there is: %v", err)
	}
	r.Resources.VCPU = 3
	used(map[string]placement.Resources{names[0]: {}, names[1]: r.Resources, "renamed": {}})

	good(write(func(ctx context.Context, tx *store.Tx) error { return s.Move(ctx, tx, "a", "b") }))
	good(write(func(ctx context.Context, tx *store.Tx) error { return s.Move(ctx, tx, "nobody", "c") }))
	good(write(func(ctx context.Context, tx *store.Tx) error { return s.Release(ctx, tx, "a") })) // it holds nothing now
	used(map[string]placement.Resources{names[0]: {}, names[1]: r.Resources, "renamed": {}})
	remove := func(name string) error {
		return write(func(ctx context.Context, tx *store.Tx) error { return s.RemoveHost(ctx, tx, name) })
	}
	if err := remove(names[1]); !errs.Is(err, errs.Conflict) {
		t.Errorf("a host in use is removed: %v", err)
	}
	good(write(func(ctx context.Context, tx *store.Tx) error { return s.Release(ctx, tx, "b") }))
	for _, name := range []string{names[1], "renamed", "unknown"} {
		good(remove(name))
	}
	used(map[string]placement.Resources{names[0]: {}})
}

// What a host offers: a class that it has none of is not in its inventory, no more is
// reserved than there is, a ratio that is not said is one, and a repeated trait counts once.
func TestHostOffers(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	s, _ := setup(t, db, 0, 0)
	h := placement.HostInventory{
		Name: "h", ProviderID: "id", Total: placement.Resources{VCPU: 8, MemoryMB: 100}, Reserved: placement.Resources{VCPU: 2, MemoryMB: 200, DiskGB: 5},
		VCPURatio: 4, Traits: []string{"HW_CPU_X86_AVX", "HW_CPU_X86_AVX", "CUSTOM_X"},
	}
	check := func(wantGeneration int64) {
		t.Helper()
		var generation int64
		err := db.Write(t.Context(), func(tx *store.Tx) (err error) {
			if err := s.SetHost(t.Context(), tx, h); err != nil {
				return err
			}
			if generation, err = store.One(t.Context(), tx, store.Value[int64], "SELECT generation FROM placement_provider"); err != nil {
				return err
			}
			d, err := s.Candidates(t.Context(), tx, placement.ClaimRequest{Hosts: []string{"h"}, Resources: placement.Resources{DiskGB: 1}})
			if err == nil && (d.Host != "" || d.Verdicts[0].Why != "has no DISK_GB") {
				t.Errorf("%+v", d)
			}
			for cpus, fits := range map[int]bool{24: false, 8: true, 9: false} { // one server takes no more than there truly is
				d, err := s.Candidates(t.Context(), tx, placement.ClaimRequest{Hosts: []string{"h"}, Resources: placement.Resources{VCPU: cpus}})
				if err != nil || (d.Host == "h") != fits {
					t.Errorf("%d processors: %+v, %v", cpus, d, err)
				}
			}
			return err
		})
		if err != nil || generation != wantGeneration {
			t.Errorf("%v, generation %d, want %d", err, generation, wantGeneration)
		}
	}
	check(1)
	check(1) // nothing new
	h.Traits = append(h.Traits, "HW_CPU_X86_AVX2")
	check(2)
	h.Reserved.VCPU = 1
	check(3)
}

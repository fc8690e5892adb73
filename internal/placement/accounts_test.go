package placement_test

import (
	"context"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/placement"
	"kumoi/internal/placement/sqlstore"
)

// The rules parse, and one engine may hold them once more.
func TestRulesRegister(t *testing.T) {
	t.Parallel()
	engine := policy.New()
	for range 2 {
		placement.New(placement.Deps{Policy: engine})
	}
	if len(engine.Rules()) < 30 {
		t.Errorf("%d rules", len(engine.Rules()))
	}
}

// Whatever is claimed, set, moved, reshaped and released, in any order: used is
// the sum of the allocations, and only a refused request leaves things as they were.
func TestUsedIsTheSumOfAllocations(t *testing.T) {
	t.Parallel()
	const providers, consumers = 3, 4
	classes := []string{placement.VCPU, placement.DiskGB}
	provider := func(i int) string { return ids.Derive("provider", fmt.Sprint(i)) }
	consumer := func(i int) string { return ids.Derive("consumer", fmt.Sprint(i)) }
	db := storetest.SQLite(t)
	if err := db.Migrate(t.Context(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	s := placement.New(placement.Deps{DB: db, Tables: sqlstore.Tables(), Policy: policy.New()})
	ctx := actor.AsSystem(t.Context(), "test")
	rapid.Check(t, func(t *rapid.T) {
		clear := func(ctx context.Context) error {
			return db.Write(ctx, func(tx *store.Tx) error {
				for _, table := range []string{"allocation", "consumer", "inventory", "provider"} {
					if _, err := tx.Exec(ctx, "DELETE FROM placement_"+table); err != nil {
						return err
					}
				}
				return nil
			})
		}
		if err := clear(ctx); err != nil {
			t.Fatal(err)
		}
		for i := range providers {
			if _, err := s.Providers.Create(ctx, placement.NewProvider{ID: provider(i), Name: fmt.Sprint("p", i)}); err != nil {
				t.Fatal(err)
			}
		}
		stock := func(t *rapid.T) []placement.Inventory {
			var list []placement.Inventory
			for _, class := range classes {
				if total := rapid.Int64Range(0, 8).Draw(t, "total"); total > 0 {
					list = append(list, placement.Inventory{Class: class, Total: total, MinUnit: 1, MaxUnit: 8, StepSize: 1, AllocationRatio: 1})
				}
			}
			return list
		}
		set := func(t *rapid.T, of int) placement.AllocationSet {
			out := placement.AllocationSet{Consumer: placement.Consumer{ID: consumer(of), ProjectID: "p", UserID: "u"}, Resources: map[string]map[string]int64{}}
			for i := range providers {
				amounts := map[string]int64{}
				for _, class := range classes {
					if n := rapid.Int64Range(0, 3).Draw(t, "amount"); n > 0 {
						amounts[class] = n
					}
				}
				if len(amounts) > 0 && rapid.Bool().Draw(t, "there") {
					out.Resources[provider(i)] = amounts
				}
			}
			return out
		}
		allowed := func(err error) {
			if err != nil && !errs.Is(err, errs.Conflict) && !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.NoCapacity) {
				t.Fatal(err)
			}
		}
		generation := func(i int) int64 {
			p, err := s.Providers.Show(ctx, provider(i))
			if err != nil {
				t.Fatal(err)
			}
			return p.Generation
		}
		t.Repeat(map[string]func(*rapid.T){
			"stock": func(t *rapid.T) {
				i := rapid.IntRange(0, providers-1).Draw(t, "provider")
				_, err := s.Inventories.Replace(change.Expect(ctx, generation(i)), provider(i), stock(t))
				allowed(err)
			},
			"set": func(t *rapid.T) {
				allowed(s.Allocations.Set(ctx, set(t, rapid.IntRange(0, consumers-1).Draw(t, "consumer"))))
			},
			"manage": func(t *rapid.T) {
				a := rapid.IntRange(0, consumers-1).Draw(t, "consumer")
				allowed(s.Allocations.SetMany(ctx, []placement.AllocationSet{set(t, a), set(t, (a+1)%consumers)}))
			},
			"delete": func(t *rapid.T) {
				allowed(s.Allocations.Delete(ctx, consumer(rapid.IntRange(0, consumers-1).Draw(t, "consumer"))))
			},
			"claim": func(t *rapid.T) {
				r := placement.ClaimRequest{ConsumerID: consumer(rapid.IntRange(0, consumers-1).Draw(t, "consumer")), Hosts: []string{"p0", "p1", "p2"}}
				r.Resources.VCPU = rapid.IntRange(1, 3).Draw(t, "cpus")
				allowed(db.Write(ctx, func(tx *store.Tx) error { _, err := s.Claim(ctx, tx, r); return err }))
			},
			"reshape": func(t *rapid.T) {
				i, c := rapid.IntRange(0, providers-1).Draw(t, "provider"), rapid.IntRange(0, consumers-1).Draw(t, "consumer")
				allowed(s.Reshape(ctx, placement.Reshaping{
					Inventories: map[string]placement.ReshapedProvider{provider(i): {Expect: generation(i), Inventories: stock(t)}},
					Allocations: []placement.AllocationSet{set(t, c)},
				}))
			},
			"": func(t *rapid.T) {
				for i := range providers {
					_, held, err := s.Allocations.Of(ctx, provider(i))
					if err != nil {
						t.Fatal(err)
					}
					sum := map[string]int64{}
					for _, h := range held.Rows {
						sum[h.Class] += h.Used
					}
					_, have, err := s.Inventories.Usages(ctx, provider(i))
					if err != nil {
						t.Fatal(err)
					}
					for _, inv := range have {
						if inv.Used != sum[inv.Class] {
							t.Fatalf("%s of provider %d: used %d, allocated %d", inv.Class, i, inv.Used, sum[inv.Class])
						}
						delete(sum, inv.Class)
					}
					if len(sum) > 0 {
						t.Fatalf("allocated without inventory: %v", sum)
					}
				}
			},
		})
	})
}

package quota_test

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"testing/fstest"

	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

var schema = store.Migrations{Service: "thing", FS: fstest.MapFS{"migrations/0001_tables.sql": {Data: []byte(`
	CREATE TABLE thing_quota (kind TEXT NOT NULL, owner TEXT NOT NULL, resource TEXT NOT NULL, hard BIGINT NOT NULL, PRIMARY KEY (kind, owner, resource));
	CREATE TABLE thing (id TEXT PRIMARY KEY, project_id TEXT NOT NULL);
	CREATE TABLE thing_volume (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, type TEXT NOT NULL, size BIGINT NOT NULL);
	INSERT INTO thing VALUES ('a', 'p'), ('b', 'p'), ('c', 'q');
	INSERT INTO thing_volume VALUES ('v', 'p', 'fast', 5), ('w', 'p', 'slow', 7);`)}}}

type thing struct{ ID, Project string }

// volumes are counted by type as well, and types come and go.
func volumes(types *map[string]int64, counted *int) quota.Family {
	return quota.Family{
		Defaults: map[string]int64{"volumes": 10, "gigabytes": 1000},
		More:     func(context.Context, *store.Tx) (map[string]int64, error) { return *types, nil },
		Count: func(ctx context.Context, tx *store.Tx, h quota.Holder) (map[string]int64, error) {
			*counted++
			out := map[string]int64{}
			_, err := store.All(ctx, tx, func(r store.Row) (none struct{}, err error) {
				var kind string
				var n, size int64
				err = r.Scan(&kind, &n, &size)
				out["volumes"] += n
				out["gigabytes"] += size
				out["volumes_"+kind] += n
				return none, err
			}, "SELECT type, COUNT(*), SUM(size) FROM thing_volume WHERE project_id = ? GROUP BY type", h.Project)
			return out, err
		},
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		types, counted := map[string]int64{"volumes_fast": -1, "volumes_slow": -1}, 0
		table := store.NewTable("thing", func(v *thing, c *store.Columns) {
			c.Key("id", &v.ID)
			c.Text("project_id", &v.Project)
		})
		q := quota.New(quota.Deps{
			Table: quota.Table("thing_quota"), Config: map[string]int64{"gigabytes": 500},
			Families: []quota.Family{
				quota.Rows("things", 3, table), volumes(&types, &counted),
				{Defaults: map[string]int64{"per_volume_gigabytes": 100}},
			},
		})
		if err := db.Migrate(ctx, schema); err != nil {
			t.Fatal(err)
		}
		write := func(f func(tx *store.Tx) error) {
			t.Helper()
			if err := db.Write(ctx, f); err != nil {
				t.Fatal(err)
			}
		}
		p, u := quota.Holder{Project: "p"}, quota.Holder{Project: "p", User: "u"}
		limit := func(h quota.Holder, resource string, want int64) {
			t.Helper()
			write(func(tx *store.Tx) error {
				l, err := q.Limits(ctx, tx, h)
				if l[resource] != want {
					t.Errorf("%s of %v: %d, want %d", resource, h, l[resource], want)
				}
				return err
			})
		}
		over := func(want string, wants ...quota.Want) {
			t.Helper()
			write(func(tx *store.Tx) error {
				found, err := q.Check(ctx, tx, p, wants...)
				got := ""
				for _, o := range found {
					got += fmt.Sprintf("%s %d+%d>%d ", o.Resource, o.InUse, o.N, o.Limit)
				}
				if got != want {
					t.Errorf("over %q, want %q", got, want)
				}
				return err
			})
		}

		// The later layer holds.
		limit(p, "gigabytes", 500)
		write(func(tx *store.Tx) error {
			return q.SetClass(ctx, tx, quota.DefaultClass, map[string]int64{"gigabytes": 400, "things": 2})
		})
		limit(p, "gigabytes", 400)
		write(func(tx *store.Tx) error {
			return q.Set(ctx, tx, p, map[string]int64{"gigabytes": 12, "volumes_fast": 1, "volumes_gone": 0})
		})
		write(func(tx *store.Tx) error { return q.Set(ctx, tx, u, map[string]int64{"gigabytes": 2}) })
		write(func(tx *store.Tx) error { return q.SetClass(ctx, tx, "p", map[string]int64{"gigabytes": 1}) }) // a class of a project's name
		limit(p, "gigabytes", 12)
		limit(u, "gigabytes", 2)
		limit(quota.Holder{Project: "q"}, "gigabytes", 400)
		limit(quota.Holder{Project: "default"}, "gigabytes", 400)

		// What is taken is counted, names that come and go too, and what is not limited is not.
		over("", quota.Want{Resource: "gigabytes"}, quota.Want{Resource: "things"})
		over("gigabytes 12+1>12 volumes_fast 1+1>1 ", quota.Want{Resource: "gigabytes", N: 1}, quota.Want{Resource: "volumes_fast", N: 1}, quota.Want{Resource: "volumes", N: 8})
		over("things 2+1>2 ", quota.Want{Resource: "things", N: 1})
		over("volumes 2+9>10 ", quota.Want{Resource: "volumes", N: 9}, quota.Want{Resource: "unknown", N: 9}, quota.Want{Resource: "volumes_gone", N: 9})
		n := counted
		over("", quota.Want{Resource: "volumes_slow", N: 100})
		if counted != n {
			t.Error("what is not limited is counted")
		}
		write(func(tx *store.Tx) error {
			all, err := q.Account(ctx, tx, p)
			want := quota.Account{
				"things": {Limit: 2, InUse: 2}, "volumes": {Limit: 10, InUse: 2}, "gigabytes": {Limit: 12, InUse: 12},
				"volumes_fast": {Limit: 1, InUse: 1}, "volumes_slow": {Limit: -1, InUse: 1}, "per_volume_gigabytes": {Limit: 100},
			}
			if !maps.Equal(all, want) {
				t.Errorf("%v, want %v", all, want)
			}
			for size, fit := range map[int64]bool{100: true, 101: false} {
				if ok, err := q.Fits(ctx, tx, p, "per_volume_gigabytes", size); ok != fit || err != nil {
					t.Errorf("%d GB: %v, %v", size, ok, err)
				}
			}
			return err
		})

		// Back to the defaults.
		write(func(tx *store.Tx) error {
			owners, err := q.Owners(ctx, tx, quota.Project)
			if fmt.Sprint(owners) != "[p]" || err != nil {
				t.Errorf("%v, %v", owners, err)
			}
			n, err := q.Reset(ctx, tx, p)
			if n != 3 {
				t.Errorf("%d limits were reset", n)
			}
			return err
		})
		limit(p, "gigabytes", 400)
		limit(u, "gigabytes", 2)
	})
}

// Unified limits come over the defaults, and nothing of the service's own is asked.
func TestUnified(t *testing.T) {
	t.Parallel()
	db := storetest.SQLite(t)
	q := quota.New(quota.Deps{
		Families: []quota.Family{{
			Defaults: map[string]int64{"a": -1, "b": -1},
			Count: func(context.Context, *store.Tx, quota.Holder) (map[string]int64, error) {
				return map[string]int64{"a": 5, "b": 5}, nil
			},
		}},
		Unified: func(_ context.Context, _ *store.Tx, project string) (map[string]int64, error) {
			return map[string]int64{"a": int64(len(project))}, nil
		},
	})
	err := db.Read(t.Context(), func(tx *store.Tx) error {
		over, err := q.Check(t.Context(), tx, quota.Holder{Project: "four"}, quota.Want{Resource: "b", N: 9}, quota.Want{Resource: "a", N: 0})
		if len(over) != 1 || over[0].Resource != "a" || over[0].Limit != 4 {
			t.Errorf("%v", over)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

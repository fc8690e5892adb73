package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// fruit is kept in columns, jam as a document.
type fruit struct {
	ID, Project, Name string
	Note              *string
	Weight            int
	Ripe              bool
	Price             float64
	Tags              []string
	At                time.Time
	Generation        int64
}

type jam struct {
	ID, Project, Name string
	Sugar             *int
	Tags              []string
	Of                struct{ Fruit string }
	Revision          int64
}

var (
	fruits = store.NewTable("test_fruit", func(f *fruit, c *store.Columns) {
		c.Key("id", &f.ID)
		c.Text("project_id", &f.Project)
		c.Text("name", &f.Name)
		c.NullText("note", &f.Note)
		c.Int("weight", &f.Weight)
		c.Bool("ripe", &f.Ripe)
		c.Float("price", &f.Price)
		c.JSON("tags", &f.Tags)
		c.Derived("letters", store.KindInt, len(f.Name))
		c.Time("at", &f.At)
		c.Generation("generation", &f.Generation)
	}).
		Condition("sees", store.SQL("project_id = ? OR id IN (SELECT fruit_id FROM test_share WHERE project_id = ?)")).
		Set("tags", store.SQL("replace(tags, '\"' || ? || '\"', '') <> tags"))

	jams = store.NewTable("test_jam", func(j *jam, c *store.Columns) {
		c.Key("id", &j.ID)
		c.Text("project_id", &j.Project)
		c.Generation("revision", &j.Revision)
		c.Doc("doc", j)
	}).
		Field("name", store.KindText, store.Path("doc", "Name", store.KindText)).
		Field("sugar", store.KindInt, store.Path("doc", "Sugar", store.KindInt)).
		Field("of", store.KindText, store.Path("doc", "Of.Fruit", store.KindText)).
		Set("tags", store.Listed("doc", "Tags"))
)

var tables = store.Migrations{Service: "tables", FS: fstest.MapFS{"migrations/0001_tables.sql": {Data: []byte(`
CREATE TABLE test_fruit (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, note TEXT, weight BIGINT NOT NULL,
	ripe BOOLEAN NOT NULL, price DOUBLE PRECISION NOT NULL, tags TEXT NOT NULL, letters BIGINT NOT NULL, at BIGINT NOT NULL, generation BIGINT NOT NULL);
CREATE TABLE test_share (fruit_id TEXT NOT NULL, project_id TEXT NOT NULL);
CREATE TABLE test_jam (id TEXT PRIMARY KEY, project_id TEXT NOT NULL, revision BIGINT NOT NULL, doc TEXT NOT NULL);
`)}}}

// inTables runs f in a transaction on each database.
func inTables(t *testing.T, f func(t *testing.T, ctx context.Context, tx *store.Tx)) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if err := db.Migrate(ctx, tables); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			f(t, ctx, tx)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTableRows(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		note := "sour"
		in := &fruit{ID: "a", Project: "p", Name: "plum", Note: &note, Weight: 3, Ripe: true, Price: 1.5, Tags: []string{"x"}, At: store.Time(1234567), Generation: 1}
		must(t, fruits.Insert(ctx, tx, in))
		out, err := fruits.Get(ctx, tx, "a")
		must(t, err)
		if fmt.Sprintln(*out.Note, out.Name, out.Weight, out.Ripe, out.Price, out.Tags, out.At.UnixMicro(), out.Generation) != "sour plum 3 true 1.5 [x] 1234567 1\n" {
			t.Errorf("read %+v", out)
		}
		other, err := fruits.Get(ctx, tx, "a")
		must(t, err)
		out.Note, out.Name = nil, "cherry"
		must(t, fruits.Update(ctx, tx, out))
		if out.Generation != 2 {
			t.Errorf("generation %d", out.Generation)
		}
		if err := fruits.Update(ctx, tx, other); !errs.Is(err, errs.Conflict) || other.Generation != 1 {
			t.Errorf("a stale update: %v", err)
		}
		if n, err := fruits.Count(ctx, tx, store.Eq("letters", 6), store.Eq("note", nil), store.Eq("price", 1.5)); err != nil || n != 1 {
			t.Errorf("derived and null: %d, %v", n, err)
		}
		if n, err := fruits.Patch(ctx, tx, store.Changes{"weight": 9, "at": store.Time(5)}, store.Eq("id", "a")); err != nil || n != 1 {
			t.Errorf("patch: %d, %v", n, err)
		}
		if got, err := fruits.First(ctx, tx, store.Cond{Field: "at", Op: store.LessEqual, Value: store.Time(5)}); err != nil || got.Weight != 9 {
			t.Errorf("after the patch: %+v, %v", got, err)
		}
		if _, err := fruits.Patch(ctx, tx, store.Changes{"weight": 9}); err == nil {
			t.Error("a patch of everything")
		}
		if _, err := fruits.DeleteWhere(ctx, tx); err == nil {
			t.Error("a deletion of everything")
		}
		must(t, fruits.Delete(ctx, tx, "a"))
		for name, err := range map[string]error{
			"delete": fruits.Delete(ctx, tx, "a"), "update": fruits.Update(ctx, tx, out),
			"get": func() error { _, err := fruits.Get(ctx, tx, "a"); return err }(),
		} {
			if !errs.Is(err, errs.NotFound) {
				t.Errorf("%s of nothing: %v", name, err)
			}
		}
	})
}

func TestTableDocuments(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		sugar := 5
		for i, name := range []string{"plum", "quince", "fig"} {
			j := &jam{ID: fmt.Sprint(i), Project: "p", Name: name, Tags: []string{"all", name}}
			if i > 0 {
				j.Sugar = &sugar
			}
			j.Of.Fruit = name + "s"
			must(t, jams.Insert(ctx, tx, j))
		}
		j, err := jams.Get(ctx, tx, "1")
		must(t, err)
		j.Name = "medlar"
		must(t, jams.Update(ctx, tx, j))
		if j, err = jams.Get(ctx, tx, "1"); err != nil || j.Name != "medlar" || j.Revision != 1 {
			t.Errorf("updated: %+v, %v", j, err)
		}
		for want, conds := range map[string][]store.Cond{
			"0":     {store.Eq("sugar", nil)},
			"1,2":   {store.Eq("sugar", 5)},
			"2":     {store.Eq("of", "figs")},
			"0,2":   {{Field: "tags", Op: store.HasAny, Value: []string{"plum", "fig"}}},
			"1":     {{Field: "tags", Op: store.NotAny, Value: []string{"plum", "fig"}}},
			"0,1,2": {{Field: "tags", Op: store.HasAll, Value: []string{"all"}}},
			"0,1":   {{Field: "tags", Op: store.NotAll, Value: []string{"all", "fig"}}},
		} {
			rows, err := jams.All(ctx, tx, conds...)
			if got := idsOf(rows, func(j *jam) string { return j.ID }); err != nil || got != want {
				t.Errorf("%+v: %s, want %s, %v", conds, got, want, err)
			}
		}
		page, err := jams.List(ctx, tx, store.Query{Sort: []store.Sort{{Field: "sugar"}, {Field: "name", Desc: true}}})
		if got := idsOf(page.Rows, func(j *jam) string { return j.ID }); err != nil || got != "0,1,2" {
			t.Errorf("sorted: %s, %v", got, err)
		}
	})
}

func idsOf[T any](rows []*T, id func(*T) string) string {
	out := make([]string, len(rows))
	for i, r := range rows {
		out[i] = id(r)
	}
	return strings.Join(out, ",")
}

func fruitID(f *fruit) string { return f.ID }

func TestTableConditions(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		for i, name := range []string{"Apple", "apricot", "Banana", "a%_?"} {
			must(t, fruits.Insert(ctx, tx, &fruit{ID: fmt.Sprint(i), Project: fmt.Sprint("p", i%2), Name: name, Weight: i}))
		}
		if _, err := tx.Exec(ctx, "INSERT INTO test_share VALUES ('2', 'p1')"); err != nil {
			t.Fatal(err)
		}
		for want, conds := range map[string][]store.Cond{
			"1,3":     {{Field: "name", Op: store.StartsWith, Value: "a"}},
			"0,1,3":   {{Field: "name", Op: store.IStartsWith, Value: "A"}},
			"3":       {{Field: "name", Op: store.Contains, Value: "%_?"}},
			"2":       {{Field: "name", Op: store.IEndsWith, Value: "NANA"}},
			"0,2":     {store.In("weight", []int{0, 2, 7})},
			"":        {store.In("id", []string{})},
			"1,2,3":   {store.Is("sees", "p1")},
			"0,3":     {store.Or(store.Eq("id", "0"), store.Cond{Field: "weight", Op: store.Greater, Value: 2})},
			"0":       {store.Not(store.Is("sees", "p1"), store.Eq("id", "7"))},
			"2,3":     {{Field: "weight", Op: store.GreaterEq, Value: 2}, store.Ne("name", "x")},
			"0,1,2,3": nil,
		} {
			rows, err := fruits.All(ctx, tx, conds...)
			if got := idsOf(rows, fruitID); err != nil || got != want {
				t.Errorf("%+v: %q, want %q, %v", conds, got, want, err)
			}
		}
		// More values than there can be placeholders.
		names, weights := []string{"Banana", `a"b`}, []int{1, 3}
		for i := range 70_000 {
			names, weights = append(names, fmt.Sprint("n", i)), append(weights, 100+i)
		}
		for want, cond := range map[string]store.Cond{"2": store.In("name", names), "1,3": store.In("weight", weights)} {
			rows, err := fruits.All(ctx, tx, cond)
			if got := idsOf(rows, fruitID); err != nil || got != want {
				t.Errorf("many values: %q, want %q, %v", got, want, err)
			}
		}
		if _, err := fruits.All(ctx, tx, store.Eq("colour", "red")); err == nil {
			t.Error("a field that is not there")
		}
	})
}

// TestTablePages walks through every order in pages of every size, both ways,
// and wants each time what sorting the whole in memory gives.
func TestTablePages(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		rnd := rand.New(rand.NewPCG(1, 2))
		all := make([]*fruit, 17)
		for i := range all {
			f := &fruit{ID: fmt.Sprintf("%02d", i), Project: fmt.Sprint("p", rnd.IntN(2)), Name: string(rune('a' + rnd.IntN(3))), Weight: rnd.IntN(3)}
			if n := string(rune('x' + rnd.IntN(2))); rnd.IntN(2) == 0 {
				f.Note = &n
			}
			all[i] = f
			must(t, fruits.Insert(ctx, tx, f))
		}
		for _, sort := range [][]store.Sort{
			nil,
			{{Field: "id", Desc: true}},
			{{Field: "name"}},
			{{Field: "note"}},
			{{Field: "note", Desc: true}, {Field: "weight"}},
			{{Field: "name", Desc: true}, {Field: "weight", Desc: true}},
			{{Field: "weight"}, {Field: "id", Desc: true}},
		} {
			want := inOrder(all, sort)
			for size := 1; size <= len(all)+1; size += 3 {
				for _, reverse := range []bool{false, true} {
					if got := walk(t, ctx, tx, store.Query{Sort: sort, Limit: size, Reverse: reverse}); got != want {
						t.Errorf("%+v by %d, reverse %v:\n%s, want\n%s", sort, size, reverse, got, want)
					}
				}
			}
		}
	})
}

func inOrder(all []*fruit, sort []store.Sort) string {
	all = slices.Clone(all)
	text := func(f *fruit, field string) string {
		switch field {
		case "name":
			return f.Name
		case "weight":
			return fmt.Sprint(f.Weight)
		case "note":
			if f.Note == nil {
				return ""
			}
			return *f.Note
		}
		return f.ID
	}
	last := len(sort) > 0 && sort[len(sort)-1].Desc
	keys := append(slices.Clone(sort), store.Sort{Field: "id", Desc: last})
	slices.SortFunc(all, func(a, b *fruit) int {
		for _, k := range keys {
			if c := strings.Compare(text(a, k.Field), text(b, k.Field)); c != 0 && k.Desc {
				return -c
			} else if c != 0 {
				return c
			}
		}
		return 0
	})
	return idsOf(all, fruitID)
}

func walk(t *testing.T, ctx context.Context, tx *store.Tx, q store.Query) string {
	t.Helper()
	var seen []*fruit
	for range 40 {
		page, err := fruits.List(ctx, tx, q)
		must(t, err)
		if q.Reverse {
			seen = append(slices.Clone(page.Rows), seen...)
		} else {
			seen = append(seen, page.Rows...)
		}
		if !page.More {
			break
		}
		if q.Marker = page.Rows[len(page.Rows)-1].ID; q.Reverse {
			q.Marker = page.Rows[0].ID
		}
	}
	return idsOf(seen, fruitID)
}

func TestTableMarkersAndBounds(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		for i := range 6 {
			must(t, fruits.Insert(ctx, tx, &fruit{ID: fmt.Sprint(i), Project: fmt.Sprint("p", i%2), Name: "n"}))
		}
		list := func(q store.Query) (string, store.Page[fruit], error) {
			page, err := fruits.List(ctx, tx, q)
			return idsOf(page.Rows, fruitID), page, err
		}
		mine := []store.Cond{store.Eq("project_id", "p0")}
		if _, _, err := list(store.Query{Scope: mine, Marker: "1"}); !errs.Is(err, errs.Invalid) {
			t.Errorf("a marker out of the scope: %v", err)
		}
		if got, _, err := list(store.Query{Scope: mine, Marker: "0", Where: []store.Cond{store.Ne("id", "0")}}); err != nil || got != "2,4" {
			t.Errorf("a marker that the filter leaves out: %s, %v", got, err)
		}
		if got, _, err := list(store.Query{Scope: mine, Marker: "1", LostMarker: true}); err != nil || got != "2,4" {
			t.Errorf("a lost marker: %s, %v", got, err)
		}
		if got, _, err := list(store.Query{Marker: "gone", LostMarker: true, Sort: []store.Sort{{Field: "name"}}}); err != nil || got != "" {
			t.Errorf("a lost marker in another order: %s, %v", got, err)
		}
		if got, page, err := list(store.Query{Cap: 2}); err != nil || got != "0,1" || !page.More || !page.Truncated {
			t.Errorf("the cloud's limit: %s %+v, %v", got, page, err)
		}
		if got, page, err := list(store.Query{Cap: 3, Limit: 2}); err != nil || got != "0,1" || !page.More || page.Truncated {
			t.Errorf("a limit below the cloud's: %s %+v, %v", got, page, err)
		}
		odd := func(rows []*fruit) ([]*fruit, error) {
			return slices.DeleteFunc(rows, func(f *fruit) bool { return f.Project == "p0" }), nil
		}
		page, err := fruits.ListKept(ctx, tx, store.Query{Limit: 2}, odd)
		if got := idsOf(page.Rows, fruitID); err != nil || got != "1,3" || !page.More {
			t.Errorf("a page filled up: %s %+v, %v", got, page, err)
		}
		page, err = fruits.ListKept(ctx, tx, store.Query{Limit: 2, Marker: "5", Reverse: true}, odd)
		if got := idsOf(page.Rows, fruitID); err != nil || got != "1,3" || page.More {
			t.Errorf("a page filled up in reverse: %s %+v, %v", got, page, err)
		}
	})
}

// person has a name that is compared without case, and friends in another table.
type person struct {
	ID, Name, Kind string
	Friends        []string
}

func TestTableNamesWithoutCase(t *testing.T) {
	people := store.NewTable("test_person", func(p *person, c *store.Columns) {
		c.Key("id", &p.ID)
		c.Name("name", &p.Name, "name_key", strings.ToLower)
		c.Caseless("kind", &p.Kind)
	}).Worded(
		func(key string) error { return errs.New(errs.NotFound, "no %s", key) },
		func(p *person) error { return errs.New(errs.Exists, "another %s", p.Name) },
	).Beside(func(ctx context.Context, tx *store.Tx, p *person) error {
		for _, f := range p.Friends {
			if _, err := tx.Exec(ctx, "INSERT INTO test_friend (person_id, name) VALUES (?, ?)", p.ID, f); err != nil {
				return err
			}
		}
		return nil
	})
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		_, err := tx.Exec(ctx, "CREATE TABLE test_person (id TEXT PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL)")
		must(t, err)
		_, err = tx.Exec(ctx, "CREATE TABLE test_friend (person_id TEXT NOT NULL, name TEXT NOT NULL)")
		must(t, err)
		_, err = tx.Exec(ctx, "INSERT INTO test_person (id, name, name_key, kind) VALUES ('old', 'ADA', 'ADA/old', 'X')")
		must(t, err)
		must(t, people.Insert(ctx, tx, &person{ID: "a", Name: "Ada", Kind: "Xy", Friends: []string{"bob"}}))
		found := func(conds ...store.Cond) string {
			rows, err := people.All(ctx, tx, conds...)
			must(t, err)
			var out []string
			for _, r := range rows {
				out = append(out, r.ID)
			}
			return strings.Join(out, " ")
		}
		for _, c := range []struct {
			cond store.Cond
			want string
		}{
			{store.Eq("name", "aDA"), "a"},
			{store.Eq("name", "ADA"), "a old"},
			{store.Eq("kind", "XY"), "a"},
			{store.Cond{Field: "name", Op: store.IStartsWith, Value: "aD"}, "a"},
			{store.Cond{Field: "name", Op: store.Contains, Value: "d"}, "a"},
		} {
			if got := found(c.cond); got != c.want {
				t.Errorf("%+v finds %q, not %q", c.cond, got, c.want)
			}
		}
		old, err := people.Get(ctx, tx, "old")
		must(t, err)
		old.Kind = "Z"
		must(t, people.Update(ctx, tx, old)) // and keeps its key, or it would be a's
		if n, err := store.One(ctx, tx, store.Value[int64], "SELECT count(*) FROM test_friend"); err != nil || n != 1 {
			t.Errorf("%d friends, %v", n, err)
		}
		if _, err := people.Get(ctx, tx, "b"); err == nil || err.Error() != "no b" {
			t.Errorf("absent: %v", err)
		}
		if err := people.Delete(ctx, tx, "b"); err == nil || err.Error() != "no b" {
			t.Errorf("absent: %v", err)
		}
	})
	t.Run("taken", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			err := db.Write(t.Context(), func(tx *store.Tx) error {
				if _, err := tx.Exec(t.Context(), "CREATE TABLE test_person (id TEXT PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL)"); err != nil {
					return err
				}
				must(t, people.Insert(t.Context(), tx, &person{ID: "a", Name: "Ada"}))
				return people.Insert(t.Context(), tx, &person{ID: "b", Name: "ADA"})
			})
			if err == nil || err.Error() != "another ADA" {
				t.Errorf("taken: %v", err)
			}
		})
	})
}

// TestAPartOfATable reads some columns, by conditions and orders of all.
func TestAPartOfATable(t *testing.T) {
	inTables(t, func(t *testing.T, ctx context.Context, tx *store.Tx) {
		for i, name := range []string{"plum", "fig", "date"} {
			must(t, fruits.Insert(ctx, tx, &fruit{ID: name[:1], Name: name, Weight: i, Price: float64(i), Tags: []string{}}))
		}
		names := store.NewTable("test_fruit", func(f *fruit, c *store.Columns) {
			c.Key("id", &f.ID)
			c.Float("price", &f.Price)
		}).PartOf(fruits)
		page, err := names.List(ctx, tx, store.Query{
			Where: []store.Cond{{Field: "weight", Op: store.GreaterEq, Value: 1}}, Sort: []store.Sort{{Field: "letters", Desc: true}},
		})
		must(t, err)
		var got string
		for _, f := range page.Rows {
			got += fmt.Sprint(f.ID, f.Name, f.Weight, f.Price, " ")
		}
		if one, err := names.Get(ctx, tx, "p"); err != nil || one.ID != "p" || one.Name != "" || got != "d0 2 f0 1 " {
			t.Errorf("%q, then %+v, %v", got, one, err)
		}
		if none, err := fruits.All(ctx, tx, store.In("id", []string{})); err != nil || len(none) != 0 {
			t.Errorf("of none: %v, %v", none, err)
		}
	})
}

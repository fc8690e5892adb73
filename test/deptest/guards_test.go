package deptest

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/app"
)

// The lists of exceptions below are what is left to mend. They only get shorter:
// an exception that is none any more fails, as does anything new.

// foreign are tables that lack their service's prefix.
var foreign = map[string][]string{}

// untested are kinds of sagas without a golden file of their format on disk, and
// so without the harness's tests, which write and compare it.
var untested []string

// Every folder with an API or tables is a service that the rules of imports know.
func TestServicesAreKnown(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for _, inside := range []string{"api", "sqlstore"} {
		dirs, err := filepath.Glob("../../internal/*/" + inside)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			found[filepath.Base(filepath.Dir(d))] = true
		}
	}
	for name := range found {
		if !slices.Contains(services, name) {
			t.Errorf("internal/%s is a service; add it to the list in internal/app/services.go, whose order says whom it may import", name)
		}
	}
	for _, name := range services {
		if !found[name] {
			t.Errorf("%s is listed as a service, and has neither api nor sqlstore", name)
		}
	}
}

var created = regexp.MustCompile(`(?im)^\s*(CREATE TABLE|DROP TABLE|ALTER TABLE (?:\w+) RENAME TO)\s+(?:IF (?:NOT )?EXISTS\s+)?(\w+)`)

// A table is named for the service that owns it.
func TestTablesHaveTheirServicesPrefix(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob("../../internal/*/sqlstore/migrations")
	if err != nil {
		t.Fatal(err)
	}
	kernel, err := filepath.Glob("../../internal/kernel/*/migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range append(dirs, kernel...) {
		owner := filepath.Base(strings.TrimSuffix(strings.TrimSuffix(dir, "/migrations"), "/sqlstore"))
		tables := map[string]bool{}
		files, err := filepath.Glob(dir + "/*.sql")
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files { // in the order in which they are applied
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range created.FindAllStringSubmatch(string(text), -1) {
				if strings.EqualFold(m[1], "DROP TABLE") {
					delete(tables, m[2])
					continue
				}
				if words := strings.Fields(m[1]); len(words) > 3 { // ALTER TABLE x RENAME TO
					delete(tables, words[2])
				}
				tables[m[2]] = true
			}
		}
		if len(tables) == 0 {
			t.Errorf("%s makes no tables", dir)
		}
		var odd []string
		for name := range tables {
			if name != owner && !strings.HasPrefix(name, owner+"_") {
				odd = append(odd, name)
			}
		}
		same(t, "tables of "+owner+" without its prefix", odd, foreign[owner])
	}
}

// Every kind of saga that is registered has a golden file.
func TestEverySagaHasItsGolden(t *testing.T) {
	t.Parallel()
	list, err := app.Services()
	if err != nil {
		t.Fatal(err)
	}
	registered, golden := map[string]bool{}, map[string]bool{}
	for _, d := range list {
		for _, kind := range d.Sagas {
			registered[kind] = true
		}
	}
	err = filepath.WalkDir("../../internal", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "/kernel/") {
			return err
		}
		if kind, ok := strings.CutPrefix(d.Name(), "saga_"); ok && strings.HasSuffix(kind, ".golden") {
			golden[strings.TrimSuffix(kind, ".golden")] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(registered) < 14 {
		t.Errorf("found %d kinds only: %v", len(registered), slices.Sorted(maps.Keys(registered)))
	}
	var without []string
	for k := range registered {
		if !golden[k] {
			without = append(without, k)
		}
	}
	same(t, "kinds of sagas without a golden file", without, untested)
	for k := range golden {
		if !registered[k] {
			t.Errorf("saga_%s.golden is of a kind that nothing registers", k)
		}
	}
}

// same demands that what is wrong is exactly what is known to be.
func same(t *testing.T, what string, got, known []string) {
	t.Helper()
	for _, g := range got {
		if !slices.Contains(known, g) {
			t.Errorf("%s: %s is new", what, g)
		}
	}
	for _, k := range known {
		if !slices.Contains(got, k) {
			t.Errorf("%s: %s is none any more; take it off the list", what, k)
		}
	}
}

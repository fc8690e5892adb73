package sagatest

import (
	"encoding"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kumoi/internal/kernel/saga"
)

// golden compares what a saga stores, its step names and the JSON of its
// variables, with testdata/saga_<kind>.golden. Sagas in progress outlive an
// upgrade: what differs there needs a new version.
func golden[S any](t *testing.T, d saga.Definition[S]) {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "saga %s version %d\n\nsteps\n", d.Kind, d.Version)
	for _, st := range d.Steps {
		fmt.Fprintf(&b, "  %s\n", st.Name)
	}
	b.WriteString("\nvariables\n")
	shape(&b, "", reflect.TypeFor[S](), nil)

	path := filepath.Join("testdata", "saga_"+d.Kind+".golden")
	if updating() {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; write it with UPDATE_GOLDEN=1 go test", err)
	}
	if got := b.String(); got != string(want) {
		t.Errorf("what the saga stores has changed: give it a new version and keep the old definition for a release, "+
			"then write %s with UPDATE_GOLDEN=1 go test\ngot:\n%s\nwant:\n%s", path, got, want)
	}
}

// updating honours the test's own -update flag, if it has one, too.
func updating() bool {
	f := flag.Lookup("update")
	return os.Getenv("UPDATE_GOLDEN") != "" || f != nil && f.Value.String() == "true"
}

// shape writes one line for each value that a type's JSON may hold.
func shape(b *strings.Builder, path string, t reflect.Type, seen []reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, s := range seen {
		if s == t {
			fmt.Fprintf(b, "  %s %s again\n", name(path), t)
			return
		}
	}
	seen = append(seen, t)
	switch {
	case implements[json.Marshaler](t), implements[encoding.TextMarshaler](t):
		fmt.Fprintf(b, "  %s %s\n", name(path), t)
	case t.Kind() == reflect.Struct:
		fields(b, path, t, seen)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		fmt.Fprintf(b, "  %s bytes\n", name(path))
	case t.Kind() == reflect.Slice, t.Kind() == reflect.Array:
		shape(b, path+"[]", t.Elem(), seen)
	case t.Kind() == reflect.Map:
		shape(b, path+"{"+t.Key().Kind().String()+"}", t.Elem(), seen)
	default:
		fmt.Fprintf(b, "  %s %s\n", name(path), t.Kind())
	}
}

func fields(b *strings.Builder, path string, t reflect.Type, seen []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "-" {
			continue
		}
		if f.Anonymous && tag == "" {
			shape(b, path, f.Type, seen)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if tag == "" {
			tag = f.Name
		}
		sub := tag
		if path != "" {
			sub = path + "." + tag
		}
		shape(b, sub, f.Type, seen)
	}
}

func implements[I any](t reflect.Type) bool {
	i := reflect.TypeFor[I]()
	return t.Implements(i) || reflect.PointerTo(t).Implements(i)
}

func name(path string) string {
	if path == "" {
		return "."
	}
	return path
}

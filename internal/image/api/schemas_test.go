package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/image/api"
	"kumoi/internal/kernel/store/storetest"
)

var update = flag.Bool("update", false, "write the golden files")

// The schemas are what clients check their requests and our answers by.
func TestSchemas(t *testing.T) {
	t.Parallel()
	c := newCloud(t, storetest.SQLite(t))
	var got bytes.Buffer
	for _, r := range api.New(c.svc).Routes {
		if !strings.HasPrefix(r.Path, "/v2/schemas/") {
			continue
		}
		got.WriteString(r.Path + " ")
		if err := json.Compact(&got, c.As("alice").Want(200, "GET", r.Path, nil).Raw); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	golden := filepath.Join("testdata", "schemas.golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(want)) {
		path, _, _ := strings.Cut(line, " ")
		if _, ok := strings.CutPrefix(got.String(), line); !ok {
			t.Fatalf("%s differs from %s (-update writes it):\n%s", path, golden, got.String()[:min(got.Len(), len(line)+100)])
		}
		got.Next(len(line))
	}
	if got.Len() > 0 {
		t.Errorf("not in %s: %s", golden, got.String())
	}
}

package deptest

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/app"
)

// services, in the order in which a cloud starts them: each may import the root
// package of those before it.
var services = func() []string {
	list, err := app.Services()
	if err != nil {
		panic(err)
	}
	var names []string
	for _, d := range list {
		names = append(names, d.Name)
	}
	return names
}()

type pkg struct {
	ImportPath string
	Imports    []string
}

func TestImportDirections(t *testing.T) {
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", "kumoi/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var p pkg
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		seen++
		for _, imp := range p.Imports {
			if why := forbidden(p.ImportPath, imp); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imp, why)
			}
		}
	}
	if seen < 20 {
		t.Fatalf("looked at %d packages only", seen)
	}
}

// forbidden says why the package may not import the other; "" if it may.
func forbidden(from, to string) string {
	from, ours := strings.CutPrefix(from, "kumoi/internal/")
	to, theirs := strings.CutPrefix(to, "kumoi/internal/")
	if !ours {
		return "" // cmd and test
	}
	if !theirs {
		switch {
		case strings.HasPrefix(from, "kernel/"):
		case isRoot(from) && slices.Contains([]string{"net/http", "database/sql"}, to) && from != "image":
			return "HTTP and SQL end before the service's root package"
		}
		return ""
	}
	area, sub, _ := strings.Cut(from, "/")
	target, inside, _ := strings.Cut(to, "/")
	switch {
	case target == "kernel" || target == area && !isRoot(area):
		return ""
	case area == "kernel":
		return "the kernel knows no service"
	case area == "app":
		return ""
	case target == "app":
		return "only cmd may know app"
	case target == "hostapi", target == "diskimage":
		return ""
	case area == "diskimage":
		return "disk images know nobody who uses them"
	case area == "agent":
		return "the agent knows only hostapi and the kernel"
	case target == "agent":
		return "nothing but app may know the agent"
	}
	if strings.HasSuffix(sub, "test") {
		return "" // what only tests use may put a cloud together
	}
	if target == area { // a service's own parts
		if from == area && slices.Contains([]string{"api", "sqlstore", "service"}, inside) {
			return "the rules stand above their API and their tables, and know neither"
		}
		if inside == "service" || inside == "api" && sub == "sqlstore" || inside == "sqlstore" && sub == "api" {
			return "only the package service puts API, rules and tables together"
		}
		return ""
	}
	i, j := slices.Index(services, area), slices.Index(services, target)
	if i >= 0 && j >= 0 {
		if j > i {
			return "imports point from later services to earlier ones"
		}
		if inside != "" {
			return "only the root package of another service may be imported"
		}
		if sub == "sqlstore" {
			return "a store touches only its own tables"
		}
	}
	return ""
}

func isRoot(path string) bool { return slices.Contains(services, path) }

func TestForbidden(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		bad      bool
	}{
		{"kumoi/internal/compute", "kumoi/internal/network", false},
		{"kumoi/internal/network", "kumoi/internal/compute", true},
		{"kumoi/internal/compute/api", "kumoi/internal/network/sqlstore", true},
		{"kumoi/internal/kernel/saga", "kumoi/internal/identity", true},
		{"kumoi/internal/agent/vif", "kumoi/internal/network", true},
		{"kumoi/internal/agent", "kumoi/internal/hostapi", false},
		{"kumoi/internal/compute", "kumoi/internal/compute/sqlstore", true},
		{"kumoi/internal/compute", "kumoi/internal/compute/api", true},
		{"kumoi/internal/compute/api", "kumoi/internal/compute", false},
		{"kumoi/internal/compute", "net/http", true},
		{"kumoi/internal/compute/api", "net/http", false},
		{"kumoi/internal/compute/computetest", "kumoi/internal/network/fabric/fake", false},
		{"kumoi/internal/app", "kumoi/internal/agent", false},
		{"kumoi/internal/agent/disk", "kumoi/internal/diskimage", false},
		{"kumoi/internal/diskimage", "kumoi/internal/image", true},
	} {
		if got := forbidden(tc.from, tc.to) != ""; got != tc.bad {
			t.Errorf("%s → %s: forbidden %v, want %v", tc.from, tc.to, got, tc.bad)
		}
	}
}

package attack

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/app"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
)

var update = flag.Bool("update", false, "write testdata/roles.tsv anew; read the difference as a reviewer of access does")

// TestRoles holds who may do what: a row for every route of every service. A
// route without a row fails, and so does one whose row says something else.
//
// A row has the route, its rule, whom the rule lets through of A an administrator,
// M a member and R a reader of the project that owns, O a member of another one
// and S a service, and what the running cloud answers a reader of the project and
// somebody without a token. "-" is a route that leaves the decision to its handler.
func TestRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	engine, err := app.Policy(&app.Config{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]place{}
	for _, p := range w.places() {
		at[p.route.String()] = p
	}
	var reader persona
	for _, p := range w.people {
		if p.name == "a reader of the project" {
			reader = p
		}
	}
	var rows []string
	for _, r := range w.routes {
		p, ok := at[r.String()]
		if !ok {
			p = place{route: r, path: "/" + r.service + r.path, body: w.bodyFor(r, place{})}
			for _, res := range resources {
				if res.create == r.method+" "+r.service+" "+r.path {
					p.body = w.fill(res.body, w.victim, w.victim)
				}
			}
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%d\t%d", r, cmp.Or(r.policy, "-"), who(t, engine, r.service, r.policy),
			w.send(p, reader).Status, w.send(p, persona{}).Status))
	}
	slices.Sort(rows)
	got := "route\trule\tlets through\treader\tnobody\n" + strings.Join(slices.Compact(rows), "\n") + "\n"
	const golden = "testdata/roles.tsv"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil { //nolint:gosec // a file of the repository
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(string(file), "\n")
	for _, row := range strings.Split(got, "\n") {
		if !slices.Contains(want, row) {
			t.Errorf("not in %s (go test ./test/attack -run TestRoles -update, and read what changes):\n%s", golden, row)
		}
	}
	for _, row := range want {
		if !strings.Contains(got, row+"\n") {
			t.Errorf("in %s only:\n%s", golden, row)
		}
	}
}

// who asks the rule for everybody.
func who(t *testing.T, engine *policy.Engine, service, rule string) string {
	t.Helper()
	if rule == "" {
		return "-"
	}
	target := policy.Target{}
	for _, name := range []string{"project_id", "tenant_id", "owner", "target.project.id", "network:project_id", "network:tenant_id", "ext_parent:project_id", "ext_parent:tenant_id"} {
		target[name] = "mine"
	}
	out := ""
	for _, p := range []struct {
		letter, project string
		roles           []string
	}{
		{"A", "cloud", []string{"admin", "manager", "member", "reader"}},
		{"M", "mine", []string{"member", "reader"}},
		{"R", "mine", []string{"reader"}},
		{"O", "other", []string{"member", "reader"}},
		{"S", "service", []string{"service"}},
	} {
		a := &actor.Actor{UserID: "u-" + p.letter, ProjectID: p.project, Roles: p.roles}
		e, err := engine.Explain(actor.With(t.Context(), a), rule, target)
		if err != nil { // the rules of some services have no prefix of their own
			e, err = engine.Explain(actor.With(t.Context(), a), service+"/"+rule, target)
		}
		if err != nil {
			return "no such rule"
		}
		if e.Allowed {
			out += p.letter
		}
	}
	return cmp.Or(out, "nobody by itself")
}

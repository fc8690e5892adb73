package policy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/waittest"
)

func TestExplain(t *testing.T) {
	e := New()
	if err := e.Register(Rule{Name: "owner", Check: "project_id:%(project_id)s"},
		Rule{Name: "show", Check: "role:admin or (rule:owner and role:reader)", Scopes: []string{"project"}}); err != nil {
		t.Fatal(err)
	}
	ctx := actor.With(context.Background(), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"reader"}})
	x, err := e.Explain(ctx, "show", Target{"project_id": "q"})
	if err != nil || x.Allowed {
		t.Fatalf("%+v, %v", x, err)
	}
	for _, want := range []string{"denied: show", "no  role:admin", "yes role:reader", "the actor's: p, the target's: q"} {
		if !strings.Contains(x.String(), want) {
			t.Errorf("%q is not in\n%s", want, x)
		}
	}
	if x, err := e.Explain(ctx, "show", Target{"project_id": "p"}); err != nil || !x.Allowed {
		t.Errorf("owner: %+v, %v", x, err)
	}
	system := actor.With(context.Background(), &actor.Actor{UserID: "u", SystemScope: "all", Roles: []string{"admin"}})
	if x, err := e.Explain(system, "show", nil); err != nil || x.Allowed || !strings.Contains(x.String(), "scoped to project") {
		t.Errorf("system token: %+v, %v", x, err)
	}
	if _, err := e.Explain(ctx, "nothing", nil); !errs.Is(err, errs.NotFound) {
		t.Errorf("unknown rule: %v", err)
	}
}

func TestFileIsReadAgain(t *testing.T) {
	e := New()
	if err := e.Register(Rule{Name: "show", Check: "!"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "policy.yaml")
	if err := e.WatchFile(t.Context(), path, logx.Discard()); err != nil {
		t.Fatal(err)
	}
	ctx := actor.With(context.Background(), &actor.Actor{UserID: "u"})
	put := func(text string, want bool) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		waittest.True(t, 20*time.Second, fmt.Sprintf("%q to be read", text), func() bool { return e.Allowed(ctx, "show", nil) == want })
	}
	put(`show: "@"`, true)
	put(`show: "!"   # back`, false)
	put("{\"show\": \"@\"}\n", true)
	if err := os.WriteFile(path, []byte(`show: "role"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.LoadFile(path); !errs.Is(err, errs.Invalid) {
		t.Errorf("a wrong file: %v", err)
	}
	if !e.Allowed(ctx, "show", nil) {
		t.Error("a wrong file changed the rules")
	}
}

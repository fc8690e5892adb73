package policy

import (
	"context"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
)

func TestCheck(t *testing.T) {
	member := &actor.Actor{UserID: "u1", ProjectID: "p1", Roles: []string{"member", "reader"}}
	admin := &actor.Actor{UserID: "u2", ProjectID: "p2", Roles: []string{"Admin"}}
	system := &actor.Actor{UserID: "u3", SystemScope: "all", Roles: []string{"reader"}}
	domain := &actor.Actor{UserID: "u4", DomainID: "d1", Roles: []string{"manager"}}
	tests := []struct {
		rule   string
		actor  *actor.Actor
		target Target
		want   bool
	}{
		{"", member, nil, true},
		{"@", member, nil, true},
		{"!", admin, nil, false},
		{"role:admin", admin, nil, true},
		{"role:admin", member, nil, false},
		{"role:member and project_id:%(project_id)s", member, Target{"project_id": "p1"}, true},
		{"role:member and project_id:%(project_id)s", member, Target{"project_id": "p2"}, false},
		{"project_id:%(project_id)s", member, Target{}, false},
		{"project_id:%(project_id)s", system, Target{"project_id": ""}, false},
		{"rule:admin_required or (role:reader and system_scope:all)", system, nil, true},
		{"rule:admin_required or (role:reader and system_scope:all)", member, nil, false},
		{"not role:admin and not (role:x or role:y)", member, nil, true},
		{"(role:manager and domain_id:%(target.user.domain_id)s) or role:admin", domain, Target{"target.user.domain_id": "d1"}, true},
		{"'public':%(visibility)s", member, Target{"visibility": "public"}, true},
		{"None:%(project_id)s", member, Target{"project_id": "None"}, true},
		{"role:manager and not domain_id:None", domain, nil, true},
		{"role:member and not domain_id:None", member, nil, false},
		{"rule:loop", admin, nil, false},
		{"rule:missing", admin, nil, false},
	}
	for _, tc := range tests {
		e := New()
		if err := e.Register(Rule{Name: "admin_required", Check: "role:admin"}, Rule{Name: "loop", Check: "rule:loop"},
			Rule{Name: "it", Check: tc.rule}); err != nil {
			t.Fatal(err)
		}
		ctx := actor.With(context.Background(), tc.actor)
		if got := e.Allowed(ctx, "it", tc.target); got != tc.want {
			t.Errorf("%q for %v on %v: got %v", tc.rule, tc.actor.Roles, tc.target, got)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for _, text := range []string{"role", "(role:a", "role:a or", "role:a role:b", ")", "not", "'x"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q parsed", text)
		}
	}
}

func TestScopesAndKinds(t *testing.T) {
	e := New()
	if err := e.Register(Rule{Name: "sys", Check: "role:reader", Scopes: []string{"system"}}); err != nil {
		t.Fatal(err)
	}
	project := actor.With(context.Background(), &actor.Actor{UserID: "u", ProjectID: "p", Roles: []string{"reader"}})
	if err := e.Check(project, "sys", nil); !errs.Is(err, errs.Forbidden) {
		t.Errorf("project token on a system rule: %v", err)
	}
	if err := e.Check(context.Background(), "sys", nil); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("nobody: %v", err)
	}
	if err := e.Check(actor.AsSystem(context.Background(), "upkeep"), "sys", nil); err != nil {
		t.Errorf("system actor: %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("role:admin or (project_id:%(project_id)s and not rule:x)")
	e := New()
	f.Fuzz(func(_ *testing.T, text string) {
		if c, err := parse(text); err == nil {
			c.eval(e, &actor.Actor{}, Target{"project_id": "p"}, 0)
		}
	})
}

func TestServicesHaveHelpersOfTheirOwn(t *testing.T) {
	e := New()
	if err := e.Register(
		Rule{Name: "owner", Check: "user_id:%(user_id)s", Service: "identity"},
		Rule{Name: "identity:get", Check: "not (rule:other or not rule:owner)", Service: "identity"},
		Rule{Name: "owner", Check: "project_id:%(project_id)s"},
		Rule{Name: "get_port", Check: "rule:owner"},
	); err != nil {
		t.Fatal(err)
	}
	ctx := actor.With(context.Background(), &actor.Actor{UserID: "u", ProjectID: "p"})
	mine, ours := Target{"user_id": "u"}, Target{"project_id": "p"}
	if !e.Allowed(ctx, "identity:get", mine) || e.Allowed(ctx, "identity:get", ours) {
		t.Error("identity does not use its own owner")
	}
	if !e.Allowed(ctx, "get_port", ours) || e.Allowed(ctx, "get_port", mine) {
		t.Error("the other service does not use the common owner")
	}
	if err := e.Override(map[string]string{"identity/owner": "!", "identity:get": "rule:owner"}); err != nil {
		t.Fatal(err)
	}
	if e.Allowed(ctx, "identity:get", mine) || !e.Allowed(ctx, "get_port", ours) {
		t.Error("an override of one service's helper reached the other, or not its own")
	}
}

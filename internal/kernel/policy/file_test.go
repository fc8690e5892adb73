package policy

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"kumoi/internal/kernel/actor"
)

// Files in every form that people have of them mean what they mean to oslo.policy.
func TestFormsOfFiles(t *testing.T) {
	t.Parallel()
	const own, admin, other = 1, 2, 4 // a member of the target's project, an administrator, a member of another
	for text, want := range map[string]int{
		`"svc:thing:get": "role:admin"`:             admin,
		`{"svc:thing:get": "role:admin"}`:           admin,
		"{\n\t\"svc:thing:get\": \"role:admin\"\n}": admin, // JSON with tabs
		`"svc:thing:get": ""`:                       own | admin | other,
		`"svc:thing:get": `:                         own | admin | other,
		`"svc:thing:get": []`:                       own | admin | other,
		`"svc:thing:get": "@"`:                      own | admin | other,
		`"svc:thing:get": "!"`:                      0,
		`"svc:thing:get": [[]]`:                     0,
		`"svc:thing:get": ["!"]`:                    0,
		`"svc:thing:get": [["role:admin"],["role:member","project_id:%(project_id)s"]]`: own | admin,
		`"svc:thing:get": ["role:admin", ["role:member", "project_id:%(project_id)s"]]`: own | admin,
		`"svc:thing:get": [["rule:owner"]]
"owner": [["project_id:%(project_id)s"]]`: own | admin, // the administrator is of that project
		`"svc:thing": "role:admin"`: admin, // the rule's name before it was split
		`"svc:thing": "role:admin"
"svc:thing:get": "@"`: own | admin | other,
		`"svc": "role:admin"`: own,
		``:                    own,
	} {
		e := New()
		if err := e.Register(Rule{Name: "svc:thing:get", Check: "role:member and project_id:%(project_id)s"}, Rule{Name: "svc:thing:set", Check: "!"}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "policy")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := e.LoadFile(path); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := 0
		for bit, a := range map[int]*actor.Actor{
			own: {UserID: "u", ProjectID: "p", Roles: []string{"member"}}, admin: {UserID: "a", ProjectID: "p", Roles: []string{"admin"}},
			other: {UserID: "o", ProjectID: "q", Roles: []string{"member"}},
		} {
			if e.Allowed(actor.With(context.Background(), a), "svc:thing:get", Target{"project_id": "p"}) {
				got |= bit
			}
		}
		if got != want {
			t.Errorf("%s: allowed %b, want %b", text, got, want)
		}
	}
	for _, text := range []string{`"a": 5`, `"a": {"b": "c"}`, `"a": [[["role:x"]]]`, `"a": [["role:x or role:y"]]`, `[]`, `"a": [["nonsense"]]`, `- a`} {
		path := filepath.Join(t.TempDir(), "policy")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := New().LoadFile(path); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

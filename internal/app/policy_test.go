package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What "kumoi policy" says is what a cloud with the same settings decides.
func TestPolicyAnswersFollowTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.yaml")
	file := &Config{PolicyFile: path}
	q := PolicyQuestion{Rule: "identity:get_region", User: "u", Project: "p", Roles: []string{"reader"}}
	for _, c := range []struct {
		cfg      *Config
		text     string
		allowed  bool
		explains string
	}{
		{&Config{}, "", true, "allowed: identity:get_region"},
		{file, `"identity:get_region": "role:painter"`, false, "no  role:painter"},
		{file, `"identity:get_region": "role:painter or role:reader"`, true, "yes role:reader"},
		{file, "{}", true, "allowed: identity:get_region"},
	} {
		if c.text != "" {
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a, err := AskPolicy(t.Context(), c.cfg, q)
		if err != nil {
			t.Fatal(err)
		}
		if a.Allowed != c.allowed || !strings.Contains(a.Explanation, c.explains) {
			t.Errorf("%q: allowed %v\n%s", c.text, a.Allowed, a.Explanation)
		}
	}
	if err := os.WriteFile(path, []byte(`"identity:get_region": "role:painter"`), 0o600); err != nil {
		t.Fatal(err)
	}
	engine, err := Policy(file)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, r := range engine.Rules() {
		found = found || r.Name == "identity:get_region" && r.Check == "role:painter"
	}
	if !found {
		t.Error("the list of rules does not show the file's")
	}
	if err := os.WriteFile(path, []byte(`"identity:get_region": "role"`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := AskPolicy(t.Context(), file, q); err == nil {
		t.Error("a wrong file was taken")
	}
}

package federation

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

func mapping(t testing.TB, rules string) Mapping {
	t.Helper()
	m := Mapping{ID: "m"}
	if err := json.Unmarshal([]byte(rules), &m.Rules); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMapping(t *testing.T) {
	who := Assertion{"sub": {"u1"}, "name": {"Ann"}, "groups": {"ops", "dev", "admins"}, "mail": {"ann@example.org"}, "empty": {""}, "keystone": {`JSON:{"name":"g","domain":{"name":"Far"}}`, "plain"}, "badjson": {"JSON:{"}}
	tests := []struct {
		name, rules string
		want        Mapped
		kind        errs.Kind
	}{
		{
			"direct", `[{"local":[{"user":{"id":"{0}","name":"{1}","email":"{2}"}}],"remote":[{"type":"sub"},{"type":"name"},{"type":"mail"}]}]`,
			Mapped{UserID: "u1", UserName: "Ann", Email: "ann@example.org"},
			0,
		},
		{
			"conditions take no number", `[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"groups","any_one_of":["ops"]},{"type":"name"}]}]`,
			Mapped{UserName: "Ann"},
			0,
		},
		{
			"whitelist", `[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}","domain":{"id":"d"}}],"remote":[{"type":"name"},{"type":"groups","whitelist":["ops","qa"]}]}]`,
			Mapped{UserName: "Ann", GroupNames: []MappedGroup{{"ops", MappedDomain{ID: "d"}}}},
			0,
		},
		{
			"blacklist by expression", `[{"local":[{"user":{"name":"{0}"}},{"group_ids":"{1}"}],"remote":[{"type":"name"},{"type":"groups","blacklist":["^adm"],"regex":true}]}]`,
			Mapped{UserName: "Ann", GroupIDs: []string{"ops", "dev"}},
			0,
		},
		{
			"text around", `[{"local":[{"user":{"name":"{0}@corp"}},{"groups":"corp-{1}","domain":{"name":"D"}}],"remote":[{"type":"sub"},{"type":"groups","whitelist":["ops","dev"]}]}]`,
			Mapped{UserName: "u1@corp", GroupNames: []MappedGroup{{"corp-ops", MappedDomain{Name: "D"}}, {"corp-dev", MappedDomain{Name: "D"}}}},
			0,
		},
		{
			"the first user counts", `[{"local":[{"user":{"name":"first"}}],"remote":[{"type":"sub"}]},{"local":[{"user":{"name":"second"}},{"group":{"id":"g"}}],"remote":[{"type":"sub"}]}]`,
			Mapped{UserName: "first", GroupIDs: []string{"g"}},
			0,
		},
		{
			"projects", `[{"local":[{"user":{"name":"{0}"},"projects":[{"name":"p-{0}","roles":[{"name":"member"}]}]}],"remote":[{"type":"sub"}]}]`,
			Mapped{UserName: "u1", Projects: []MappedProject{{Name: "p-u1", Roles: []string{"member"}}}},
			0,
		},
		{
			"projects of a domain", `[{"local":[{"user":{"name":"{0}"},"domain":{"name":"D"},"projects":[{"name":"a","roles":[]},{"name":"b","domain":{"id":"{0}"},"roles":[]}]}],"remote":[{"type":"sub"}]}]`,
			Mapped{UserName: "u1", Projects: []MappedProject{{Name: "a", Domain: MappedDomain{Name: "D"}}, {Name: "b", Domain: MappedDomain{ID: "u1"}}}},
			0,
		},
		{
			"groups with their domain", `[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}"}],"remote":[{"type":"sub"},{"type":"keystone"}]}]`,
			Mapped{UserName: "u1", GroupNames: []MappedGroup{{"g", MappedDomain{Name: "Far"}}, {"plain", MappedDomain{}}}},
			0,
		},
		{
			"groups of the mapping's domain only", `[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}","domain":{"id":"d"}}],"remote":[{"type":"sub"},{"type":"keystone","whitelist":["JSON:"],"regex":true}]}]`,
			Mapped{UserName: "u1", GroupNames: []MappedGroup{{`JSON:{"name":"g","domain":{"name":"Far"}}`, MappedDomain{ID: "d"}}}},
			0,
		},
		{
			"local", `[{"local":[{"user":{"id":"{0}","type":"local","domain":{"id":"d"}}}],"remote":[{"type":"sub"}]}]`,
			Mapped{UserID: "u1", UserDomain: MappedDomain{ID: "d"}, Local: true},
			0,
		},
		{
			"all that fit", `[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"},{"type":"groups","any_one_of":["^o.s$"],"regex":true}]},{"local":[{"group":{"name":"g","domain":{"id":"d"}}}],"remote":[{"type":"groups","not_any_of":["nobody"]}]}]`,
			Mapped{UserName: "u1", GroupNames: []MappedGroup{{"g", MappedDomain{ID: "d"}}}},
			0,
		},
		{"empty attribute", `[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"empty"}]}]`, Mapped{}, errs.Unauthenticated},
		{"no JSON", `[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}"}],"remote":[{"type":"sub"},{"type":"badjson"}]}]`, Mapped{}, errs.Invalid},
		{"none of", `[{"local":[{"user":{"name":"x"}}],"remote":[{"type":"groups","not_any_of":["admins"]}]}]`, Mapped{}, errs.Unauthenticated},
		{"missing attribute", `[{"local":[{"user":{"name":"x"}}],"remote":[{"type":"phone"}]}]`, Mapped{}, errs.Unauthenticated},
		{"no user", `[{"local":[{"group":{"id":"g"}}],"remote":[{"type":"sub"}]}]`, Mapped{}, errs.Unauthenticated},
		{"number too high", `[{"local":[{"user":{"name":"{3}"}}],"remote":[{"type":"sub"}]}]`, Mapped{}, errs.Invalid},
	}
	for _, tc := range tests {
		m := mapping(t, tc.rules)
		if err := ValidateRules(m.Rules); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		got, err := m.Map(who)
		if tc.kind != 0 {
			if !errs.Is(err, tc.kind) {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, %v", tc.name, got, err)
		}
	}
}

func TestExplainMapping(t *testing.T) {
	m := mapping(t, `[
		{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"sub"}]},
		{"local":[{"group":{"id":"g"}}],"remote":[{"type":"groups","any_one_of":["qa"]}]},
		{"local":[{"group":{"id":"h"}}],"remote":[{"type":"phone"}]}]`)
	got, why, err := m.Explain(Assertion{"sub": {"u1"}, "groups": {"ops"}})
	if err != nil || got.UserName != "u1" || len(why) != 3 || why[0] != "" || !strings.Contains(why[1], "any_one_of") || !strings.Contains(why[2], "no phone") {
		t.Errorf("%+v %q %v", got, why, err)
	}
}

// What an assertion holds is data: it is never expanded again.
func TestAssertionsAreNotTemplates(t *testing.T) {
	m := mapping(t, `[{"local":[{"user":{"name":"{0}"}},{"groups":"x-{1}","domain":{"id":"d"}}],"remote":[{"type":"sub"},{"type":"groups"}]}]`)
	got, err := m.Map(Assertion{"sub": {"{1}"}, "groups": {"{0}", "admins"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.UserName != "{1}" || got.GroupNames[0].Name != "x-{0}" {
		t.Errorf("%v", got)
	}
}

func FuzzMapping(f *testing.F) {
	f.Add(`[{"local":[{"user":{"name":"{0}"}},{"groups":"{1}"}],"remote":[{"type":"sub"},{"type":"groups","whitelist":["a"],"regex":true}]}]`, "a;b")
	f.Fuzz(func(_ *testing.T, rules, value string) {
		m := Mapping{ID: "m"}
		if json.Unmarshal([]byte(rules), &m.Rules) == nil && ValidateRules(m.Rules) == nil {
			_, _ = m.Map(Assertion{"sub": {value}, "groups": {value, "a"}})
		}
	})
}

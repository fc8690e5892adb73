package actor_test

import (
	"strings"
	"testing"

	"kumoi/internal/kernel/actor"
)

func TestAccessRulesMatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		pattern, path string
		want          bool
	}{
		{"/v2.1/servers", "/v2.1/servers", true},
		{"/v2.1/servers", "/v2.1/servers/x", false},
		{"/v2.1/servers", "/v2x1/servers", false}, // a dot is a dot
		{"/v2.1/servers/*", "/v2.1/servers/x", true},
		{"/v2.1/servers/*", "/v2.1/servers/", false},
		{"/v2.1/servers/*", "/v2.1/servers/x/ips", false},
		{"/v2.1/servers/*/ips", "/v2.1/servers/x/ips", true},
		{"/v2.1/servers/{server_id}", "/v2.1/servers/x", true},
		{"/v2.1/servers/{server_id}/ips/{net}", "/v2.1/servers/x/ips/y", true},
		{"/v2.1/servers/{server_id}", "/v2.1/servers/x/y", false},
		{"/v2.1/**", "/v2.1/servers/x/y", true},
		{"/v2.1/**/ips", "/v2.1/servers/x/ips", true},
		{"/v2.1/**/ips", "/v2.1/servers/x", false},
		{"/v2.1/a*c", "/v2.1/abbc", true},
		{"/v2.1/{a", "/v2.1/{a", true}, // no name ends here
		{"**", "/anything/at/all", true},
	} {
		a := &actor.Actor{AccessRules: []actor.AccessRule{actor.NewAccessRule("compute", "GET", tc.pattern)}}
		if got := a.Permits("compute", "GET", tc.path); got != tc.want {
			t.Errorf("%s permits %s: %v", tc.pattern, tc.path, got)
		}
		if a.Permits("compute", "POST", tc.path) || a.Permits("network", "GET", tc.path) || a.Permits("compute", "HEAD", tc.path) {
			t.Errorf("%s permits another method or service", tc.pattern)
		}
	}
	long := &actor.Actor{AccessRules: []actor.AccessRule{actor.NewAccessRule("compute", "GET", strings.Repeat("**a", 75))}}
	if long.Permits("compute", "GET", strings.Repeat("a", 5000)+"b") { // and not for long
		t.Error("a path that does not match")
	}
	none := &actor.Actor{AccessRules: []actor.AccessRule{}}
	if none.Permits("compute", "GET", "/") || !none.Permits("identity", "GET", "/v3/auth/tokens") {
		t.Error("rules that allow nothing")
	}
	if !(&actor.Actor{}).Permits("compute", "GET", "/") || !(&actor.Actor{AccessRules: []actor.AccessRule{}, ServiceRoles: []string{"service"}}).Permits("compute", "GET", "/") {
		t.Error("no rules, or a service that carries on")
	}
}

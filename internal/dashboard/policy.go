package dashboard

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
)

// AllHints is the rule of who is told of every change in the cloud.
const AllHints = "dashboard:get_all_hints"

// Rules are what the page asks the policy; all else is asked by the APIs that it calls.
func Rules() []policy.Rule {
	return []policy.Rule{{
		Name: AllHints, Check: "role:admin or (role:reader and system_scope:all)", Scopes: []string{"system", "project"},
		Description: "Be told by the web page's stream of every change in the cloud, not only of those in one's own project.",
	}}
}

// ToldAll tells whether an actor is told of every change.
func ToldAll(ctx context.Context, rules *policy.Engine, who *actor.Actor) bool {
	return rules.Allowed(actor.With(ctx, who), AllHints, nil)
}

package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
)

// Explanation says what a rule decided and which of its parts did.
type Explanation struct {
	Rule    string
	Allowed bool
	// Scope is set when the token's scope alone refuses, before any check.
	Scope string
	Trace []TraceLine
}

// TraceLine is one part of a rule with its outcome, indented by depth.
type TraceLine struct {
	Depth int
	Check string
	True  bool
	Note  string
}

// String draws the explanation as an indented tree.
func (x *Explanation) String() string {
	var b strings.Builder
	verdict := "denied"
	if x.Allowed {
		verdict = "allowed"
	}
	fmt.Fprintf(&b, "%s: %s", verdict, x.Rule)
	if x.Scope != "" {
		fmt.Fprintf(&b, "\n  %s", x.Scope)
	}
	for _, l := range x.Trace {
		mark := "no "
		if l.True {
			mark = "yes"
		}
		fmt.Fprintf(&b, "\n  %s%s %s", strings.Repeat("  ", l.Depth), mark, l.Check)
		if l.Note != "" {
			fmt.Fprintf(&b, "   (%s)", l.Note)
		}
	}
	return b.String()
}

// Explain decides like Check and tells how. An unknown rule is NotFound.
func (e *Engine) Explain(ctx context.Context, rule string, t Target) (*Explanation, error) {
	c, ok := e.lookup(rule)
	if !ok {
		return nil, errs.New(errs.NotFound, "There is no policy rule named %q; kumoi policy list shows them all.", rule)
	}
	a := actor.From(ctx)
	x := &Explanation{Rule: rule, Allowed: e.allowed(a, rule, t)}
	if r, known := e.defaults[rule]; known && !inScope(a, r.Scopes) {
		x.Scope = "the rule is for tokens scoped to " + strings.Join(r.Scopes, " or ")
	}
	x.trace(e, a, t, c, 0)
	return x, nil
}

func (x *Explanation) trace(e *Engine, a *actor.Actor, t Target, c check, depth int) {
	line := TraceLine{Depth: depth, Check: c.String(), True: c.eval(e, a, t, depth)}
	var parts []check
	switch c := c.(type) {
	case andCheck:
		line.Check, parts = "all of", c
	case orCheck:
		line.Check, parts = "any of", c
	case notCheck:
		line.Check, parts = "not", []check{c.of}
	case ruleCheck:
		if next, ok := e.lookup(string(c)); ok && depth < maxDepth {
			parts = []check{next}
		} else {
			line.Note = "no such rule"
		}
	case roleCheck:
		line.Note = "the actor's roles: " + strings.Join(a.Roles, ", ")
	case attrCheck:
		want, ok := t.expand(c.match)
		if !ok {
			line.Note = "the target has no such attribute"
			break
		}
		line.Note = fmt.Sprintf("the actor's: %s, the target's: %s", strings.Join(slices.Clip(credential(a, c.kind)), ", "), want)
	}
	x.Trace = append(x.Trace, line)
	for _, p := range parts {
		x.trace(e, a, t, p, depth+1)
	}
}

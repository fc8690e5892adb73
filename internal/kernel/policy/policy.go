// Package policy decides whether an actor may do something. Rules carry
// OpenStack's names and defaults and are written in its rule language
// (oslo.policy), so that an operator's override file means the same here.
//
// Services register their rules at assembly and ask Check with the attributes
// of the thing acted on. What the actor may not know to exist is the service's
// decision: it turns Forbidden into NotFound.
package policy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
)

// Rule is one named rule with its default.
type Rule struct {
	Name        string
	Check       string   // in the rule language
	Scopes      []string // token scopes it is meant for: system, domain, project; empty: any
	Description string
	// Service, when set, is where a helper rule (one without a colon in its
	// name, such as "owner") belongs. OpenStack's services each have a policy
	// file of their own and use the same names for different checks.
	Service string
}

// key is the name under which a rule is kept.
func (r Rule) key() string {
	if r.Service == "" || strings.Contains(r.Name, ":") {
		return r.Name
	}
	return r.Service + "/" + r.Name
}

// Target holds the attributes of what is acted on, under the names that rules
// use: "project_id", "user_id", "target.user.domain_id" …
type Target map[string]string

// expand replaces %(name)s; ok is false if the target lacks a name, so that a
// missing attribute never matches an empty one.
func (t Target) expand(s string) (string, bool) {
	for {
		i := strings.Index(s, "%(")
		if i < 0 {
			return s, true
		}
		j := strings.Index(s[i:], ")s")
		if j < 0 {
			return s, true
		}
		v, ok := t[s[i+2:i+j]]
		if !ok {
			return "", false
		}
		s = s[:i] + v + s[i+j+2:]
	}
}

// Engine holds the rules. Make it with New, register at assembly, then share it.
type Engine struct {
	defaults map[string]Rule
	table    atomic.Pointer[map[string]check]
	mu       sync.Mutex // guards override
	override map[string]string
}

// New returns an engine without rules.
func New() *Engine {
	e := &Engine{defaults: map[string]Rule{}}
	e.table.Store(&map[string]check{})
	return e
}

// Register adds rules. A name registered twice with different checks, or a
// check that does not parse, is a defect and reported as an error.
func (e *Engine) Register(rules ...Rule) error {
	for _, r := range rules {
		if have, ok := e.defaults[r.key()]; ok && have.Check != r.Check {
			return fmt.Errorf("policy %s: registered as %q and as %q", r.Name, have.Check, r.Check)
		}
		if _, err := parse(r.Check); err != nil {
			return fmt.Errorf("policy %s: %w", r.Name, err)
		}
		e.defaults[r.key()] = r
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rebuild(e.override)
}

// Override replaces the operator's overrides, name to check; the engine goes
// on with the old ones if any is wrong.
func (e *Engine) Override(rules map[string]string) error {
	for name := range rules {
		if _, err := parse(rules[name]); err != nil {
			return errs.Wrap(errs.Invalid, err, "policy %s: %s", name, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.rebuild(rules)
}

// rebuild makes the table anew; the caller holds mu.
func (e *Engine) rebuild(override map[string]string) error {
	table := make(map[string]check, len(e.defaults)+len(override))
	used := map[string]bool{}
	for key, r := range e.defaults {
		text := r.Check
		if own, name := e.overridden(r, override); name != "" {
			text, used[name] = own, true
		}
		c, err := parse(text)
		if err != nil {
			return err
		}
		table[key] = e.qualify(c, r.Service)
	}
	for name, text := range override {
		if used[name] {
			continue
		}
		c, err := parse(text)
		if err != nil {
			return err
		}
		table[name] = c
	}
	e.override = override
	e.table.Store(&table)
	return nil
}

// overridden returns the operator's check for a rule, and the name in the file.
// That may be the name that an older release had for several rules at once:
// "os_compute_api:os-services" is now "os_compute_api:os-services:list" and others.
func (e *Engine) overridden(r Rule, override map[string]string) (text, name string) {
	for _, name := range []string{r.key(), r.Name} {
		if text, ok := override[name]; ok {
			return text, name
		}
	}
	if i := strings.LastIndexByte(r.Name, ':'); i > 0 && strings.Count(r.Name, ":") > 1 {
		former := r.Name[:i]
		if _, lives := e.defaults[former]; !lives {
			if text, ok := override[former]; ok {
				return text, former
			}
		}
	}
	return "", ""
}

// qualify makes references to helper rules mean those of the service.
func (e *Engine) qualify(c check, service string) check {
	if service == "" {
		return c
	}
	each := func(list []check) []check {
		out := make([]check, len(list))
		for i, x := range list {
			out[i] = e.qualify(x, service)
		}
		return out
	}
	switch c := c.(type) {
	case ruleCheck:
		if _, ok := e.defaults[service+"/"+string(c)]; ok {
			return ruleCheck(service + "/" + string(c))
		}
	case notCheck:
		return notCheck{e.qualify(c.of, service)}
	case andCheck:
		return andCheck(each(c))
	case orCheck:
		return orCheck(each(c))
	}
	return c
}

// lookup finds a rule; an unknown one falls back to "default" as in oslo.policy.
func (e *Engine) lookup(name string) (check, bool) {
	table := *e.table.Load()
	c, ok := table[name]
	if !ok {
		c, ok = table["default"]
	}
	return c, ok
}

// Rules returns the registered rules by name, overrides applied.
func (e *Engine) Rules() []Rule {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := make([]Rule, 0, len(e.defaults))
	for key, r := range e.defaults {
		if text, name := e.overridden(r, e.override); name != "" {
			r.Check = text
		}
		r.Name = key
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b Rule) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// Check returns nil if the context's actor may do what the rule names to the
// target, else a Forbidden error (Unauthenticated if there is no actor).
func (e *Engine) Check(ctx context.Context, rule string, t Target) error {
	a := actor.From(ctx)
	if e.allowed(a, rule, t) {
		return nil
	}
	if !a.Authenticated() {
		return errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
	}
	return errs.New(errs.Forbidden, "You are not authorized to perform the requested action: %s.", rule)
}

// Allowed is Check as a question, for answers that show less to some.
func (e *Engine) Allowed(ctx context.Context, rule string, t Target) bool {
	return e.allowed(actor.From(ctx), rule, t)
}

func (e *Engine) allowed(a *actor.Actor, rule string, t Target) bool {
	if a.System != "" {
		return true
	}
	c, ok := e.lookup(rule)
	if !ok {
		return false
	}
	if r, known := e.defaults[rule]; known && !inScope(a, r.Scopes) {
		return false
	}
	return c.eval(e, a, t, 0)
}

// inScope enforces the scopes a rule is meant for.
func inScope(a *actor.Actor, scopes []string) bool {
	if len(scopes) == 0 {
		return true
	}
	have := "project"
	switch {
	case a.SystemScope != "":
		have = "system"
	case a.DomainID != "":
		have = "domain"
	}
	return slices.Contains(scopes, have)
}

// credential returns the actor's values for the left side of KIND:MATCH.
func credential(a *actor.Actor, kind string) []string {
	one := func(s string) []string {
		if s == "" {
			return nil
		}
		return []string{s}
	}
	switch kind {
	case "user_id", "token.user.id":
		return one(a.UserID)
	case "project_id", "tenant_id", "tenant", "token.project.id":
		return one(a.ProjectID)
	case "domain_id", "token.domain.id":
		return one(a.DomainID)
	case "user_domain_id", "token.user.domain.id":
		return one(a.UserDomainID)
	case "project_domain_id", "token.project.domain.id":
		return one(a.ProjectDomainID)
	case "system_scope", "system":
		return one(a.SystemScope)
	case "service_roles", "service_role":
		return a.ServiceRoles
	case "group_ids":
		return a.GroupIDs
	case "roles":
		return a.Roles
	case "trust_id":
		return one(a.TrustID)
	case "trustor_id":
		return one(a.TrustorID)
	case "trustee_id":
		return one(a.TrusteeID)
	case "is_admin_project":
		if a.IsAdminProject {
			return []string{"True"}
		}
		return []string{"False"}
	case "is_admin":
		if a.HasRole("admin") {
			return []string{"True", "1"}
		}
		return []string{"False", "0"}
	}
	return nil
}

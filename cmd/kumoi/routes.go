package main

import (
	"context"
	"fmt"
	"strings"

	"kumoi/internal/app"
)

type routesCmd struct {
	Format  string `enum:"table,json" default:"table" help:"table or json."`
	Service string `help:"Only this service (keystone, glance, nova, placement, neutron)."`
}

func (c *routesCmd) Run() error {
	all, err := app.Routes()
	if err != nil {
		return err
	}
	var rows []app.RouteRow
	for _, r := range all {
		if c.Service == "" || r.Service == c.Service {
			rows = append(rows, r)
		}
	}
	if c.Format == "json" {
		return printJSON(rows)
	}
	table("SERVICE | METHOD | PATH | POLICY | VERSIONS", func(line func(...any)) {
		for _, r := range rows {
			line(r.Service, r.Method, r.Path, r.Policy, r.Versions)
		}
	})
	fmt.Printf("\n%d operations\n", len(rows))
	return nil
}

type policyCmd struct {
	List    policyListCmd    `cmd:"" help:"List every rule with its check."`
	Check   policyCheckCmd   `cmd:"" help:"Tell whether an actor may do something."`
	Explain policyExplainCmd `cmd:"" help:"Tell which part of a rule decides, and why."`
}

type policyListCmd struct {
	cloudFlags
	Format string `enum:"table,json" default:"table" help:"table or json."`
	Match  string `arg:"" optional:"" help:"Only rules whose name contains this."`
}

func (c *policyListCmd) Run(ctx context.Context) error {
	if err := rulesOf(ctx, &c.Config); err != nil {
		return err
	}
	engine, err := app.Policy(&c.Config)
	if err != nil {
		return err
	}
	rules := engine.Rules()
	kept := rules[:0]
	for _, r := range rules {
		if strings.Contains(r.Name, c.Match) {
			kept = append(kept, r)
		}
	}
	if c.Format == "json" {
		return printJSON(kept)
	}
	table("RULE | SCOPES | CHECK", func(line func(...any)) {
		for _, r := range kept {
			line(r.Name, strings.Join(r.Scopes, ","), r.Check)
		}
	})
	return nil
}

// policyQuestion is an actor and a target, as flags.
type policyQuestion struct {
	cloudFlags
	Rule    string            `arg:"" help:"Name of the rule, such as os_compute_api:servers:show."`
	Roles   []string          `help:"The actor's roles."`
	User    string            `default:"someone" help:"The actor's user id."`
	Project string            `help:"The project the actor's token is for."`
	Domain  string            `help:"The domain the actor's token is for."`
	System  bool              `help:"The actor's token is for the system."`
	Target  map[string]string `help:"Attributes of the target, such as project_id=…;user_id=…"`
}

// rulesOf takes the policy file of the data directory's cloud, if none is given.
func rulesOf(ctx context.Context, cfg *app.Config) error {
	given := cfg.PolicyFile
	_, err := app.Adopt(ctx, cfg)
	if given != "" {
		cfg.PolicyFile = given
	}
	return err
}

func (q *policyQuestion) ask(ctx context.Context) (*app.PolicyAnswer, error) {
	if err := rulesOf(ctx, &q.Config); err != nil {
		return nil, err
	}
	return app.AskPolicy(ctx, &q.Config, app.PolicyQuestion{
		Rule: q.Rule, Roles: q.Roles, User: q.User, Project: q.Project, Domain: q.Domain, System: q.System, Target: q.Target,
	})
}

type policyCheckCmd struct{ policyQuestion }

func (c *policyCheckCmd) Run(ctx context.Context) error {
	a, err := c.ask(ctx)
	if err != nil {
		return err
	}
	if !a.Allowed {
		return fmt.Errorf("denied: %s", a.Rule)
	}
	fmt.Println("allowed:", a.Rule)
	return nil
}

type policyExplainCmd struct{ policyQuestion }

func (c *policyExplainCmd) Run(ctx context.Context) error {
	a, err := c.ask(ctx)
	if err != nil {
		return err
	}
	fmt.Println(a.Explanation)
	return nil
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"kumoi/internal/app"
	"kumoi/internal/identity/federation"
)

type mappingCmd struct {
	Test mappingTestCmd `cmd:"" help:"Show which rules of a mapping fit an assertion, why the others do not, and who comes of it."`
}

type mappingTestCmd struct {
	cloudFlags
	Rules   string `type:"existingfile" xor:"what" required:"" help:"File with rules, as JSON; no cloud needs to run."`
	Mapping string `xor:"what" required:"" help:"Id of a mapping of the running cloud."`
	Input   string `type:"existingfile" required:"" help:"File with the assertion: a JSON object, or lines 'name: value;value'."`
	Format  string `enum:"text,json" default:"text" help:"text or json."`
}

func (c *mappingTestCmd) Run(ctx context.Context) error {
	b, err := os.ReadFile(c.Input)
	if err != nil {
		return err
	}
	assertion, err := app.ReadAssertion(b)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Input, err)
	}
	trial, err := c.try(ctx, assertion)
	if err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(trial)
	}
	for i, why := range trial.Rules {
		if why == "" {
			why = "fits"
		} else {
			why = "does not fit: " + why
		}
		fmt.Printf("rule %d %s\n", i, why)
	}
	if trial.Error != "" {
		return fmt.Errorf("nobody is logged in: %s", trial.Error)
	}
	printMapped(trial.Result)
	return nil
}

func (c *mappingTestCmd) try(ctx context.Context, assertion map[string][]string) (*app.MappingTrial, error) {
	if c.Rules != "" {
		b, err := os.ReadFile(c.Rules)
		if err != nil {
			return nil, err
		}
		trial, err := app.TryRules(b, assertion)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Rules, err)
		}
		return trial, nil
	}
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return nil, err
	}
	var trial app.MappingTrial
	return &trial, client.Call(ctx, http.MethodPost, "/identity/mappings/"+url.PathEscape(c.Mapping)+"/test", assertion, &trial)
}

func printMapped(m federation.Mapped) {
	domain := func(d federation.MappedDomain) string {
		switch {
		case d.ID != "":
			return " of the domain with id " + d.ID
		case d.Name != "":
			return " of the domain " + d.Name
		}
		return " of the identity provider's domain"
	}
	kind := "a user of the identity provider"
	if m.Local {
		kind = "a user who exists here"
	}
	fmt.Printf("user: %s: id %q, name %q, email %q,%s\n", kind, m.UserID, m.UserName, m.Email, domain(m.UserDomain))
	for _, g := range m.GroupIDs {
		fmt.Printf("group: with id %s\n", g)
	}
	for _, g := range m.GroupNames {
		fmt.Printf("group: %s%s\n", g.Name, domain(g.Domain))
	}
	for _, p := range m.Projects {
		fmt.Printf("project: %s%s, roles %q\n", p.Name, domain(p.Domain), p.Roles)
	}
}

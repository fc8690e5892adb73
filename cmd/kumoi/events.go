package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"kumoi/internal/app"
	"kumoi/internal/kernel/event"
)

type eventsCmd struct {
	cloudFlags
	Follow   bool   `short:"f" help:"Go on with what happens from now, until interrupted."`
	Type     string `help:"Only types that begin so: compute, compute.server.update."`
	Resource string `help:"Only this resource's (id)."`
	Project  string `help:"Only of this project's resources (id)."`
	After    string `help:"Only events after this place, as the first column shows it."`
	Format   string `enum:"text,json" default:"text" help:"text, or json: one event a line."`
}

func (c *eventsCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	q := url.Values{"after": {c.After}, "type": {c.Type}, "resource": {c.Resource}, "project": {c.Project}}
	if c.Follow {
		q.Set("wait", "")
		if c.After == "" {
			var at app.EventPage
			if err := client.Call(ctx, http.MethodGet, "/events?end", nil, &at); err != nil {
				return err
			}
			q.Set("after", at.Next.String())
		}
	}
	for {
		var page app.EventPage
		if err := client.Call(ctx, http.MethodGet, "/events?"+q.Encode(), nil, &page); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		if err := c.print(page.Events); err != nil {
			return err
		}
		next := page.Next.String()
		if next == q.Get("after") && !c.Follow {
			return nil
		}
		q.Set("after", next)
	}
}

func (c *eventsCmd) print(list []event.Event) error {
	lines := json.NewEncoder(os.Stdout)
	for _, e := range list {
		if c.Format == "json" {
			if err := lines.Encode(e); err != nil {
				return err
			}
			continue
		}
		fmt.Printf("%-8s %s  %-26s %s  project %s  %s\n", e.At, e.Time.Local().Format("15:04:05.000"), e.Type, e.Resource, e.Project, e.State)
	}
	return nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"kumoi/internal/app"
	"kumoi/internal/kernel/audit"
)

type auditCmd struct {
	List auditListCmd `cmd:"" help:"List events of the audit trail, newest first."`
	Show auditShowCmd `cmd:"" help:"Show one event, as CADF."`
}

type auditListCmd struct {
	cloudFlags
	Since   string `help:"Only events since then: a duration back from now (90m, 24h) or a time (2006-01-02T15:04:05Z)."`
	Until   string `help:"Only events before then; written as --since."`
	Service string `help:"Only this service's: identity, image, network, compute, placement."`
	Action  string `help:"Only actions that begin so: created.user, delete, update/reboot."`
	Outcome string `enum:",success,failure" default:"" help:"Only success or failure."`
	User    string `help:"Only what this user did (id or name)."`
	Project string `help:"Only what was done with a token for this project (id)."`
	Target  string `help:"Only what was done to this resource (id)."`
	Request string `help:"Only this request's (req-…)."`
	Limit   int    `default:"50" help:"How many at most; 0: all."`
	Format  string `enum:"table,json" default:"table" help:"table, or json: one CADF event a line."`
}

func (c *auditListCmd) Run(ctx context.Context) error {
	q := url.Values{
		"service": {c.Service}, "action": {c.Action}, "outcome": {c.Outcome}, "initiator": {c.User},
		"project": {c.Project}, "target": {c.Target}, "request": {c.Request}, "limit": {fmt.Sprint(c.Limit)},
	}
	for name, text := range map[string]string{"since": c.Since, "until": c.Until} {
		at, err := moment(text, time.Now())
		if err != nil {
			return fmt.Errorf("--%s: %w", name, err)
		}
		if !at.IsZero() {
			q.Set(name, at.Format(time.RFC3339Nano))
		}
	}
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var list []audit.Event
	if err := client.Call(ctx, http.MethodGet, "/audit?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if c.Format == "json" {
		lines := json.NewEncoder(os.Stdout)
		for _, e := range list {
			if err := lines.Encode(e); err != nil {
				return err
			}
		}
		return nil
	}
	table("ID | TIME | SERVICE | ACTION | OUTCOME | BY | ON | TYPE | FROM | REASON", func(line func(...any)) {
		for _, e := range list {
			line(e.ID, e.EventTime, e.Service(), e.Action, e.Outcome, nameOf(e.Initiator), nameOf(e.Target), e.Target.TypeURI, addressOf(e.Initiator), reasonOf(e))
		}
	})
	return nil
}

// moment reads a time, or a duration back from now; no text gives the zero time.
func moment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is neither a duration, such as 24h, nor a time, such as 2006-01-02T15:04:05Z", text)
}

func nameOf(r audit.Resource) string {
	if r.Name != "" && r.Name != r.ID {
		return strings.TrimSpace(r.Name + " " + r.ID)
	}
	return r.ID
}

func addressOf(r audit.Resource) string {
	if r.Host == nil {
		return ""
	}
	return r.Host.Address
}

func reasonOf(e audit.Event) string {
	if e.Reason == nil {
		return ""
	}
	return e.Reason.ReasonCode + " " + e.Reason.ReasonType
}

type auditShowCmd struct {
	cloudFlags
	ID string `arg:"" help:"The event's id."`
}

func (c *auditShowCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var e audit.Event
	if err := client.Call(ctx, http.MethodGet, "/audit/"+url.PathEscape(c.ID), nil, &e); err != nil {
		return err
	}
	return printJSON(e)
}

type bootstrapCmd struct {
	cloudFlags
	User        string `default:"admin" help:"Name of the administrator."`
	Password    string `env:"KUMOI_NEW_PASSWORD" required:"" help:"The administrator's password."`
	Project     string `default:"admin" help:"Name of the administrator's project."`
	PublicURL   string `name:"identity-public-url" help:"Identity's public endpoint, where none with a full URL is there."`
	InternalURL string `name:"identity-internal-url" help:"Identity's internal endpoint (default: the public one)."`
	AdminURL    string `name:"identity-admin-url" help:"Identity's admin endpoint (default: the public one)."`
}

func (c *bootstrapCmd) Run(ctx context.Context, k *kong.Context) error {
	region := c.Region
	if _, err := app.Adopt(ctx, &c.Config); err != nil {
		return err
	}
	if said(k, "region") {
		c.Region = region
	}
	in := app.BootstrapRequest{
		User: c.User, Password: c.Password, Project: c.Project, Region: c.Region,
		PublicURL: c.PublicURL, InternalURL: c.InternalURL, AdminURL: c.AdminURL,
	}
	return tell(ctx, &c.Config, "/identity/bootstrap", in, "domain, roles, administrator, region and catalogue are in place")
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"kumoi/internal/app"
	"kumoi/internal/kernel/service"
)

type adminCmd struct {
	Saga          sagaCmd          `cmd:"" help:"Long operations: list, show, retry, abandon."`
	Task          taskCmd          `cmd:"" help:"Upkeep: what runs regularly and how it fares."`
	Host          hostCmd          `cmd:"" help:"Hosts: make and withdraw the credentials of their agents."`
	Audit         auditCmd         `cmd:"" help:"The audit trail: every change and every failed login, as CADF events."`
	Bootstrap     bootstrapCmd     `cmd:"" help:"Make the default domain, roles, administrator, region and catalogue where they are missing, and set the administrator's password."`
	Mapping       mappingCmd       `cmd:"" help:"Federation: try what a mapping makes of an assertion."`
	ResetPassword resetPasswordCmd `cmd:"" help:"Give a user a new password."`
	RotateKeys    rotateKeysCmd    `cmd:"" help:"Make new keys for tokens and credentials now; tokens stay valid until they expire, credentials are sealed again."`
}

type sagaCmd struct {
	List    sagaListCmd    `cmd:"" help:"List sagas, newest first."`
	Show    sagaShowCmd    `cmd:"" help:"Show one saga with its log."`
	Retry   sagaRetryCmd   `cmd:"" help:"Have a stuck saga undo what is left."`
	Abandon sagaAbandonCmd `cmd:"" help:"End a saga as it is; what it made stays."`
}

type sagaListCmd struct {
	cloudFlags
	State    []string `help:"Only these states: running, unwinding, done, undone, stuck, abandoned."`
	Kind     string   `help:"Only this kind, such as server.create."`
	Resource string   `help:"Only this resource's."`
	Limit    int      `default:"50" help:"How many at most."`
	Format   string   `enum:"table,json" default:"table" help:"table or json."`
}

func (c *sagaListCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	q := url.Values{"state": c.State, "kind": {c.Kind}, "resource": {c.Resource}, "limit": {fmt.Sprint(c.Limit)}}
	var list []app.SagaRow
	if err := client.Call(ctx, http.MethodGet, "/sagas?"+q.Encode(), nil, &list); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(list)
	}
	table("ID | KIND | RESOURCE | STATE | STEP | AGE | TOOK | ERROR", func(line func(...any)) {
		for _, s := range list {
			line(s.ID, s.Kind, s.Resource, s.State, s.Step, time.Since(s.Created).Round(time.Second), s.Took(), s.Error)
		}
	})
	return nil
}

type sagaShowCmd struct {
	cloudFlags
	ID     string `arg:"" help:"The saga's id."`
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *sagaShowCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var d app.SagaDetail
	if err := client.Call(ctx, http.MethodGet, "/sagas/"+url.PathEscape(c.ID), nil, &d); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(d)
	}
	fmt.Printf("%s of %s: %s, step %q, begun %s\n", d.Kind, d.Resource, d.State, d.Step, d.Created.Format(time.RFC3339))
	if d.Error != "" {
		fmt.Println("error:", d.Error)
	}
	fmt.Printf("wanted by user %s, project %s, request %s; run by %s\n\n", d.UserID, d.ProjectID, d.RequestID, d.Owner)
	table("TIME | EVENT | STEP | TOOK | ERROR", func(line func(...any)) {
		for _, e := range d.Events {
			took := ""
			if e.Took > 0 {
				took = e.Took.Round(10 * time.Microsecond).String()
			}
			line(e.Time.Format("15:04:05.000"), e.Name, e.Step, took, e.Error)
		}
	})
	return nil
}

type sagaRetryCmd struct {
	cloudFlags
	ID string `arg:"" help:"The saga's id."`
}

func (c *sagaRetryCmd) Run(ctx context.Context) error {
	return tell(ctx, &c.Config, "/sagas/"+url.PathEscape(c.ID)+"/retry", nil, "the saga unwinds again")
}

type sagaAbandonCmd struct {
	cloudFlags
	ID     string `arg:"" help:"The saga's id."`
	Reason string `required:"" help:"Why; it is written into the saga's log."`
}

func (c *sagaAbandonCmd) Run(ctx context.Context) error {
	return tell(ctx, &c.Config, "/sagas/"+url.PathEscape(c.ID)+"/abandon", map[string]string{"Reason": c.Reason}, "the saga is abandoned")
}

// tell asks the running kumoi to do something and says that it is done.
func tell(ctx context.Context, cfg *app.Config, path string, in any, done string) error {
	client, err := app.NewAdminClient(cfg)
	if err != nil {
		return err
	}
	if err := client.Call(ctx, http.MethodPost, path, in, nil); err != nil {
		return err
	}
	fmt.Println(done)
	return nil
}

type taskCmd struct {
	List taskListCmd `cmd:"" help:"List the tasks with their last run."`
}

type taskListCmd struct{ cloudFlags }

func (c *taskListCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var list []app.TaskRow
	if err := client.Call(ctx, http.MethodGet, "/tasks", nil, &list); err != nil {
		return err
	}
	table("TASK | EVERY | RUNS | LAST | TOOK | REPORT | ERROR", func(line func(...any)) {
		for _, t := range list {
			last := "never"
			if !t.Last.IsZero() {
				last = time.Since(t.Last).Round(time.Second).String() + " ago"
			}
			line(t.Name, t.Every, t.Runs, last, t.Took.Round(time.Microsecond), t.Report, t.Error)
		}
	})
	return nil
}

type hostCmd struct {
	Add    hostAddCmd    `cmd:"" help:"Make the credentials file of a host's agent; it goes to standard output."`
	Remove hostRemoveCmd `cmd:"" help:"Withdraw a host's credentials; its agent is cut off at once."`
	List   hostListCmd   `cmd:"" help:"List the hosts: which are up, and which have credentials."`
}

type hostAddCmd struct {
	cloudFlags
	Name string `arg:"" help:"The host's name, as its agent will say it."`
}

func (c *hostAddCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var out struct{ Credentials []byte }
	if err := client.Call(ctx, http.MethodPost, "/hosts", map[string]string{"Name": c.Name}, &out); err != nil {
		return err
	}
	_, err = os.Stdout.Write(out.Credentials)
	return err
}

type hostRemoveCmd struct {
	cloudFlags
	Name string `arg:"" help:"The host's name."`
}

func (c *hostRemoveCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	return client.Call(ctx, http.MethodDelete, "/hosts/"+url.PathEscape(c.Name), nil, nil)
}

type hostListCmd struct {
	cloudFlags
	Format string `enum:"table,json" default:"table" help:"table or json."`
}

func (c *hostListCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var list []app.HostRow
	if err := client.Call(ctx, http.MethodGet, "/hosts", nil, &list); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(list)
	}
	table("HOST | STATE | NEW SERVERS | JOINED WITH | LAST SEEN", func(line func(...any)) {
		for _, h := range list {
			servers, with, seen := "taken", "this process", "never"
			if !h.Enabled {
				servers = "refused: disabled"
			}
			if h.Remote {
				with = "credentials"
			} else if h.State != "up" {
				with = "nothing any more"
			}
			if !h.LastSeen.IsZero() {
				seen = time.Since(h.LastSeen).Round(time.Second).String() + " ago"
			}
			line(h.Name, h.State, servers, with, seen)
		}
	})
	return nil
}

type resetPasswordCmd struct {
	cloudFlags
	User     string `default:"admin" help:"Name of the user."`
	UserDom  string `name:"domain" default:"Default" help:"Name of the user's domain."`
	Password string `env:"KUMOI_NEW_PASSWORD" help:"The new password; one is made and printed if none is given."`
}

func (c *resetPasswordCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	var out struct{ Password string }
	in := map[string]string{"User": c.User, "Domain": c.UserDom, "Password": c.Password}
	if err := client.Call(ctx, http.MethodPost, "/identity/reset-password", in, &out); err != nil {
		return err
	}
	fmt.Println(out.Password)
	return nil
}

type rotateKeysCmd struct{ cloudFlags }

func (c *rotateKeysCmd) Run(ctx context.Context) error {
	return tell(ctx, &c.Config, "/identity/rotate-keys", nil, "new tokens and all credentials are sealed with new keys")
}

type explainCmd struct {
	Server explainServerCmd `cmd:"" help:"Why a server is where it is, what each step did, where its ports are bound."`
}

type explainServerCmd struct {
	cloudFlags
	Server string `arg:"" optional:"" help:"The server's id or name; without one, the servers are listed."`
	Format string `enum:"text,json" default:"text" help:"text or json."`
}

func (c *explainServerCmd) Run(ctx context.Context) error {
	client, err := app.NewAdminClient(&c.Config)
	if err != nil {
		return err
	}
	if c.Server == "" {
		return c.list(ctx, client)
	}
	var e service.Explanation
	if err := client.Call(ctx, http.MethodGet, "/explain/server/"+url.PathEscape(c.Server), nil, &e); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(e.Facts)
	}
	fmt.Println(e.Text)
	return nil
}

func (c *explainServerCmd) list(ctx context.Context, client *app.AdminClient) error {
	var list []service.Resource
	if err := client.Call(ctx, http.MethodGet, "/explain/server", nil, &list); err != nil {
		return err
	}
	if c.Format == "json" {
		return printJSON(list)
	}
	table("ID | NAME | STATUS | HOST | PROJECT", func(line func(...any)) {
		for _, s := range list {
			line(s.ID, s.Name, s.Status, s.Host, s.ProjectID)
		}
	})
	return nil
}

package api_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/network/api"
	"kumoi/internal/network/fabric/fake"
	networkstore "kumoi/internal/network/sqlstore"
)

// tokens is an identity service whose tokens read "PROJECT" or "PROJECT:ROLE".
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	project, role, _ := strings.Cut(token, ":")
	if project == "" {
		return nil, errs.New(errs.Unauthenticated, "no token")
	}
	roles := map[string][]string{"": {"member", "reader"}, "reader": {"reader"}, "manager": {"manager", "member", "reader"}, "admin": {"admin", "member", "reader"}}
	return &actor.Actor{UserID: "u-" + project, ProjectID: project, Roles: roles[role]}, nil
}

// client talks to the API over HTTP.
type client struct {
	http  httpxtest.Client
	t     testing.TB
	url   string
	svc   *network.Service
	rules *policy.Engine
}

type object = httpxtest.Object

func serve(t testing.TB, db *store.DB) *client {
	t.Helper()
	if err := db.Migrate(t.Context(), networkstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	log, rules := slog.New(slog.DiscardHandler), policy.New()
	svc, err := network.New(network.Deps{
		DB: db, Policy: rules, Log: log, Fabric: fake.New(), Tables: networkstore.Tables(), Config: network.Config{ExternalPhysical: "outside"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := svc.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(svc.Stop)
	gw, err := httpx.NewGateway(httpx.Config{Services: []*httpx.Service{api.New(svc)}, Auth: tokens{}, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(gw)
	t.Cleanup(srv.Close)
	url := srv.URL + "/network"
	return &client{httpxtest.New(t, url).As("p"), t, url, svc, rules}
}

// as is the same client with another token.
func (c *client) as(token string) *client {
	d := *c
	d.http = c.http.As(token)
	return &d
}

// on is the same client reporting to another test.
func (c *client) on(t testing.TB) *client {
	d := *c
	d.t, d.http = t, c.http.On(t)
	return &d
}

func (c *client) do(method, path string, body any, header ...string) (int, object) {
	c.t.Helper()
	a := c.http.Do(method, path, body, header...)
	if out, ok := a.Body.(object); ok {
		return a.Status, out
	}
	return a.Status, object{}
}

// must is do that expects a status.
func (c *client) must(status int, method, path string, body any, header ...string) object {
	c.t.Helper()
	got, out := c.do(method, path, body, header...)
	if got != status {
		c.t.Fatalf("%s %s: %d %v, want %d", method, path, got, out, status)
	}
	return out
}

// create makes a resource and returns it.
func (c *client) create(path, member string, attrs object) object {
	c.t.Helper()
	return c.must(201, "POST", path, object{member: attrs})[member].(object)
}

// fails expects a status and an error's type.
func (c *client) fails(status int, kind, method, path string, body any, header ...string) {
	c.t.Helper()
	got, out := c.do(method, path, body, header...)
	e, _ := out["NeutronError"].(object)
	if got != status || e["type"] != kind || e["message"] == "" {
		c.t.Errorf("%s %s: %d %v, want %d %s", method, path, got, out, status, kind)
	}
}

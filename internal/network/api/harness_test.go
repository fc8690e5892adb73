package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
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
	t     testing.TB
	url   string
	token string
	svc   *network.Service
	rules *policy.Engine
}

type object = map[string]any

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
	return &client{t, srv.URL + "/network", "p", svc, rules}
}

// as is the same client with another token.
func (c *client) as(token string) *client {
	d := *c
	d.token = token
	return &d
}

// on is the same client reporting to another test.
func (c *client) on(t testing.TB) *client {
	d := *c
	d.t = t
	return &d
}

func (c *client) do(method, path string, body any, header ...string) (int, object) {
	c.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			c.t.Fatal(err)
		}
		r = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, r)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("X-Auth-Token", c.token)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	out := object{}
	raw, _ := io.ReadAll(resp.Body)
	if len(raw) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(raw, &out); err != nil {
			c.t.Fatalf("%s %s: %s", method, path, raw)
		}
	}
	return resp.StatusCode, out
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

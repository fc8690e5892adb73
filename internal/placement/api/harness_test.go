package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/placement"
	"kumoi/internal/placement/api"
	"kumoi/internal/placement/sqlstore"
)

// tokens are the people of these tests: the token is the role.
type tokens struct{}

func (tokens) Authenticate(_ context.Context, token, _ string) (*actor.Actor, error) {
	switch token {
	case "admin", "service", "reader", "member":
		return &actor.Actor{UserID: "u-" + token, ProjectID: "p-" + token, Roles: []string{token}}, nil
	}
	return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.")
}

// cloud is placement behind HTTP, spoken to in one version.
type cloud struct {
	t       testing.TB
	url     string
	token   string
	version string
	db      *store.DB
	svc     *placement.Service
}

func newCloud(t testing.TB, db *store.DB) *cloud {
	t.Helper()
	if err := db.Migrate(t.Context(), sqlstore.Migrations()); err != nil {
		t.Fatal(err)
	}
	svc := placement.New(placement.Deps{DB: db, Tables: sqlstore.Tables(), Policy: policy.New()})
	gateway, err := httpx.NewGateway(httpx.Config{
		Services: []*httpx.Service{api.New(svc)}, Auth: tokens{}, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gateway)
	t.Cleanup(server.Close)
	return &cloud{t: t, url: server.URL + "/placement", token: "admin", version: "1.39", db: db, svc: svc}
}

// each runs f against a fresh placement on each database.
func each(t *testing.T, f func(t *testing.T, c *cloud)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newCloud(t, db)) })
}

// at speaks another version.
func (c *cloud) at(version string) *cloud {
	d := *c
	d.version = version
	return &d
}

// as is somebody else.
func (c *cloud) as(token string) *cloud {
	d := *c
	d.token = token
	return &d
}

type answer struct {
	status int
	header http.Header
	body   any
	text   string
}

// do sends a request; body may be nil, JSON text or a value.
func (c *cloud) do(method, path string, body any) answer {
	c.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case string:
		b = []byte(v)
	default:
		b, _ = json.Marshal(v)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(b))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		req.Header.Set("X-Auth-Token", c.token)
	}
	if c.version != "" {
		req.Header.Set("OpenStack-API-Version", "placement "+c.version)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &a.body); err != nil {
			c.t.Fatalf("%s %s: %d %q is not JSON", method, path, resp.StatusCode, text)
		}
	}
	return a
}

// want sends a request that must be answered with a status.
func (c *cloud) want(status int, method, path string, body any) answer {
	c.t.Helper()
	a := c.do(method, path, body)
	if a.status != status {
		c.t.Fatalf("%s %s at %s: %d %s, want %d", method, path, c.version, a.status, a.text, status)
	}
	return a
}

// at finds a value in the answer: "a.b.0.c".
func (a answer) at(path string) any {
	v := a.body
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			v = nil
			if len(in) > int(key[0]-'0') {
				v = in[key[0]-'0']
			}
		default:
			return nil
		}
	}
	return v
}

// same compares a value of the answer with what JSON text says.
func (a answer) same(t testing.TB, path, want string) {
	t.Helper()
	var w any
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if got := a.at(path); !reflect.DeepEqual(got, w) {
		b, _ := json.Marshal(got)
		t.Errorf("%s is %s, want %s", path, b, want)
	}
}

const (
	u1 = "11111111-1111-4111-8111-111111111111"
	u2 = "22222222-2222-4222-8222-222222222222"
	u3 = "33333333-3333-4333-8333-333333333333"
	u4 = "44444444-4444-4444-8444-444444444444"
	c1 = "c1111111-1111-4111-8111-111111111111"
	c2 = "c2222222-2222-4222-8222-222222222222"
	g1 = "a1111111-1111-4111-8111-111111111111"
	g2 = "a2222222-2222-4222-8222-222222222222"
)

// provider makes a provider with inventories such as "VCPU": 8.
func (c *cloud) provider(id, name, parent string, inventories map[string]int) {
	c.t.Helper()
	body := map[string]any{"uuid": id, "name": name}
	if parent != "" {
		body["parent_provider_uuid"] = parent
	}
	c.want(200, "POST", "/resource_providers", body)
	if len(inventories) > 0 {
		all := map[string]any{}
		for class, n := range inventories {
			all[class] = map[string]any{"total": n}
		}
		c.want(200, "PUT", "/resource_providers/"+id+"/inventories",
			map[string]any{"resource_provider_generation": 0, "inventories": all})
	}
}

// traits gives a provider traits.
func (c *cloud) traits(id string, traits ...string) {
	c.t.Helper()
	p := c.want(200, "GET", "/resource_providers/"+id, nil)
	c.want(200, "PUT", "/resource_providers/"+id+"/traits",
		map[string]any{"traits": traits, "resource_provider_generation": p.at("generation")})
}

// aggregates puts a provider into aggregates.
func (c *cloud) aggregates(id string, aggregates ...string) {
	c.t.Helper()
	c.at("1.1").want(200, "PUT", "/resource_providers/"+id+"/aggregates", aggregates)
}

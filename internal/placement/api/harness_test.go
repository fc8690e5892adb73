package api_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/httpx/httpxtest"
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

// cloud is placement behind HTTP; its client is the administrator, in the newest version.
type cloud struct {
	httpxtest.Client
	t       testing.TB
	url     string
	gateway http.Handler
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
	url := server.URL + "/placement"
	return &cloud{Client: httpxtest.New(t, url).As("admin").At("placement 1.39"), t: t, url: url, gateway: gateway}
}

// each runs f against a fresh placement on each database, and on one that fails.
func each(t *testing.T, f func(t *testing.T, c *cloud)) {
	t.Helper()
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) { f(t, newCloud(t, db)) })
	t.Run("failing", func(t *testing.T) {
		c := newCloud(t, storetest.SQLite(t))
		c.url = "http://cloud.test/placement"
		c.Client = httpxtest.Direct(t, c.gateway, "/placement").Failing().As("admin").At("placement 1.39")
		f(t, c)
	})
}

// at speaks another version.
func (c *cloud) at(version string) httpxtest.Client { return c.At("placement " + version) }

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
	c.Want(200, "POST", "/resource_providers", body)
	if len(inventories) > 0 {
		all := map[string]any{}
		for class, n := range inventories {
			all[class] = map[string]any{"total": n}
		}
		c.Want(200, "PUT", "/resource_providers/"+id+"/inventories",
			map[string]any{"resource_provider_generation": 0, "inventories": all})
	}
}

// traits gives a provider traits.
func (c *cloud) traits(id string, traits ...string) {
	c.t.Helper()
	p := c.Want(200, "GET", "/resource_providers/"+id, nil)
	c.Want(200, "PUT", "/resource_providers/"+id+"/traits",
		map[string]any{"traits": traits, "resource_provider_generation": p.Get("generation")})
}

// aggregates puts a provider into aggregates.
func (c *cloud) aggregates(id string, aggregates ...string) {
	c.t.Helper()
	c.at("1.1").Want(200, "PUT", "/resource_providers/"+id+"/aggregates", aggregates)
}

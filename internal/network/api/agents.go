package api

import (
	"context"
	"net/http"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// agents is /v2.0/agents.
func (a *api) agents() []httpx.Route {
	type A = network.Agent
	s := a.svc.Agents
	text := func(name, field string, at func(*A) *string) rest.Attribute[A, A] {
		return rest.ReadOnly[A](name, func(w *rest.Writer, key string, v *A) { w.Text(key, *at(v)) }).By(field)
	}
	at := func(name, field string, of func(*A) time.Time) rest.Attribute[A, A] {
		return rest.ReadOnly[A](name, func(w *rest.Writer, key string, v *A) { w.Text(key, of(v).UTC().Format(time.DateTime)) }).By(field).Filtered(within(field))
	}
	c := &rest.Resource[A, change.Patch[A], change.Patch[A]]{
		Path: "/v2.0/agents", One: "agent", Many: "agents", ID: func(v *A) string { return v.ID },
		List: s.List, Show: s.Show, Update: s.Update, Delete: s.Delete,
	}
	out := collection(a, c, rest.NewAttributes(
		text("id", "id", func(v *A) *string { return &v.ID }),
		text("agent_type", "agent_type", func(v *A) *string { return &v.Type }),
		text("binary", "program", func(v *A) *string { return &v.Binary }),
		text("host", "host", func(v *A) *string { return &v.Host }),
		text("topic", "topic", func(v *A) *string { return &v.Topic }),
		text("availability_zone", "zone", func(v *A) *string { return &v.AZ }),
		rest.ReadOnly[A]("alive", func(w *rest.Writer, key string, v *A) { w.Bool(key, v.Alive) }).By("alive").Unsorted().Read(asBool("alive")),
		rest.ReadOnly[A]("configurations", func(w *rest.Writer, key string, v *A) { w.Any(key, v.Configurations) }),
		at("created_at", "created_at", func(v *A) time.Time { return v.CreatedAt }),
		at("started_at", "started_at", func(v *A) time.Time { return v.StartedAt }),
		at("heartbeat_timestamp", "heartbeat_at", func(v *A) time.Time { return v.HeartbeatAt }),
		rest.ReadOnly[A]("resources_synced", func(w *rest.Writer, key string, _ *A) { w.Null(key) }),
		rest.Attr("admin_state_up", rest.Put, true, toBool, func(v *A) *bool { return &v.AdminStateUp }).By("admin_state_up"),
		rest.Attr("description", rest.Put, "", toText(255), func(v *A) *string { return &v.Description }).By("description"),
	))
	c.Query.Sort = []store.Sort{{Field: "host"}, {Field: "agent_type"}}
	return append(out, httpx.Route{Method: http.MethodGet, Path: "/v2.0/availability_zones", Policy: "get_availability_zone", Handler: a.zones})
}

// zones is /v2.0/availability_zones.
func (a *api) zones(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	zones, err := a.svc.Agents.Zones(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]short, len(zones))
	for i, z := range zones {
		state := "available"
		if !z.Available {
			state = "unavailable"
		}
		rows[i] = short{{"name", z.Name}, {"resource", z.Resource}, {"state", state}}
	}
	return shortList(r, "availability_zones", rows, "name", "resource", "state")
}

// serviceProviders lists what implements the services: OVN, for routers.
func (a *api) serviceProviders(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Access.Allow(ctx, "get_service_provider", ""); err != nil {
		return nil, err
	}
	return shortList(r, "service_providers", []short{{{"service_type", "L3_ROUTER_NAT"}, {"name", "ovn"}, {"default", true}}}, "service_type", "name", "default")
}

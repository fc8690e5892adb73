package api

import (
	"context"
	"encoding/json"
	"math/big"
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
	zones, err := a.svc.AvailabilityZones(ctx)
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

// availabilityResource is /v2.0/network-ip-availabilities.
func availabilityResource(s *network.Service) *resource[network.IPAvailability, network.IPAvailability] {
	type A = network.IPAvailability
	return &resource[A, A]{
		member: "network_ip_availability", collection: "network_ip_availabilities", path: "/v2.0/network-ip-availabilities",
		attrs: []attr[A, A]{
			shown[A]("network_id", func(a *A) any { return a.Network.ID }),
			shown[A]("network_name", func(a *A) any { return a.Network.Name }),
			shown[A]("project_id", func(a *A) any { return a.Network.ProjectID }),
			shown[A]("tenant_id", func(a *A) any { return a.Network.ProjectID }),
			shown[A]("total_ips", func(a *A) any { return number(a.Total) }).unfiltered(),
			shown[A]("used_ips", func(a *A) any { return a.Used }).unfiltered(),
			{name: "ip_version", get: func(a *A) any { return versions(a) }},
			shown[A]("subnet_ip_availability", func(a *A) any {
				out := make([]map[string]any, len(a.Subnets))
				for i, c := range a.Subnets {
					out[i] = map[string]any{
						"subnet_id": c.Subnet.ID, "subnet_name": c.Subnet.Name, "cidr": c.Subnet.CIDR.String(),
						"ip_version": c.Subnet.Version(), "total_ips": number(c.Total), "used_ips": c.Used,
					}
				}
				return out
			}).unfiltered(),
		},
		id:   func(a *A) string { return a.Network.ID },
		list: func(ctx context.Context, _ network.Filter) ([]*A, error) { return s.IPAvailabilities(ctx, "") },
		show: func(ctx context.Context, id string) (*A, error) {
			as, err := s.IPAvailabilities(ctx, id)
			if err != nil {
				return nil, err
			}
			return as[0], nil
		},
	}
}

// versions are the IP versions of a network's subnets, to filter by.
func versions(a *network.IPAvailability) []string {
	out := []string{}
	for _, c := range a.Subnets {
		out = append(out, map[int]string{4: "4", 6: "6"}[c.Subnet.Version()])
	}
	return out
}

func number(n *big.Int) json.Number { return json.Number(n.String()) }

// serviceProviders lists what implements the services: OVN, for routers.
func (a *api) serviceProviders(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Allow(ctx, "get_service_provider", ""); err != nil {
		return nil, err
	}
	return shortList(r, "service_providers", []short{{{"service_type", "L3_ROUTER_NAT"}, {"name", "ovn"}, {"default", true}}}, "service_type", "name", "default")
}

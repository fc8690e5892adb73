package api

import (
	"context"
	"encoding/json"
	"math/big"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// agentResource is /v2.0/agents.
func agentResource(s *network.Service) *resource[network.Agent, network.Agent] {
	type A = network.Agent
	when := "2006-01-02 15:04:05"
	attrs := []attr[A, A]{
		shown[A]("id", func(a *A) any { return a.ID }),
		shown[A]("agent_type", func(a *A) any { return a.Type }),
		shown[A]("binary", func(a *A) any { return a.Binary }),
		shown[A]("host", func(a *A) any { return a.Host }),
		shown[A]("topic", func(a *A) any { return a.Topic }),
		shown[A]("availability_zone", func(a *A) any { return a.AZ }),
		shown[A]("alive", func(a *A) any { return a.Alive }),
		shown[A]("configurations", func(a *A) any { return a.Configurations }).unfiltered(),
		shown[A]("created_at", func(a *A) any { return a.CreatedAt.UTC().Format(when) }),
		shown[A]("started_at", func(a *A) any { return a.StartedAt.UTC().Format(when) }),
		shown[A]("heartbeat_timestamp", func(a *A) any { return a.HeartbeatAt.UTC().Format(when) }),
		shown[A]("resources_synced", func(*A) any { return nil }),
		field("admin_state_up", put, true, toBool, func(a *A) *bool { return &a.AdminStateUp }, func(a *A) any { return a.AdminStateUp }),
		field("description", put, "", toText(255), func(a *A) *string { return &a.Description }, func(a *A) any { return a.Description }),
	}
	return &resource[A, A]{
		member: "agent", collection: "agents", path: "/v2.0/agents", attrs: attrs,
		id: func(a *A) string { return a.ID }, begin: func() *A { return &A{} },
		list: func(ctx context.Context, _ network.Filter) ([]*A, error) { return s.Agents(ctx) },
		show: s.Agent,
		update: func(ctx context.Context, tx *store.Tx, id string, _ network.Change, apply func(*A) error) (*A, error) {
			return s.UpdateAgent(ctx, tx, id, apply)
		},
		remove: func(ctx context.Context, tx *store.Tx, id string, _ network.Change) error {
			return s.DeleteAgent(ctx, tx, id)
		},
	}
}

// zoneResource is /v2.0/availability_zones.
func zoneResource(s *network.Service) *resource[network.AvailabilityZone, network.AvailabilityZone] {
	type Z = network.AvailabilityZone
	return &resource[Z, Z]{
		member: "availability_zone", collection: "availability_zones", path: "/v2.0/availability_zones",
		attrs: []attr[Z, Z]{
			shown[Z]("name", func(z *Z) any { return z.Name }),
			shown[Z]("resource", func(z *Z) any { return z.Resource }),
			shown[Z]("state", func(z *Z) any {
				if z.Available {
					return "available"
				}
				return "unavailable"
			}),
		},
		id: func(z *Z) string { return z.Name + z.Resource },
		list: func(ctx context.Context, _ network.Filter) ([]*Z, error) {
			zs, err := s.AvailabilityZones(ctx)
			out := make([]*Z, len(zs))
			for i := range zs {
				out[i] = &zs[i]
			}
			return out, err
		},
	}
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
func (a *api) serviceProviders(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Allow(ctx, "get_service_provider", ""); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, map[string]any{"service_providers": []map[string]any{
		{"service_type": "L3_ROUTER_NAT", "name": "ovn", "default": true},
	}}), nil
}

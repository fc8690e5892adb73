package api

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// forwardingResource is /v2.0/floatingips/{floatingip_id}/port_forwardings of one floating IP.
func forwardingResource(s *network.Service, parent string) *resource[network.PortForwarding, network.PortForwarding] {
	type F = network.PortForwarding
	ports := toInt(1, 65535)
	attrs := []attr[F, F]{
		shown[F]("id", func(f *F) any { return f.ID }),
		field("internal_port_id", post|put, unset, toUUID, func(f *F) *string { return &f.PortID }, func(f *F) any { return f.PortID }).needed(),
		field("internal_ip_address", post|put, unset, toAddr, func(f *F) *netip.Addr { return &f.InternalIP }, func(f *F) any { return f.InternalIP.String() }),
		field("internal_port", post|put, unset, ports, func(f *F) *int { return &f.InternalPort }, func(f *F) any { return f.InternalPort }),
		field("external_port", post|put, unset, ports, func(f *F) *int { return &f.ExternalPort }, func(f *F) any { return f.ExternalPort }),
		{name: "internal_port_range", verbs: post | put, plain: unset, get: func(f *F) any { return strconv.Itoa(f.InternalPort) + ":" + strconv.Itoa(f.InternalPort) }, set: onePort(func(f *F) *int { return &f.InternalPort })},
		{name: "external_port_range", verbs: post | put, plain: unset, get: func(f *F) any { return strconv.Itoa(f.ExternalPort) + ":" + strconv.Itoa(f.ExternalPort) }, set: onePort(func(f *F) *int { return &f.ExternalPort })},
		field("protocol", post|put, unset, toChoice("tcp", "udp", "sctp"), func(f *F) *string { return &f.Protocol }, func(f *F) any { return f.Protocol }).needed(),
		field("description", post|put, "", toText(255), func(f *F) *string { return &f.Description }, func(f *F) any { return f.Description }),
		field("project_id", post, unset, toText(255), func(f *F) *string { return &f.ProjectID }, silent[F]()),
		field("tenant_id", post, unset, toText(255), func(f *F) *string { return &f.ProjectID }, silent[F]()),
		shown[F]("revision_number", func(f *F) any { return f.Revision }),
	}
	return &resource[F, F]{
		member: "port_forwarding", collection: "port_forwardings", attrs: attrs,
		id: func(f *F) string { return f.ID }, begin: func() *F { return &F{} },
		list: func(ctx context.Context, _ network.Filter) ([]*F, error) { return s.Forwardings(ctx, parent) },
		show: func(ctx context.Context, id string) (*F, error) { return s.Forwarding(ctx, parent, id) },
		create: func(ctx context.Context, tx *store.Tx, f *F, c network.Change) (*F, error) {
			f.FloatingIPID = parent
			if f.InternalPort == 0 || f.ExternalPort == 0 {
				return nil, badRequest("Invalid input for operation: internal_port and external_port are needed.")
			}
			return f, s.CreateForwarding(ctx, tx, f, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*F) error) (*F, error) {
			return s.UpdateForwarding(ctx, tx, parent, id, c, apply)
		},
		remove: func(ctx context.Context, tx *store.Tx, id string, _ network.Change) error {
			return s.DeleteForwarding(ctx, tx, parent, id)
		},
	}
}

// onePort reads a range of a single port; wider ranges are not offered.
func onePort[F any](at func(*F) *int) func(*F, any) error {
	return func(f *F, v any) error {
		s, _ := v.(string)
		low, high, isRange := strings.Cut(s, ":")
		n, err := strconv.Atoi(low)
		if err != nil || n < 1 || n > 65535 || isRange && high != low {
			return fmt.Errorf("'%v' is not a range of one port", show(v))
		}
		*at(f) = n
		return nil
	}
}

// forwardingRoutes serve the collection of whichever floating IP the path names.
func (a *api) forwardingRoutes() []httpx.Route {
	of := func(serve func(*handlers[network.PortForwarding, network.PortForwarding], context.Context, *httpx.Request) (*httpx.Response, error)) httpx.Handler {
		return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
			r := forwardingResource(a.svc, req.Var("floatingip_id"))
			r.index()
			return serve(&handlers[network.PortForwarding, network.PortForwarding]{a, r}, ctx, req)
		}
	}
	type H = handlers[network.PortForwarding, network.PortForwarding]
	base := "/v2.0/floatingips/{floatingip_id}/port_forwardings"
	rule := "floatingip_port_forwarding"
	return []httpx.Route{
		{Method: http.MethodGet, Path: base, Policy: "get_" + rule, Handler: of((*H).list)},
		{Method: http.MethodPost, Path: base, Policy: "create_" + rule, Handler: of((*H).create)},
		{Method: http.MethodGet, Path: base + "/{port_forwarding_id}", Policy: "get_" + rule, Handler: of((*H).show)},
		{Method: http.MethodPut, Path: base + "/{port_forwarding_id}", Policy: "update_" + rule, Handler: of((*H).update)},
		{Method: http.MethodDelete, Path: base + "/{port_forwarding_id}", Policy: "delete_" + rule, Handler: of((*H).remove)},
	}
}

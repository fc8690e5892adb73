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
	attrs := []attr[F, F]{
		shown[F]("id", func(f *F) any { return f.ID }),
		field("internal_port_id", post|put, unset, toUUID, func(f *F) *string { return &f.PortID }, func(f *F) any { return f.PortID }).needed(),
		field("internal_ip_address", post|put, unset, toAddr, func(f *F) *netip.Addr { return &f.InternalIP }, func(f *F) any { return f.InternalIP.String() }),
		field("protocol", post|put, unset, toChoice("tcp", "udp", "sctp"), func(f *F) *string { return &f.Protocol }, func(f *F) any { return f.Protocol }).needed(),
		field("description", post|put, "", toText(255), func(f *F) *string { return &f.Description }, func(f *F) any { return f.Description }),
		field("project_id", post, unset, toText(255), func(f *F) *string { return &f.ProjectID }, silent[F]()),
		field("tenant_id", post, unset, toText(255), func(f *F) *string { return &f.ProjectID }, silent[F]()),
		shown[F]("revision_number", func(f *F) any { return f.Revision }),
	}
	attrs = append(attrs, forwardingPorts()...)
	return &resource[F, F]{
		member: "port_forwarding", collection: "port_forwardings", attrs: attrs,
		id: func(f *F) string { return f.ID }, begin: func() *F { return &F{} },
		list: func(ctx context.Context, _ network.Filter) ([]*F, error) { return s.Forwardings(ctx, parent) },
		show: func(ctx context.Context, id string) (*F, error) { return s.Forwarding(ctx, parent, id) },
		create: func(ctx context.Context, tx *store.Tx, f *F, c network.Change) (*F, error) {
			f.FloatingIPID = parent
			if err := oneForm(c); err != nil {
				return nil, err
			}
			if f.InternalPort == 0 || f.ExternalPort == 0 {
				return nil, badRequest("Invalid input for operation: internal_port and external_port are needed.")
			}
			return f, s.CreateForwarding(ctx, tx, f, c)
		},
		update: func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*F) error) (*F, error) {
			if err := oneForm(c); err != nil {
				return nil, err
			}
			return s.UpdateForwarding(ctx, tx, parent, id, c, apply)
		},
		remove: func(ctx context.Context, tx *store.Tx, id string, _ network.Change) error {
			return s.DeleteForwarding(ctx, tx, parent, id)
		},
	}
}

// forwardingPorts are the attributes that name ports.
func forwardingPorts() []attr[network.PortForwarding, network.PortForwarding] {
	type F = network.PortForwarding
	inside := func(f *F) (*int, *int) { return &f.InternalPort, &f.InternalLast }
	outside := func(f *F) (*int, *int) { return &f.ExternalPort, &f.ExternalLast }
	return []attr[F, F]{
		portOf("internal_port", inside), portOf("external_port", outside),
		portRange("internal_port_range", inside), portRange("external_port_range", outside),
	}
}

// portOf is the attribute of a single port; it shows none where there is a range.
func portOf[F any](name string, at func(*F) (first, last *int)) attr[F, F] {
	return attr[F, F]{
		name: name, verbs: post | put, plain: unset, wanted: wanted(toInt(1, 65535)),
		get: func(f *F) any {
			if first, last := at(f); *last <= *first {
				return *first
			}
			return nil
		},
		set: func(f *F, v any) error {
			n, err := toInt(1, 65535)(v)
			first, last := at(f)
			*first, *last = n, 0
			return err
		},
	}
}

// portRange is the attribute of a range "FIRST:LAST", or of one port.
func portRange[F any](name string, at func(*F) (first, last *int)) attr[F, F] {
	return attr[F, F]{
		name: name, verbs: post | put, plain: unset,
		get: func(f *F) any {
			first, last := at(f)
			return strconv.Itoa(*first) + ":" + strconv.Itoa(max(*first, *last))
		},
		set: func(f *F, v any) error {
			text := show(v)
			low, high, isRange := strings.Cut(text, ":")
			if !isRange {
				high = low
			}
			from, err := toInt(1, 65535)(low)
			to, err2 := toInt(1, 65535)(high)
			if err != nil || err2 != nil || from > to {
				return fmt.Errorf("'%s' is not a valid port range", text)
			}
			first, last := at(f)
			if *first, *last = from, to; from == to {
				*last = 0
			}
			return nil
		},
	}
}

// oneForm refuses a port and a range of it in one request.
func oneForm(c network.Change) error {
	for _, side := range []string{"internal_port", "external_port"} {
		if c.Has(side) && c.Has(side+"_range") {
			return badRequest("Invalid input for operation: %s and %s_range cannot both be given.", side, side)
		}
	}
	return nil
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

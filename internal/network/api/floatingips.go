package api

import (
	"context"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// floatingIPs is /v2.0/floatingips.
func (a *api) floatingIPs() []httpx.Route {
	type R = network.NewFloatingIP
	type V = network.FloatingIP
	s, std := a.svc.FloatingIPs, func(v *V) *network.Standard { return &v.Standard }
	stored := slices.Concat(unnamed(std, std), described(std, std), []rest.Attribute[V, V]{
		rest.Asked("floating_network_id", rest.Post, rest.Unset, toUUID, func(v *V) *string { return &v.NetworkID },
			func(w *rest.Writer, key string, v *V) { w.Text(key, v.NetworkID) }).Needed().By("network_id"),
		address("floating_ip_address", rest.Post, func(v *V) *netip.Addr { return &v.Address }, "address"),
		address("fixed_ip_address", rest.Both, func(v *V) *netip.Addr { return &v.FixedIP }, "fixed_ip"),
		rest.Asked[V, V]("subnet_id", rest.Post, nil, toUUIDOrNone, func(v *V) *string { return &v.SubnetID }, nil),
		matching(rest.ReadOnly[V]("router_id", func(w *rest.Writer, key string, v *V) { w.TextOrNull(key, v.RouterID) }), "router_id", nil),
		matching(rest.ReadOnly[V]("status", func(w *rest.Writer, key string, v *V) { w.Text(key, v.Status) }), "status", nil),
		matching(rest.Attr("dns_name", rest.Post, "", toDNSName, func(v *V) *string { return &v.DNSName }), "dns_name", nil),
		matching(rest.Attr("dns_domain", rest.Post, "", toDomain, func(v *V) *string { return &v.DNSDomain }), "dns_domain", nil),
		rest.ReadOnly[V, V]("port_details", nil), rest.ReadOnly[V, V]("port_forwardings", nil), // the view knows them
	})
	c := &rest.Resource[V, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/floatingips", One: "floatingip", Many: "floatingips", ID: func(v *V) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}
	out := collection(a, c, rest.NewAttributes(append(rest.Lift(stored, func(r *R) *V { return &r.FloatingIP }),
		matching(rest.Set("port_id", rest.Both, nil, func(r *R, v any) (err error) {
			r.Associate = true
			r.PortID, err = toUUIDOrNone(v)
			return err
		}, func(w *rest.Writer, key string, v *V) { w.TextOrNull(key, v.PortID) }), "port_id", nil))...))
	own, patch := c.View, c.ReadPatch
	c.View = func(ctx context.Context, r *httpx.Request, rows []*V) (func(*rest.Writer, *V), error) {
		row, err := own(ctx, r, rows)
		if err != nil {
			return nil, err
		}
		further, err := a.floatingView(ctx, fieldsOf(r), rows)
		return func(w *rest.Writer, v *V) { row(w, v); further(w, v) }, err
	}
	c.ReadPatch = func(r *httpx.Request) (change.Patch[R], error) {
		p, err := patch(r)
		return association(p), err
	}
	return out
}

// address is an attribute that is null where there is none.
func address[V any](name string, in rest.Verb, at func(*V) *netip.Addr, field string) rest.Attribute[V, V] {
	return matching(rest.Asked(name, in, nil, toAddrOrNone, at, func(w *rest.Writer, key string, v *V) { writeAddr(w, key, *at(v)) }), field, wanted(toAddrOrNone))
}

// association completes a change of a floating IP: who names a port or an address
// inside says both, and an empty change takes it off its port.
func association(p change.Patch[network.NewFloatingIP]) change.Patch[network.NewFloatingIP] {
	apply := p.Apply
	p.Apply = func(r *network.NewFloatingIP) error {
		var said network.NewFloatingIP
		if err := apply(&said); err != nil {
			return err
		}
		associate := said.Associate || said.FixedIP.IsValid() || len(p.Named) == 0
		if associate {
			r.FixedIP = netip.Addr{}
		}
		if len(p.Named) == 0 {
			r.PortID = ""
		}
		err := apply(r)
		r.Associate = associate
		return err
	}
	return p
}

// floatingView writes what floating IPs' answers say of others: the port inside,
// if the actor sees it, and the forwardings.
func (a *api) floatingView(ctx context.Context, fields []string, rows []*network.FloatingIP) (func(*rest.Writer, *network.FloatingIP), error) {
	var portIDs, idList []string
	for _, v := range rows {
		idList = append(idList, v.ID)
		if v.PortID != "" {
			portIDs = append(portIDs, v.PortID)
		}
	}
	byPort := map[string]*network.Port{}
	if len(portIDs) > 0 {
		ps, err := a.svc.Ports.List(ctx, store.Query{}.Filter(store.In("id", portIDs)))
		if err != nil {
			return nil, err
		}
		for _, p := range ps.Rows {
			byPort[p.ID] = p
		}
	}
	forwardings, err := a.svc.Forwardings.OfMany(ctx, idList)
	shows := func(name string) bool { return len(fields) == 0 || slices.Contains(fields, name) }
	details, forwards := shows("port_details"), shows("port_forwardings")
	return func(w *rest.Writer, v *network.FloatingIP) {
		if details {
			writePortDetails(w, byPort[v.PortID])
		}
		if forwards {
			writeForwardings(w, forwardings[v.ID])
		}
	}, err
}

func writePortDetails(w *rest.Writer, p *network.Port) {
	if p == nil {
		w.Null("port_details")
		return
	}
	w.Object("port_details", func() {
		w.Text("name", p.Name)
		w.Text("network_id", p.NetworkID)
		w.Text("mac_address", p.MAC)
		w.Bool("admin_state_up", p.AdminStateUp)
		w.Text("status", p.Status)
		w.Text("device_id", p.DeviceID)
		w.Text("device_owner", p.DeviceOwner)
	})
}

func writeForwardings(w *rest.Writer, fs []*network.PortForwarding) {
	w.List("port_forwardings", func() {
		for _, f := range fs {
			w.Object("", func() {
				w.Text("id", f.ID)
				w.Text("protocol", f.Protocol)
				w.Text("internal_ip_address", f.InternalIP.String())
				w.Text("internal_port_id", f.PortID)
				for _, side := range sides() {
					side.write(w, f)
				}
			})
		}
	})
}

// floatingPools lists the external subnets that floating IPs can come from.
func (a *api) floatingPools(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	pools, err := a.svc.FloatingIPs.Pools(ctx)
	if err != nil {
		return nil, err
	}
	rows := make([]short, len(pools))
	for i, p := range pools {
		rows[i] = short{
			{"subnet_id", p.Subnet.ID},
			{"subnet_name", p.Subnet.Name},
			{"project_id", p.Subnet.ProjectID},
			{"tenant_id", p.Subnet.ProjectID},
			{"network_id", p.Network.ID},
			{"network_name", p.Network.Name},
			{"cidr", p.Subnet.CIDR.String()},
		}
	}
	return shortList(r, "floatingip_pools", rows, "subnet_id", "subnet_name", "project_id", "tenant_id", "network_id", "network_name", "cidr")
}

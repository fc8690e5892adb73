package ovn

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strconv"

	"kumoi/internal/network/fabric"
)

// maxGateways is how many chassis stand by for one router's way outside.
const maxGateways = 5

// routerRows are the logical router with its ports, routes, translations and
// forwarded ports.
func routerRows(r fabric.Router, hosts []fabric.Chassis) []row {
	lr := &logicalRouter{
		UUID: uuidOf(fabric.KindRouter, r.ID), Name: "kumoi-" + r.ID, Enabled: ptr(r.AdminUp),
		ExternalIDs: owner(fabric.KindRouter, r.ID, nameKey, r.Name, projectKey, r.ProjectID, revisionKey, revision(r.Revision)),
		// Neighbours are learnt when they are needed, not from every ARP
		// request on a large outside network.
		Options: map[string]string{"always_learn_from_arp_request": "false", "dynamic_neigh_routers": "true"},
	}
	v := &routerView{id: r.ID, lr: lr, rows: []row{lr}, hosts: hosts}
	for _, in := range r.Interfaces {
		v.mtu = max(v.mtu, in.MTU)
		v.outside = v.outside || in.External
	}
	for _, in := range r.Interfaces {
		v.port(in)
	}
	for _, route := range r.Routes {
		v.route(route, nil)
	}
	for _, n := range r.NATs {
		v.nat(n)
	}
	v.forwardings(r.Forwardings)
	return v.rows
}

// routerView gathers a router's rows.
type routerView struct {
	id      string
	lr      *logicalRouter
	rows    []row
	hosts   []fabric.Chassis
	mtu     int  // the largest of the interfaces
	outside bool // has an external interface
}

func (v *routerView) owner(more ...string) map[string]string {
	return owner(fabric.KindRouter, v.id, more...)
}

func (v *routerView) port(in fabric.Interface) {
	p := &routerPort{
		UUID: partOf(fabric.KindRouter, v.id, "port", in.PortID), Name: routerPortName(in.PortID), MAC: in.MAC,
		Options: map[string]string{}, ExternalIDs: v.owner(networkKey, in.NetworkID),
	}
	for _, a := range in.Addresses {
		p.Networks = append(p.Networks, a.String())
	}
	if len(p.Networks) == 0 {
		return // OVN has no router ports without addresses
	}
	if in.MTU > 0 && in.MTU < v.mtu {
		// Packets from a network with larger ones are answered with "too big".
		p.Options["gateway_mtu"] = strconv.Itoa(in.MTU)
	}
	if in.RA != "" {
		p.RA = map[string]string{"address_mode": raMode(in.RA), "send_periodic": "true"}
		if in.MTU > 0 {
			p.RA["mtu"] = strconv.Itoa(in.MTU)
		}
	}
	if in.External {
		v.gateways(p, in.Physical)
		for _, gw := range in.Gateways {
			all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if gw.Is6() {
				all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			v.route(fabric.Route{Destination: all, NextHop: gw}, ptr(p.Name))
		}
	} else if in.Physical != "" && v.outside {
		// On a physical network the router's MAC may be in one place only.
		p.Options["reside-on-redirect-chassis"] = "true"
	}
	v.lr.Ports = append(v.lr.Ports, p.UUID)
	v.rows = append(v.rows, p)
}

func raMode(mode string) string {
	switch mode {
	case "dhcpv6-stateful":
		return "dhcpv6_stateful"
	case "dhcpv6-stateless":
		return "dhcpv6_stateless"
	}
	return "slaac"
}

// gateways places the way outside on chassis that have the physical network.
// The order is the same whoever computes it, differs between routers so that
// they spread, and changes little when chassis come and go.
func (v *routerView) gateways(p *routerPort, physical string) {
	var able []fabric.Chassis
	for _, c := range v.hosts {
		if _, ok := c.Mappings[physical]; ok || physical == "" {
			able = append(able, c)
		}
	}
	slices.SortFunc(able, func(a, b fabric.Chassis) int {
		return cmp.Or(cmp.Compare(weight(v.id, b.ID), weight(v.id, a.ID)), cmp.Compare(a.ID, b.ID))
	})
	for i, c := range able[:min(len(able), maxGateways)] {
		g := &gatewayChassis{
			UUID: partOf(fabric.KindRouter, v.id, "gateway", p.Name, c.ID), Name: p.Name + "_" + c.ID, ChassisName: c.ID,
			Priority: maxGateways - i, ExternalIDs: v.owner(),
		}
		p.GatewayChassis = append(p.GatewayChassis, g.UUID)
		v.rows = append(v.rows, g)
	}
}

func weight(router, chassis string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(router + "\x00" + chassis))
	// The last bytes of FNV's input reach the low bits only; mix them upwards.
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

func (v *routerView) route(r fabric.Route, port *string) {
	out := ""
	if port != nil {
		out = *port
	}
	row := &staticRoute{
		UUID:   partOf(fabric.KindRouter, v.id, "route", r.Destination.String(), r.NextHop.String(), out),
		Prefix: r.Destination.Masked().String(), NextHop: r.NextHop.String(), OutputPort: port, ExternalIDs: v.owner(),
	}
	v.lr.StaticRoutes = append(v.lr.StaticRoutes, row.UUID)
	v.rows = append(v.rows, row)
}

func (v *routerView) nat(n fabric.NAT) {
	row := &natRule{
		UUID: partOf(fabric.KindRouter, v.id, "nat", n.ID, n.External.String(), n.Internal.String()),
		Type: "snat", ExternalIP: n.External.String(), LogicalIP: n.Internal.Masked().String(), ExternalIDs: v.owner(),
	}
	if n.Floating() {
		row.Type, row.LogicalIP = "dnat_and_snat", n.Internal.Addr().String()
		row.ExternalIDs = v.owner("kumoi:floatingip", n.ID, "kumoi:port", n.PortID)
		if n.MAC != "" && n.PortID != "" {
			// Translated where the guest runs, instead of at the router's gateway.
			row.ExternalMAC, row.LogicalPort = ptr(n.MAC), ptr(n.PortID)
		}
	}
	v.lr.NAT = append(v.lr.NAT, row.UUID)
	v.rows = append(v.rows, row)
}

// forwardings makes a load balancer with one backend for each floating IP and protocol.
func (v *routerView) forwardings(list []fabric.Forwarding) {
	made := map[string]*loadBalancer{}
	for _, f := range list {
		key := f.FloatingIPID + "/" + f.Protocol
		lb := made[key]
		if lb == nil {
			lb = &loadBalancer{
				UUID: partOf(fabric.KindRouter, v.id, "forwarding", f.FloatingIPID, f.Protocol),
				Name: fmt.Sprintf("forwarding-%s-%s", f.FloatingIPID, f.Protocol), Protocol: ptr(f.Protocol),
				VIPs: map[string]string{}, ExternalIDs: v.owner("kumoi:floatingip", f.FloatingIPID),
			}
			made[key] = lb
			v.lr.LoadBalancer = append(v.lr.LoadBalancer, lb.UUID)
			v.rows = append(v.rows, lb)
		}
		lb.VIPs[f.External.String()] = f.Internal.String()
	}
}

package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// ports is /v2.0/ports.
func (a *api) ports() []httpx.Route {
	type R = network.NewPort
	type V = network.Port
	s, std := a.svc.Ports, func(v *V) *network.Standard { return &v.Standard }
	stored := slices.Concat(own(std, std), described(std, std), []rest.Attribute[V, V]{
		rest.Attr("network_id", rest.Post, rest.Unset, toUUID, func(v *V) *string { return &v.NetworkID }).Needed().By("network_id"),
		rest.Attr("admin_state_up", rest.Both, true, toBool, func(v *V) *bool { return &v.AdminStateUp }).By("admin_state_up"),
		matching(rest.Attr("mac_address", rest.Both, rest.Unset, toMACOrAny, func(v *V) *string { return &v.MAC }), "mac", wanted(toMAC)),
		matching(rest.Attr("device_id", rest.Both, "", toText(255), func(v *V) *string { return &v.DeviceID }), "device_id", nil),
		matching(rest.Attr("device_owner", rest.Both, "", toText(255), func(v *V) *string { return &v.DeviceOwner }), "device_owner", nil),
		matching(rest.ReadOnly[V]("status", func(w *rest.Writer, key string, v *V) { w.Text(key, v.Status) }), "status", nil),
		rest.Asked("allowed_address_pairs", rest.Both, rest.Unset, listOf(toPair), func(v *V) *[]network.AddressPair { return &v.AddressPairs },
			func(w *rest.Writer, key string, v *V) { writePairs(w, key, v.AddressPairs) }),
		rest.Set("extra_dhcp_opts", rest.Both, rest.Unset, setOptions, func(w *rest.Writer, key string, v *V) { writeOptions(w, key, v.DHCPOptions) }),
		matching(rest.Attr("dns_name", rest.Both, "", toDNSName, func(v *V) *string { return &v.DNSName }), "dns_name", nil),
		matching(rest.Attr("dns_domain", rest.Both, "", toDomain, func(v *V) *string { return &v.DNSDomain }), "dns_domain", nil),
		rest.ReadOnly[V]("dns_assignment", func(w *rest.Writer, key string, v *V) { writeAssignments(w, key, v, a.svc.DNSDomain()) }),
		matching(rest.Attr("binding:vnic_type", rest.Both, "normal", toChoice("normal", "macvtap", "direct", "direct-physical", "baremetal", "virtio-forwarder", "smart-nic"),
			func(v *V) *string { return &v.VNICType }), "vnic_type", nil),
		matching(rest.Attr("binding:host_id", rest.Both, "", toText(255), func(v *V) *string { return &v.Host }), "host", nil).Guarded("get_port:binding:host_id"),
		rest.Asked("binding:profile", rest.Both, rest.Unset, toProfile, func(v *V) *map[string]any { return &v.Profile }, func(w *rest.Writer, key string, v *V) {
			if len(v.Profile) == 0 {
				w.Object(key, func() {})
				return
			}
			w.Any(key, v.Profile)
		}).Guarded("get_port:binding:profile"),
		matching(rest.ReadOnly[V]("binding:vif_type", func(w *rest.Writer, key string, v *V) { w.Text(key, vifType(v)) }), "vif_type", nil).Guarded("get_port:binding:vif_type"),
		rest.ReadOnly[V]("binding:vif_details", writeVIF).Guarded("get_port:binding:vif_details"),
		rest.ReadOnly[V]("ip_allocation", func(w *rest.Writer, key string, v *V) { w.Text(key, allocationOf(v)) }).Filtered(byAllocation),
		orNone("qos_policy_id", rest.Both, nil, toUUIDOrNone, func(v *V) *string { return &v.QoSPolicyID }, "qos_policy_id"),
		matching(rest.ReadOnly[V]("qos_network_policy_id", func(w *rest.Writer, key string, v *V) { w.TextOrNull(key, v.NetworkQoS) }), "qos_network_policy_id", nil),
		rest.ReadOnly[V]("trunk_details", writeTrunkDetails),
		rest.Attr("propagate_uplink_status", rest.Both, true, toBool, func(v *V) *bool { return &v.PropagateUp }).By("propagate_uplink_status"),
	})
	return collection(a, &rest.Resource[V, change.Patch[R], change.Patch[R]]{
		Path: "/v2.0/ports", One: "port", Many: "ports", ID: func(v *V) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}, rest.NewAttributes(append(rest.Lift(stored, func(r *R) *V { return &r.Port }),
		rest.Set("fixed_ips", rest.Both, rest.Unset, func(r *R, v any) (err error) {
			r.IPsGiven = v != nil
			r.WantIPs, err = toFixedIPs(v)
			return err
		}, func(w *rest.Writer, key string, v *V) { writeFixedIPs(w, key, v.FixedIPs) }).Filtered(byFixedIPs),
		rest.Set("security_groups", rest.Both, rest.Unset, func(r *R, v any) (err error) {
			r.GroupsGiven = v != nil
			r.SecurityGroups, err = uniqueListOf(toUUID)(v)
			return err
		}, func(w *rest.Writer, key string, v *V) { w.Texts(key, v.SecurityGroups) }).Filtered(containing("security_groups", nil)),
		rest.Set("port_security_enabled", rest.Both, rest.Unset, func(r *R, v any) error {
			b, err := toBool(v)
			r.Security, r.PortSecurity = &b, b
			return err
		}, func(w *rest.Writer, key string, v *V) { w.Bool(key, v.PortSecurity) }).By("port_security_enabled").Read(asBool("port_security_enabled")),
	)...))
}

// byFixedIPs wants for each key one address of the port that has one of the values.
func byFixedIPs(values []string) ([]store.Cond, error) {
	fields := map[string]string{"ip_address": "fixed_address", "subnet_id": "fixed_subnet", "ip_address_substr": "fixed_part"}
	want := map[string][]string{}
	for _, v := range values {
		key, x, ok := strings.Cut(v, "=")
		if !ok || fields[key] == "" {
			return nil, badRequest("Invalid input for fixed_ips. Reason: '%s' is not ip_address=, ip_address_substr= or subnet_id=.", v)
		}
		if key == "ip_address" {
			x = wanted(toAddr)(x)
		}
		want[fields[key]] = append(want[fields[key]], x)
	}
	var conds []store.Cond
	for field, list := range want {
		conds = append(conds, store.Cond{Field: field, Op: store.HasAny, Value: list})
	}
	return conds, nil
}

func allocationOf(v *network.Port) string {
	if len(v.FixedIPs) == 0 {
		return "none"
	}
	return "immediate"
}

func byAllocation(values []string) ([]store.Cond, error) {
	var any []store.Cond
	if slices.Contains(values, "none") {
		any = append(any, store.Eq("addresses", 0))
	}
	if slices.Contains(values, "immediate") {
		any = append(any, store.Ne("addresses", 0))
	}
	return []store.Cond{store.Or(any...)}, nil
}

// setOptions replaces the options; one whose value is null goes.
func setOptions(r *network.Port, v any) error {
	opts, err := listOf(toDHCPOption)(v)
	if err != nil {
		return err
	}
	keep := map[string]network.DHCPOption{}
	order := []string{}
	put := func(o network.DHCPOption) {
		key := fmt.Sprint(o.IPVersion, o.Name)
		if _, ok := keep[key]; !ok {
			order = append(order, key)
		}
		keep[key] = o
	}
	for _, o := range r.DHCPOptions {
		put(o)
	}
	for _, o := range opts {
		put(o)
	}
	r.DHCPOptions = nil
	for _, key := range order {
		if o := keep[key]; o.Value != "" {
			r.DHCPOptions = append(r.DHCPOptions, o)
		}
	}
	return nil
}

func toProfile(v any) (map[string]any, error) {
	if v == nil || v == "" {
		return map[string]any{}, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%v' is not a dictionary", show(v))
	}
	if b, err := json.Marshal(m); err != nil || len(b) > 4095 {
		return nil, fmt.Errorf("binding:profile is larger than 4095 bytes")
	}
	return m, nil
}

func writeFixedIPs(w *rest.Writer, key string, fs []network.FixedIP) {
	w.List(key, func() {
		for _, f := range fs {
			w.Object("", func() {
				w.Text("subnet_id", f.SubnetID)
				w.Text("ip_address", f.IP.String())
			})
		}
	})
}

func writePairs(w *rest.Writer, key string, ps []network.AddressPair) {
	w.List(key, func() {
		for _, p := range ps {
			ip := p.IP.String()
			if p.IP.IsSingleIP() {
				ip = p.IP.Addr().String()
			}
			w.Object("", func() {
				w.Text("mac_address", p.MAC)
				w.Text("ip_address", ip)
			})
		}
	})
}

func writeOptions(w *rest.Writer, key string, os []network.DHCPOption) {
	w.List(key, func() {
		for _, o := range os {
			w.Object("", func() {
				w.Text("opt_name", o.Name)
				w.Text("opt_value", o.Value)
				w.Int("ip_version", int64(o.IPVersion))
			})
		}
	})
}

// writeAssignments writes the names of a port's addresses in the internal DNS.
func writeAssignments(w *rest.Writer, key string, p *network.Port, domain string) {
	w.List(key, func() {
		for _, f := range p.FixedIPs {
			ip, host := f.IP.String(), p.DNSName
			if host == "" {
				host = "host-" + dashes.Replace(ip)
			}
			fqdn := host
			if !strings.HasSuffix(host, ".") {
				fqdn = host + "." + domain
			}
			name, _, _ := strings.Cut(host, ".")
			w.Object("", func() {
				w.Text("ip_address", ip)
				w.Text("hostname", name)
				w.Text("fqdn", fqdn)
			})
		}
	})
}

// dashes makes an address part of a name.
var dashes = strings.NewReplacer(".", "-", ":", "-")

func vifType(p *network.Port) string {
	switch {
	case p.DeviceOwner == network.OwnerRouterInterface || p.DeviceOwner == network.OwnerRouterGateway || p.DeviceOwner == network.OwnerDistributed:
		return "unbound"
	case !p.Bound():
		return "unbound"
	}
	return "ovs"
}

func writeVIF(w *rest.Writer, key string, p *network.Port) {
	w.Object(key, func() {
		if p.Bound() {
			w.Bool("port_filter", true)
			w.Text("connectivity", "l2")
			w.Text("bridge_name", "br-int")
		}
	})
}

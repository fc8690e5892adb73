package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"kumoi/internal/kernel/store/storetest"
)

// Addresses are taken in every form that people write, and shown in one.
func TestFormsOfAddresses(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.site("10.0.0.0/24").network
	group := c.create("/v2.0/security-groups", "security_group", object{"name": "g"})["id"]
	for i, form := range []string{"fa:16:3e:11:%02X:33", "FA-16-3E-11-%02x-33", "fa16.3e11.%02x33", "fa163e11%02x33", "fa163e-11%02x33", "fa163e:11%02x33", "fa16:3e11:%02x33", "fa:16:3e:11:%x:33"} {
		mac := fmt.Sprintf(form, 0x20+i)
		p := c.create("/v2.0/ports", "port", object{"network_id": n, "mac_address": mac})
		if want := fmt.Sprintf("fa:16:3e:11:%02x:33", 0x20+i); p["mac_address"] != want {
			t.Errorf("%s is stored as %s", mac, p["mac_address"])
		}
	}
	for _, mac := range []string{"", "fa:16:3e:11:22", "fa:16:3e:11:22:33:44", "fa:16-3e:11:22:33", "fa163e1122334", "fg:16:3e:11:22:33", "00:00:00:00:00:00", "fa:16:3e:11:22:033"} {
		c.fails(400, "HTTPBadRequest", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "mac_address": mac}})
	}
	for given, want := range map[string][2]string{
		"2001:558:FC00::/39": {"IPv6", "2001:558:fc00::/39"}, "2001:DB8:0:0::1": {"IPv6", "2001:db8::1/128"},
		"10.0.0.0/255.255.255.0": {"IPv4", "10.0.0.0/24"}, "10.0.0.5/24": {"IPv4", "10.0.0.5/24"}, "10.0.1.0/0.0.0.255": {"IPv4", "10.0.1.0/24"}, "10.0.0.7": {"IPv4", "10.0.0.7/32"},
	} {
		r := c.must(201, "POST", "/v2.0/security-group-rules", object{"security_group_rule": object{
			"security_group_id": group, "direction": "ingress", "ethertype": want[0], "remote_ip_prefix": given, "protocol": "tcp", "port_range_min": 1 + len(given), "port_range_max": 1 + len(given),
		}})["security_group_rule"].(object)
		if r["remote_ip_prefix"] != want[1] {
			t.Errorf("%s is stored as %s", given, r["remote_ip_prefix"])
		}
		found := c.must(200, "GET", "/v2.0/security-group-rules?remote_ip_prefix="+url.QueryEscape(given), nil)["security_group_rules"].([]any)
		if len(found) != 1 {
			t.Errorf("%d rules are found by %s", len(found), given)
		}
	}
	for _, bad := range []string{"10.0.0.0/255.0.255.0", "10.0.0.0/33", "10.0.0/24", "x"} {
		c.fails(400, "HTTPBadRequest", "POST", "/v2.0/security-group-rules", object{"security_group_rule": object{"security_group_id": group, "direction": "ingress", "remote_ip_prefix": bad}})
	}
}

// A filter takes each form that a request takes, for every attribute of every resource.
func TestFiltersReadAsRequestsDo(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.create("/v2.0/networks", "network", object{})["id"].(string)
	v6 := c.create("/v2.0/subnets", "subnet", object{"network_id": n, "ip_version": 6, "cidr": "2001:db8:9::/64", "dns_nameservers": []string{"2001:DB8::53"}})["id"].(string)
	v4 := c.create("/v2.0/subnets", "subnet", object{"network_id": n, "ip_version": 4, "cidr": "10.0.0.0/24"})["id"].(string)
	port := c.create("/v2.0/ports", "port", object{"network_id": n, "mac_address": "fa:16:3e:11:22:33", "fixed_ips": []object{{"subnet_id": v6, "ip_address": "2001:db8:9::7"}}})["id"].(string)
	pool := c.create("/v2.0/subnetpools", "subnetpool", object{"prefixes": []string{"2001:db8:a::/48"}})["id"].(string)
	group := c.create("/v2.0/address-groups", "address_group", object{"addresses": []string{"10.0.0.0/8"}})["id"].(string)
	for query, want := range map[string]string{
		"ports?mac_address=FA:16:3E:11:22:33": port, "ports?mac_address=fa163e112233": port, "ports?admin_state_up=yes&port_security_enabled=1": port,
		"ports?fixed_ips=ip_address%3D2001:DB8:9:0::7": port, "ports?fixed_ips=ip_address%3D2001:db8:9::7": port,
		"subnets?cidr=2001:DB8:9:0::/64": v6, "subnets?cidr=10.0.0.0/255.255.255.0": v4, "subnets?gateway_ip=2001:DB8:9:0::1": v6,
		"subnets?dns_nameservers=2001:DB8:0::53": v6, "subnets?ip_version=06": v6, "subnets?enable_dhcp=True&ip_version=4": v4,
		"subnetpools?prefixes=2001:DB8:A::/48": pool, "address-groups?addresses=10.0.0.0/255.0.0.0": group,
		"ports?mac_address=nonsense": "", "subnets?cidr=nonsense": "", "subnets?gateway_ip=None": "",
	} {
		collection, _, _ := strings.Cut(query, "?")
		found := c.must(200, "GET", "/v2.0/"+query, nil)[strings.ReplaceAll(collection, "-", "_")].([]any)
		if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || found[0].(object)["id"] != want) {
			t.Errorf("%s finds %v, want %s", query, found, want)
		}
	}
	for _, query := range []string{"ports?admin_state_up=perhaps", "subnets?ip_version=four", "networks?mtu=x"} {
		c.fails(400, "HTTPBadRequest", "GET", "/v2.0/"+query, nil)
	}
}

// Rules about two attributes hold when either of them changes.
func TestRulesOfTwoAttributes(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	n := c.create("/v2.0/networks", "network", object{"mtu": 1300})["id"].(string)
	subnet := func(status int, kind string, attrs object) string {
		t.Helper()
		attrs["network_id"] = n
		if status != 201 {
			c.fails(status, kind, "POST", "/v2.0/subnets", object{"subnet": attrs})
			return ""
		}
		return "/v2.0/subnets/" + c.create("/v2.0/subnets", "subnet", attrs)["id"].(string)
	}
	for i, cidr := range []string{"10.33.0.0/31", "10.32.0.1/32", "2001:db8:8::/127"} {
		version := []int{4, 4, 6}[i]
		subnet(400, "InvalidInput", object{"ip_version": version, "cidr": cidr})
		small := subnet(201, "", object{"ip_version": version, "cidr": cidr, "enable_dhcp": false})
		c.fails(400, "InvalidInput", "PUT", small, object{"subnet": object{"enable_dhcp": true}})
		c.must(200, "PUT", small, object{"subnet": object{"name": "x"}})
	}
	subnet(201, "", object{"ip_version": 4, "cidr": "10.34.0.0/30"})
	c.fails(409, "NetworkMTUSubnetConflict", "PUT", "/v2.0/networks/"+n, object{"network": object{"mtu": 1200}})
	narrow := c.create("/v2.0/networks", "network", object{"mtu": 1200})["id"].(string)
	c.fails(409, "NetworkMTUSubnetConflict", "POST", "/v2.0/subnets", object{"subnet": object{"network_id": narrow, "ip_version": 6, "cidr": "2001:db8:7::/64"}})
	pool := c.create("/v2.0/subnetpools", "subnetpool", object{"prefixes": []string{"10.8.0.0/16"}, "default_prefixlen": 24})["id"]
	subnet(400, "NetworkSubnetPoolAffinityError", object{"ip_version": 4, "subnetpool_id": pool})
	out := c.outside()
	c.fails(400, "BadRequest", "POST", "/v2.0/floatingips", object{"floatingip": object{"floating_network_id": out, "fixed_ip_address": "10.0.0.9"}})
	f := c.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": out})["id"].(string)
	c.fails(400, "BadRequest", "PUT", "/v2.0/floatingips/"+f, object{"floatingip": object{"fixed_ip_address": "10.0.0.9"}})
}

// A guest has the addresses that it gives itself, whatever else is asked for.
func TestAutomaticAddresses(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	for _, mode := range []string{"slaac", "dhcpv6-stateless"} {
		mine := c.site("10.0.0.0/24")
		c.create("/v2.0/subnets", "subnet", object{"network_id": mine.network, "ip_version": 6, "cidr": "2001:db8:9::/64", "ipv6_ra_mode": mode, "ipv6_address_mode": mode})
		ips := func(p object) string {
			var out []string
			for _, f := range p["fixed_ips"].([]any) {
				out = append(out, f.(object)["ip_address"].(string))
			}
			return strings.Join(out, " ")
		}
		p := c.create("/v2.0/ports", "port", object{"network_id": mine.network, "mac_address": "fa:16:3e:00:00:01", "fixed_ips": []object{{"subnet_id": mine.subnet, "ip_address": "10.0.0.9"}}})
		if got := ips(p); got != "10.0.0.9 2001:db8:9:0:f816:3eff:fe00:1" {
			t.Errorf("%s: made with %s", mode, got)
		}
		path := "/v2.0/ports/" + p["id"].(string)
		four := object{"port": object{"fixed_ips": []object{{"subnet_id": mine.subnet, "ip_address": "10.0.0.8"}, {"subnet_id": mine.subnet, "ip_address": "10.0.0.9"}}}}
		if got := ips(c.must(200, "PUT", path, four)["port"].(object)); got != "10.0.0.8 10.0.0.9 2001:db8:9:0:f816:3eff:fe00:1" {
			t.Errorf("%s: changed to %s", mode, got)
		}
		moved := c.as("p:admin").must(200, "PUT", path, object{"port": object{"mac_address": "fa:16:3e:00:00:02"}})["port"].(object)
		if got := ips(moved); got != "10.0.0.8 10.0.0.9 2001:db8:9:0:f816:3eff:fe00:2" {
			t.Errorf("%s: after another MAC %s", mode, got)
		}
	}
}

// null asks for another MAC.
func TestMACMadeAnew(t *testing.T) {
	c := serve(t, storetest.SQLite(t)).as("p:admin")
	n := c.create("/v2.0/networks", "network", object{})["id"]
	p := c.create("/v2.0/ports", "port", object{"network_id": n, "mac_address": nil})
	again := c.must(200, "PUT", "/v2.0/ports/"+p["id"].(string), object{"port": object{"mac_address": nil}})["port"].(object)
	if mac := again["mac_address"].(string); mac == p["mac_address"] || !strings.HasPrefix(mac, "fa:16:3e:") {
		t.Errorf("%s became %s", p["mac_address"], mac)
	}
}

// A subnet that is not there is 404, for clients that try the next one; one of
// another network is a mistake.
func TestSubnetsThatAreNotThere(t *testing.T) {
	c := serve(t, storetest.SQLite(t)).as("p:admin")
	out, mine := c.outside(), c.site("10.0.0.0/24")
	n := c.site("10.1.0.0/24").network
	hidden := c.as("q").site("10.2.0.0/24").subnet
	for subnet, want := range map[string]struct {
		status int
		kind   string
	}{"11111111-1111-4111-8111-111111111111": {404, "SubnetNotFound"}, mine.subnet: {400, "InvalidInput"}} {
		c.fails(want.status, want.kind, "POST", "/v2.0/floatingips", object{"floatingip": object{"floating_network_id": out, "subnet_id": subnet}})
		c.fails(want.status, want.kind, "POST", "/v2.0/routers", object{"router": object{"external_gateway_info": object{"network_id": out, "external_fixed_ips": []object{{"subnet_id": subnet}}}}})
		c.fails(want.status, want.kind, "POST", "/v2.0/ports", object{"port": object{"network_id": n, "fixed_ips": []object{{"subnet_id": subnet}}}})
	}
	c.as("p").fails(404, "SubnetNotFound", "POST", "/v2.0/ports", object{"port": object{"network_id": n, "fixed_ips": []object{{"subnet_id": hidden}}}})
}

// Lists that users gave keep their order.
func TestListsKeepTheirOrder(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	mine := c.site("10.0.0.0/24")
	dns := []string{"9.9.9.9", "1.1.1.1", "8.8.8.8"}
	pools := []object{{"start": "10.0.0.100", "end": "10.0.0.110"}, {"start": "10.0.0.10", "end": "10.0.0.20"}}
	sub := c.must(200, "PUT", "/v2.0/subnets/"+mine.subnet, object{"subnet": object{"dns_nameservers": dns, "allocation_pools": pools}})["subnet"].(object)
	same := func(what string, got any, key string, want ...string) {
		t.Helper()
		for i, x := range got.([]any) {
			if m, ok := x.(object); ok {
				x = m[key]
			}
			if i >= len(want) || x != want[i] {
				t.Errorf("%s: %v, want %v", what, got, want)
				return
			}
		}
	}
	same("name servers", sub["dns_nameservers"], "", dns...)
	same("pools", sub["allocation_pools"], "start", "10.0.0.100", "10.0.0.10")
	group := c.create("/v2.0/address-groups", "address_group", object{"addresses": []string{"10.9.0.0/16", "10.1.0.0/16"}})
	same("addresses", group["addresses"], "", "10.9.0.0/16", "10.1.0.0/16")
	ips := func(list ...string) []object {
		out := []object{}
		for _, ip := range list {
			out = append(out, object{"ip_address": ip})
		}
		return out
	}
	p := c.create("/v2.0/ports", "port", object{"network_id": mine.network, "fixed_ips": ips("10.0.0.30", "10.0.0.10"), "allowed_address_pairs": ips("10.0.0.9", "10.0.0.8")})
	same("fixed IPs", p["fixed_ips"], "ip_address", "10.0.0.30", "10.0.0.10")
	same("pairs", p["allowed_address_pairs"], "ip_address", "10.0.0.9", "10.0.0.8")
	p = c.must(200, "PUT", "/v2.0/ports/"+p["id"].(string), object{"port": object{"fixed_ips": ips("10.0.0.40", "10.0.0.10", "10.0.0.5")}})["port"].(object)
	same("changed IPs", p["fixed_ips"], "ip_address", "10.0.0.40", "10.0.0.10", "10.0.0.5")
}

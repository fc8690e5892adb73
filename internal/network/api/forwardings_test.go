package api_test

import (
	"testing"

	"kumoi/internal/kernel/store/storetest"
)

// Ranges of ports are forwarded one by one, or all to one port.
func TestForwardedRanges(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	out, mine := c.outside(), c.site("10.0.0.0/24")
	r := c.create("/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})["id"].(string)
	c.must(200, "PUT", "/v2.0/routers/"+r+"/add_router_interface", object{"subnet_id": mine.subnet})
	p := c.create("/v2.0/ports", "port", object{"network_id": mine.network, "fixed_ips": []object{{"ip_address": "10.0.0.9"}}})["id"]
	base := "/v2.0/floatingips/" + c.create("/v2.0/floatingips", "floatingip", object{"floating_network_id": out})["id"].(string)
	forward := func(more object) object {
		more["protocol"], more["internal_port_id"], more["internal_ip_address"] = "tcp", p, "10.0.0.9"
		return object{"port_forwarding": more}
	}
	same := c.must(201, "POST", base+"/port_forwardings", forward(object{"external_port_range": "1200:1299", "internal_port_range": "200:299"}))["port_forwarding"].(object)
	if same["external_port_range"] != "1200:1299" || same["internal_port_range"] != "200:299" || same["external_port"] != nil {
		t.Errorf("a range is shown as %v", same)
	}
	one := c.must(201, "POST", base+"/port_forwardings", forward(object{"external_port_range": "1300:1309", "internal_port": 80}))["port_forwarding"].(object)
	if one["internal_port"] != 80.0 || one["internal_port_range"] != "80:80" {
		t.Errorf("one port is shown as %v", one)
	}
	for _, bad := range []object{
		{"external_port_range": "1290:1310", "internal_port": 81},
		{"external_port_range": "2000:2001", "internal_port_range": "200:201"},
		{"external_port_range": "2000:2001", "internal_port_range": "3000:3002"},
		{"external_port_range": "2001:2000", "internal_port": 81},
		{"external_port_range": "0:9", "internal_port": 81},
		{"external_port_range": "2000:2001", "external_port": 2000, "internal_port": 81},
		{"external_port_range": "2000:2001"},
	} {
		if status, body := c.do("POST", base+"/port_forwardings", forward(bad)); status != 400 {
			t.Errorf("%v: %d %v", bad, status, body)
		}
	}
	shown := c.must(200, "GET", base, nil)["floatingip"].(object)["port_forwardings"].([]any)
	if len(shown) != 2 {
		t.Errorf("the floating IP shows %v", shown)
	}
	c.must(200, "PUT", base+"/port_forwardings/"+one["id"].(string), object{"port_forwarding": object{"external_port": 1250 + 60}})
}

// A router's gateway has all the addresses asked for.
func TestSeveralExternalAddresses(t *testing.T) {
	c := serve(t, storetest.SQLite(t)).as("p:admin")
	out := c.outside()
	sub := c.must(200, "GET", "/v2.0/networks/"+out, nil)["network"].(object)["subnets"].([]any)[0]
	c.create("/v2.0/subnets", "subnet", object{"network_id": out, "ip_version": 6, "cidr": "2001:db8:1::/64"})
	want := []object{{"ip_address": "203.0.113.10"}, {"subnet_id": sub, "ip_address": "203.0.113.9"}, {"ip_address": "2001:db8:1::5"}}
	for _, make := range []func() object{
		func() object {
			return c.create("/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out, "external_fixed_ips": want}})
		},
		func() object {
			r := c.create("/v2.0/routers", "router", object{"external_gateway_info": object{"network_id": out}})["id"].(string)
			want[0]["ip_address"], want[1]["ip_address"], want[2]["ip_address"] = "203.0.113.30", "203.0.113.29", "2001:db8:1::6"
			return c.must(200, "PUT", "/v2.0/routers/"+r, object{"router": object{"external_gateway_info": object{"network_id": out, "external_fixed_ips": want}}})["router"].(object)
		},
	} {
		got := make()["external_gateway_info"].(object)["external_fixed_ips"].([]any)
		for i, f := range got {
			if len(got) != 3 || f.(object)["ip_address"] != want[i]["ip_address"] {
				t.Fatalf("the gateway has %v, want %v", got, want)
			}
		}
	}
}

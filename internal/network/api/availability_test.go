package api_test

import (
	"fmt"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

func TestIPAvailabilities(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		admin := c.as("p:admin")
		const path = "/v2.0/network-ip-availabilities"
		ids := map[string]string{}
		for i, who := range []*client{c, c, c.as("q")} {
			name := fmt.Sprint("n", i)
			ids[name] = who.create("/v2.0/networks", "network", object{"name": name})["id"].(string)
		}
		c.create("/v2.0/subnets", "subnet", object{"network_id": ids["n0"], "ip_version": 4, "cidr": "10.0.0.0/29", "name": "four", "enable_dhcp": false})
		c.create("/v2.0/subnets", "subnet", object{"network_id": ids["n0"], "ip_version": 6, "cidr": "fd00::/64", "enable_dhcp": false})
		c.create("/v2.0/subnets", "subnet", object{"network_id": ids["n1"], "ip_version": 6, "cidr": "fd01::/64", "enable_dhcp": false})
		c.create("/v2.0/ports", "port", object{"network_id": ids["n0"]})
		lists(t, path, "network_ip_availabilities", "network_name", []asked{
			{admin, "", "n0 n1 n2"},
			{admin, "?ip_version=4", "n0"},
			{admin, "?ip_version=6", "n0 n1"},
			{admin, "?network_name=n1&network_name=n2", "n1 n2"},
			{admin, "?network_id=" + ids["n2"], "n2"},
			{admin, "?tenant_id=q", "n2"},
			{admin, "?sort_key=network_name&sort_dir=desc&limit=2", "n2 n1"},
			{admin, "?sort_key=network_name&limit=1&marker=" + ids["n1"], "n2"},
		})
		refuses(t, admin, path, map[string]string{"?used_ips=1": "['used_ips'] is invalid attribute for filtering"})
		shown := admin.must(200, "GET", path+"/"+ids["n0"], nil)["network_ip_availability"].(object)
		subnets := shown["subnet_ip_availability"].([]any)
		if len(shown) != 8 || shown["used_ips"] != 2.0 || fmt.Sprint(shown["ip_version"]) != "[4 6]" || len(subnets) != 2 {
			t.Errorf("shown: %v", shown)
		}
		if four := subnets[0].(object); len(four) != 6 || four["subnet_name"] != "four" || four["cidr"] != "10.0.0.0/29" || four["ip_version"] != 4.0 || four["total_ips"] != 5.0 || four["used_ips"] != 1.0 {
			t.Errorf("the subnet: %v", four)
		}
		if fields := admin.must(200, "GET", path+"?fields=network_name&network_name=n0", nil)["network_ip_availabilities"].([]any); len(fields[0].(object)) != 1 {
			t.Errorf("fields: %v", fields)
		}
		c.fails(403, "PolicyNotAuthorized", "GET", path, nil)
		admin.fails(404, "NetworkNotFound", "GET", path+"/nothing", nil)
	})
}

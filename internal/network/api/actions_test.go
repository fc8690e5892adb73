package api_test

import (
	"testing"

	"kumoi/internal/kernel/store/storetest"
)

// An action whose body says nothing that is done is refused, for every action.
func TestActionsWithWrongBodies(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	mine := c.site("10.0.0.0/24")
	id := func(path, member string, o object) string { return c.create(path, member, o)["id"].(string) }
	port := func() string { return id("/v2.0/ports", "port", object{"network_id": mine.network}) }
	trunk := "/v2.0/trunks/" + id("/v2.0/trunks", "trunk", object{"port_id": port()})
	pool := "/v2.0/subnetpools/" + id("/v2.0/subnetpools", "subnetpool", object{"prefixes": []string{"10.8.0.0/16"}})
	group := "/v2.0/address-groups/" + id("/v2.0/address-groups", "address_group", object{"name": "g"})
	router := "/v2.0/routers/" + c.router()
	network := "/v2.0/networks/" + mine.network
	sub := []object{{"port_id": port(), "segmentation_type": "vlan", "segmentation_id": 7}}
	for path, right := range map[string]struct {
		key   string
		value any
	}{
		trunk + "/add_subports": {"sub_ports", sub}, trunk + "/remove_subports": {"sub_ports", sub},
		pool + "/add_prefixes": {"prefixes", []string{"10.9.0.0/16"}}, pool + "/remove_prefixes": {"prefixes", []string{"10.9.0.0/16"}},
		group + "/add_addresses": {"addresses", []string{"10.0.0.0/8"}}, group + "/remove_addresses": {"addresses", []string{"10.0.0.0/8"}},
		router + "/add_router_interface": {"subnet_id", mine.subnet}, router + "/remove_router_interface": {"subnet_id", mine.subnet},
		router + "/add_extraroutes":    {"routes", []object{{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}}},
		router + "/remove_extraroutes": {"routes", []object{{"destination": "10.9.0.0/24", "nexthop": "10.0.0.9"}}},
		network + "/tags":              {"tags", []string{"a"}}, network: {"network", object{"name": "x"}},
	} {
		for what, body := range map[string]any{
			"nothing": object{}, "another key": object{"something": right.value}, "singular": object{right.key[:len(right.key)-1]: right.value},
			"null": object{right.key: nil}, "text": object{right.key: "x"}, "more than is known": object{right.key: right.value, "something": 1}, "a list": []any{right.value},
		} {
			if status, out := c.do("PUT", path, body); status != 400 {
				t.Errorf("%s with %s: %d %v", path, what, status, out)
			}
		}
	}
	for _, wrapped := range []object{{"trunk": object{"sub_ports": sub}}, {"sub_ports": []object{}}} {
		c.must(200, "PUT", trunk+"/add_subports", wrapped)
	}
	c.must(200, "PUT", pool+"/add_prefixes", object{"subnetpool": object{"prefixes": []string{"10.9.0.0/16"}}})
	c.must(200, "PUT", group+"/add_addresses", object{"address_group": object{"addresses": []string{"10.0.0.0/8"}}})
	c.fails(400, "HTTPBadRequest", "POST", "/v2.0/networks", object{"network": object{}, "networks": []object{{}}})
}

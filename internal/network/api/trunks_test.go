package api_test

import (
	"fmt"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// A trunk's life: sub-ports come and go, and what it needs cannot be taken from it.
func TestTrunks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		net := c.create("/v2.0/networks", "network", object{})["id"]
		c.create("/v2.0/subnets", "subnet", object{"network_id": net, "ip_version": 4, "cidr": "10.0.0.0/24"})
		port := func() string {
			return c.create("/v2.0/ports", "port", object{"network_id": net})["id"].(string)
		}
		parent, one, two, other := port(), port(), port(), port()
		sub := func(id string, tag any) object {
			return object{"port_id": id, "segmentation_type": "vlan", "segmentation_id": tag}
		}
		const trunks = "/v2.0/trunks"
		for _, x := range []struct {
			status int
			kind   string
			body   object
		}{
			{400, "HTTPBadRequest", object{}},
			{404, "PortNotFound", object{"port_id": "11111111-1111-4111-8111-111111111111"}},
			{400, "HTTPBadRequest", object{"port_id": parent, "sub_ports": []object{sub(one, 4095)}}},
			{400, "HTTPBadRequest", object{"port_id": parent, "sub_ports": []object{{"port_id": one, "segmentation_type": "vxlan", "segmentation_id": 5}}}},
			{400, "InvalidInput", object{"port_id": parent, "sub_ports": []object{{"port_id": one, "segmentation_type": "inherit"}}}},
			{409, "ParentPortInUse", object{"port_id": parent, "sub_ports": []object{sub(parent, 5)}}},
			{400, "HTTPBadRequest", object{"port_id": parent, "sub_ports": []object{sub(one, 5), sub(two, 5)}}},
			{400, "HTTPBadRequest", object{"port_id": parent, "sub_ports": []object{sub(one, 5), sub(one, 6)}}},
			{400, "HTTPBadRequest", object{"port_id": parent, "sub_ports": []object{{"port_id": one, "segmentation_id": 5}}}},
		} {
			c.fails(x.status, x.kind, "POST", trunks, object{"trunk": x.body})
		}
		made := c.create(trunks, "trunk", object{"port_id": parent, "name": "t", "sub_ports": []object{sub(one, 101)}})
		if made["status"] != "DOWN" || len(made["sub_ports"].([]any)) != 1 {
			t.Errorf("made %v", made)
		}
		path := trunks + "/" + made["id"].(string)
		c.as("q").fails(404, "TrunkNotFound", "GET", path, nil)
		c.fails(409, "PortInUseAsTrunkParent", "POST", trunks, object{"trunk": object{"port_id": parent}})
		c.fails(409, "PortInUseAsSubPort", "POST", trunks, object{"trunk": object{"port_id": one}})

		added := c.must(200, "PUT", path+"/add_subports", object{"sub_ports": []object{sub(two, 102)}})
		if len(added["sub_ports"].([]any)) != 2 {
			t.Errorf("added: %v", added)
		}
		c.fails(409, "PortInUseAsSubPort", "PUT", path+"/add_subports", object{"sub_ports": []object{sub(two, 103)}})
		c.fails(409, "DuplicateSubPort", "PUT", path+"/add_subports", object{"sub_ports": []object{sub(other, 102)}})
		details := c.must(200, "GET", "/v2.0/ports/"+parent, nil)["port"].(object)["trunk_details"].(object)
		first := details["sub_ports"].([]any)[0].(object)
		if details["trunk_id"] != made["id"] || first["port_id"] != one || first["segmentation_id"] != 101.0 || first["mac_address"] == "" {
			t.Errorf("the parent says %v", details)
		}
		if p := c.must(200, "GET", "/v2.0/ports/"+one, nil)["port"].(object); p["device_owner"] != "trunk:subport" || p["trunk_details"] != nil {
			t.Errorf("a sub-port says %v", p)
		}
		c.fails(409, "PortInUseAsTrunkParent", "DELETE", "/v2.0/ports/"+parent, nil)
		c.fails(409, "PortInUseAsSubPort", "DELETE", "/v2.0/ports/"+one, nil)

		c.must(200, "PUT", path, object{"trunk": object{"admin_state_up": false}})
		c.fails(409, "TrunkDisabled", "PUT", path+"/remove_subports", object{"sub_ports": []object{{"port_id": two}}})
		c.must(200, "PUT", path, object{"trunk": object{"admin_state_up": true}})
		c.must(200, "PUT", path+"/remove_subports", object{"sub_ports": []object{{"port_id": two}}})
		c.fails(404, "SubPortNotFound", "PUT", path+"/remove_subports", object{"sub_ports": []object{{"port_id": two}}})
		if left := c.must(200, "GET", path+"/get_subports", nil)["sub_ports"].([]any); len(left) != 1 {
			t.Errorf("left: %v", left)
		}
		c.must(204, "DELETE", "/v2.0/ports/"+two, nil)
		c.must(204, "DELETE", path, nil)
		if p := c.must(200, "GET", "/v2.0/ports/"+one, nil)["port"].(object); p["device_owner"] != "" {
			t.Errorf("after the trunk, its sub-port says %v", p)
		}
		c.must(204, "DELETE", "/v2.0/ports/"+parent, nil)
	})
}

// Sub-ports come back in the order in which they were given, whatever their tags.
func TestSubPortsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		net := c.create("/v2.0/networks", "network", object{})["id"]
		sub := func(tag int) object {
			port := c.create("/v2.0/ports", "port", object{"network_id": net})["id"]
			return object{"port_id": port, "segmentation_type": "vlan", "segmentation_id": tag}
		}
		parent := c.create("/v2.0/ports", "port", object{"network_id": net})["id"]
		path := "/v2.0/trunks/" + c.create("/v2.0/trunks", "trunk", object{"port_id": parent, "sub_ports": []object{sub(9), sub(3), sub(5)}})["id"].(string)
		c.must(200, "PUT", path+"/add_subports", object{"sub_ports": []object{sub(4), sub(1)}})
		for _, get := range []object{c.must(200, "GET", path, nil)["trunk"].(object), c.must(200, "GET", path+"/get_subports", nil)} {
			for i, want := range []float64{9, 3, 5, 4, 1} {
				if got := get["sub_ports"].([]any)[i].(object)["segmentation_id"]; got != want {
					t.Errorf("%d. is %v, want %v: %v", i, got, want, get)
				}
			}
		}
	})
}

func TestTrunkLists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, admin := c.as("q"), c.as("p:admin")
		const path = "/v2.0/trunks"
		made, parents := map[string]string{}, map[string]any{}
		for i, who := range []*client{c, c, q, c} {
			net := who.create("/v2.0/networks", "network", object{})["id"]
			who.create("/v2.0/subnets", "subnet", object{"network_id": net, "ip_version": 4, "cidr": "10.0.0.0/24"})
			name, parent := fmt.Sprint("t", i), who.create("/v2.0/ports", "port", object{"network_id": net})["id"]
			parents[name] = parent
			trunk := object{"port_id": parent, "name": name, "tags": []string{name}, "admin_state_up": i != 1, "description": fmt.Sprint("d", i%2)}
			if i == 3 {
				sub := who.create("/v2.0/ports", "port", object{"network_id": net})["id"]
				trunk["sub_ports"] = []object{{"port_id": sub, "segmentation_type": "vlan", "segmentation_id": 7}}
			}
			made[name] = who.create(path, "trunk", trunk)["id"].(string)
		}
		for _, name := range []string{"t0", "t3"} { // their sub-ports follow, now or later
			admin.must(200, "PUT", "/v2.0/ports/"+parents[name].(string), object{"port": object{"binding:host_id": "h"}})
		}
		lists(t, path, "trunks", "name", []asked{
			{c, "", "t0 t1 t3"},
			{q, "", "t2"},
			{admin, "", "t0 t1 t2 t3"},
			{c, "?status=DOWN", "t1"},
			{c, "?status=ACTIVE&status=BUILD", "t0 t3"},
			{c, "?admin_state_up=false", "t1"},
			{c, "?port_id=" + parents["t1"].(string), "t1"},
			{c, "?tags-any=t1,t3", "t1 t3"},
			{c, "?not-tags=t1", "t0 t3"},
			{c, "?description=d1", "t1 t3"},
			{admin, "?tenant_id=q", "t2"},
			{c, "?revision_number=1", "t0 t1 t3"},
			{c, "?changed_since=2000-01-01T00:00:00Z", "t0 t1 t3"},
			{c, "?sort_key=status&sort_key=name", "t0 t3 t1"},
			{c, "?sort_key=name&limit=2&page_reverse=true&marker=" + made["t3"], "t0 t1"},
		})
		refuses(t, c, path, map[string]string{
			"?sub_ports=x":                  "['sub_ports'] is invalid attribute for filtering",
			"?limit=1&marker=" + made["t2"]: "Marker " + made["t2"] + " could not be found.",
		})
		shown := c.must(200, "GET", path+"/"+made["t3"], nil)["trunk"].(object)
		sub := shown["sub_ports"].([]any)[0].(object)
		if len(shown) != 13 || len(sub) != 3 || sub["segmentation_type"] != "vlan" || sub["segmentation_id"] != 7.0 {
			t.Errorf("shown: %v", shown)
		}
		if got := c.must(200, "PUT", path+"/"+made["t0"], object{"trunk": object{"admin_state_up": false}})["trunk"].(object); got["status"] != "DOWN" || got["revision_number"] != 2.0 {
			t.Errorf("turned off: %v", got)
		}
		c.fails(409, "TrunkDisabled", "DELETE", path+"/"+made["t0"], nil)
	})
}

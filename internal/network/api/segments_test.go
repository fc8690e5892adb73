package api_test

import (
	"testing"

	"kumoi/internal/kernel/store/storetest"
)

// SDKs state provider attributes as a list of one segment.
func TestSegments(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	c = c.as("ops:admin")
	segment := object{"provider:network_type": "flat", "provider:physical_network": "outside"}
	n := c.must(201, "POST", "/v2.0/networks", object{"network": object{"name": "o", "router:external": true, "segments": []object{segment}}})["network"].(object)
	if n["provider:network_type"] != "flat" || n["provider:physical_network"] != "outside" {
		t.Errorf("got %v", n)
	}
	for _, bad := range []any{[]object{}, []object{segment, segment}, "flat", []object{{"colour": "red"}}} {
		c.must(400, "POST", "/v2.0/networks", object{"network": object{"name": "x", "segments": bad}})
	}
	c = c.as("user")
	c.must(403, "POST", "/v2.0/networks", object{"network": object{"name": "x", "segments": []object{segment}}})
}

// The first external network that names no provider leads outside; others, and
// networks that are not external, are overlays.
func TestExternalNetworksLeadOutside(t *testing.T) {
	c := serve(t, storetest.SQLite(t))
	c = c.as("ops:admin")
	create := func(doc object) object {
		t.Helper()
		return c.must(201, "POST", "/v2.0/networks", object{"network": doc})["network"].(object)
	}
	inside := create(object{"name": "inside"})
	first := create(object{"name": "first", "router:external": true})
	second := create(object{"name": "second", "router:external": true})
	for _, want := range []struct {
		network        object
		kind, physical any
	}{{inside, "geneve", nil}, {first, "flat", "outside"}, {second, "geneve", nil}} {
		if n := want.network; n["provider:network_type"] != want.kind || n["provider:physical_network"] != want.physical {
			t.Errorf("%s is %v on %v", n["name"], n["provider:network_type"], n["provider:physical_network"])
		}
	}
}

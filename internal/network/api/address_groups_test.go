package api_test

import (
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// asked is one request for a list and the names that answer it, in order.
type asked struct {
	who         *client
	query, want string
}

// lists asks for lists of a collection and compares what is called by the key.
func lists(t *testing.T, path, many, key string, cases []asked) {
	t.Helper()
	for _, x := range cases {
		var out []string
		for _, row := range x.who.must(200, "GET", path+x.query, nil)[many].([]any) {
			out = append(out, fmt.Sprint(row.(object)[key]))
		}
		if got := strings.Join(out, " "); got != x.want {
			t.Errorf("%s%s: %q, want %q", path, x.query, got, x.want)
		}
	}
}

// refuses asks for lists that there are not and looks for the words of the error.
func refuses(t *testing.T, c *client, path string, cases map[string]string) {
	t.Helper()
	for query, say := range cases {
		if got := fmt.Sprint(c.must(400, "GET", path+query, nil)); !strings.Contains(got, say) {
			t.Errorf("%s%s: %s, want %s", path, query, got, say)
		}
	}
}

func TestAddressGroupLists(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q, admin := c.as("q"), c.as("p:admin")
		const path = "/v2.0/address-groups"
		ids := map[string]string{}
		for i, who := range []*client{c, c, q} {
			name := fmt.Sprint("g", i)
			ids[name] = who.create(path, "address_group", object{
				"name": name, "description": fmt.Sprint("d", i%2), "addresses": []string{fmt.Sprintf("10.%d.0.0/16", i), "10.9.0.1/16"}, "tags": []string{"all", "t" + name},
			})["id"].(string)
		}
		c.create("/v2.0/rbac-policies", "rbac_policy", object{"object_type": "address_group", "object_id": ids["g1"], "action": "access_as_shared", "target_tenant": "q"})
		lists(t, path, "address_groups", "name", []asked{
			{c, "", "g0 g1"},
			{q, "", "g1 g2"},
			{q, "?shared=true", "g1"},
			{q, "?shared=False", "g2"},
			{admin, "", "g0 g1 g2"},
			{admin, "?project_id=p&sort_key=name&sort_dir=desc", "g1 g0"},
			{c, "?description=d1", "g1"},
			{c, "?addresses=10.1.3.4/16", "g1"},
			{c, "?addresses=10.9.0.0/16&addresses=10.3.0.0/16", "g0 g1"},
			{c, "?tags=all,tg1", "g1"},
			{c, "?tags=all&tags=tg1", "g1"},
			{c, "?tags-any=tg0,tg1", "g0 g1"},
			{c, "?not-tags=all,tg1", "g0"},
			{c, "?not-tags-any=all,tg1", ""},
			{c, "?sort_key=name&limit=1&marker=" + ids["g0"], "g1"},
			{c, "?sort_key=name&limit=1&page_reverse=true", "g1"},
		})
		refuses(t, c, path, map[string]string{
			"?shared=x":                    "Invalid input for shared. Reason: 'x' cannot be converted to boolean",
			"?colour=red":                  "['colour'] is invalid attribute for filtering",
			"?limit=1&marker=" + ids["g2"]: "Marker " + ids["g2"] + " could not be found.",
		})
		c.fails(400, "AddressesAlreadyExist", "PUT", path+"/"+ids["g0"]+"/add_addresses", object{"addresses": []string{"10.0.0.0/16"}})
		c.fails(404, "AddressesNotFound", "PUT", path+"/"+ids["g0"]+"/remove_addresses", object{"addresses": []string{"10.8.0.0/16"}})
		got := c.must(200, "PUT", path+"/"+ids["g0"]+"/add_addresses", object{"addresses": []string{"10.7.0.0/16"}})["address_group"].(object)
		if fmt.Sprint(got["addresses"]) != "[10.0.0.0/16 10.9.0.0/16 10.7.0.0/16]" || fmt.Sprint(got["revision_number"]) != "2" || len(got) != 11 {
			t.Errorf("added: %v", got)
		}
		q.must(404, "DELETE", path+"/"+ids["g1"], nil)
		c.must(204, "DELETE", path+"/"+ids["g0"], nil)
	})
}

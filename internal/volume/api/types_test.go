package api_test

import (
	"slices"
	"testing"

	"kumoi/internal/volume/volumetest"
)

func newType(c *volumetest.Cloud, body object) string {
	c.T.Helper()
	return c.As("admin").Want(200, "POST", "/types", object{"volume_type": body}).Text("volume_type.id")
}

// Every cloud has a type, and volumes whose request names none are of it.
func TestDefaultType(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		d := alice.Want(200, "GET", "/types/default", nil)
		d.Same("volume_type.name", `"__DEFAULT__"`)
		id := d.Text("volume_type.id")
		volume := c.Volume("alice")
		alice.Want(200, "GET", "/volumes/"+volume, nil).Same("volume.volume_type", `"__DEFAULT__"`)
		admin.Want(400, "DELETE", "/types/"+id, nil)

		gold := newType(c, object{"name": "gold"})
		alice.Want(403, "PUT", "/default-types/p-alice", object{"default_type": object{"volume_type": "gold"}})
		admin.Want(400, "PUT", "/default-types/p-alice", object{"default_type": object{"volume_type": "none"}})
		admin.Want(404, "GET", "/default-types/p-alice", nil).Same("itemNotFound.message", `"Default type for project p-alice not found."`)
		admin.Want(200, "PUT", "/default-types/p-alice", object{"default_type": object{"volume_type": "gold"}}).Same("default_type.volume_type_id", `"`+gold+`"`)
		admin.Want(200, "GET", "/default-types", nil).Same("default_types", `[{"project_id":"p-alice","volume_type_id":"`+gold+`"}]`)
		alice.Want(200, "GET", "/types/default", nil).Same("volume_type.name", `"gold"`)
		alice.Want(200, "GET", "/volumes/"+c.Volume("alice"), nil).Same("volume.volume_type", `"gold"`)
		admin.Want(400, "DELETE", "/types/"+gold, nil).Same("badRequest.message", `"The volume type `+gold+` is a default volume type and cannot be deleted."`)
		admin.Want(204, "DELETE", "/default-types/p-alice", nil)
		admin.Want(204, "DELETE", "/default-types/p-alice", nil)
		admin.Want(404, "GET", "/default-types", nil, "OpenStack-API-Version", "volume 3.61")
		admin.Want(400, "DELETE", "/types/"+gold, nil).Same("badRequest.message", `"Target volume type is still in use."`)
	})
}

func TestTypes(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		made := admin.Want(200, "POST", "/types", object{"volume_type": object{
			"name": "fast", "description": "d", "extra_specs": object{"volume_backend_name": "fake", "multiattach": "<is> True"},
		}})
		for path, want := range map[string]string{
			"name": `"fast"`, "description": `"d"`, "is_public": "true", "os-volume-type-access:is_public": "true",
			"extra_specs": `{"volume_backend_name":"fake","multiattach":"<is> True"}`,
		} {
			made.Same("volume_type."+path, want)
		}
		id := made.Text("volume_type.id")
		for key, there := range map[string]bool{"qos_specs_id": false, "os-volume-type-access:is_public": true} {
			if _, ok := made.Get("volume_type").(object)[key]; ok != there {
				t.Errorf("the answer to a POST has %s: %t", key, ok)
			}
		}
		if _, ok := admin.Want(200, "GET", "/types/"+id, nil).Get("volume_type").(object)["qos_specs_id"]; !ok {
			t.Error("an administrator does not see the QoS spec")
		}
		shown := alice.Want(200, "GET", "/types/"+id, nil)
		shown.Same("volume_type.extra_specs", `{"multiattach":"<is> True"}`)
		if _, there := shown.Get("volume_type").(object)["qos_specs_id"]; there {
			t.Error("a member sees the QoS spec")
		}
		for _, body := range []object{{"name": "fast"}} {
			admin.Want(409, "POST", "/types", object{"volume_type": body}).Same("conflictingRequest.message", `"Volume Type fast already exists."`)
		}
		for _, body := range []object{
			{},
			{"name": ""},
			{"name": " "},
			{"name": "x", "other": 1},
			{"name": "x", "os-volume-type-access:is_public": "maybe"},
			{"name": "x", "extra_specs": object{"a": 1}},
			{"name": "x", "extra_specs": object{"multiattach": "<is> True", "cacheable": "<is> True"}},
		} {
			admin.Want(400, "POST", "/types", object{"volume_type": body})
		}
		alice.Want(403, "POST", "/types", object{"volume_type": object{"name": "x"}})
		admin.Want(200, "PUT", "/types/"+id, object{"volume_type": object{"name": "faster", "description": "e", "is_public": false}}).Same("volume_type.name", `"faster"`)
		for _, body := range []object{{}, {"name": nil}, {"name": " "}} {
			admin.Want(400, "PUT", "/types/"+id, object{"volume_type": body})
		}
		alice.Want(404, "GET", "/types/"+id, nil).Same("itemNotFound.message", `"Volume type `+id+` could not be found."`)
		alice.Want(403, "DELETE", "/types/"+id, nil)
		admin.Want(202, "DELETE", "/types/"+id, nil)
		admin.Want(404, "DELETE", "/types/"+id, nil)
	})
}

// Who sees which types, in which order, and by which filters.
func TestTypeLists(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		admin := c.As("admin")
		a := newType(c, object{"name": "a", "extra_specs": object{"RESKEY:availability_zones": "z1,z2", "secret": "s"}})
		b := newType(c, object{"name": "b", "os-volume-type-access:is_public": false})
		admin.Want(202, "POST", "/types/"+b+"/action", object{"addProjectAccess": object{"project": "p-bob"}})
		standard := admin.Want(200, "GET", "/types/default", nil).Text("volume_type.id")
		for _, tc := range []struct {
			who, query string
			want       []string
		}{
			{"alice", "?sort=name:asc", []string{standard, a}},
			{"alice", "?sort=name:asc&is_public=False", []string{standard, a}},
			{"bob", "?sort=name:asc", []string{standard, a, b}},
			{"admin", "?sort=name", []string{a, standard}},
			{"admin", "?sort_key=name&sort_dir=asc&is_public=None", []string{standard, a, b}},
			{"admin", "?is_public=false", []string{b}},
			{"admin", "?is_public=none&sort=name:asc&limit=1&marker=" + a, []string{b}},
			{"admin", "?is_public=none&sort=name:asc&limit=1&offset=1", []string{a}},
			{"admin", "?extra_specs=%7B%27secret%27%3A%20%27s%27%7D", []string{a}},
			{"alice", "?extra_specs=%7B%27secret%27%3A%20%27s%27%7D", nil},
			{"alice", "?extra_specs=%7B%27RESKEY%3Aavailability_zones%27%3A%20%27z2%27%7D", []string{a}},
			{"alice", "?extra_specs=%7B%27RESKEY%3Aavailability_zones%27%3A%20%27z3%27%7D", nil},
		} {
			got := c.As(tc.who).Want(200, "GET", "/types"+tc.query, nil).IDs("volume_types")
			if !slices.Equal(got, tc.want) {
				t.Errorf("%s %s: %v, want %v", tc.who, tc.query, got, tc.want)
			}
		}
		page := admin.Want(200, "GET", "/types?limit=1&sort=name:asc", nil)
		if page.Get("volume_type_links.0.href") == nil {
			t.Errorf("a full page leads nowhere: %s", page.Raw)
		}
		for _, bad := range []string{"?limit=x", "?limit=-1", "?sort=nothing", "?sort=name:up", "?is_public=maybe", "?nonsense=1"} {
			admin.Want(400, "GET", "/types"+bad, nil)
		}
		admin.Want(404, "GET", "/types?marker=nothing", nil)
	})
}

func TestTypeAccess(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		public, private := newType(c, object{"name": "public"}), newType(c, object{"name": "private", "os-volume-type-access:is_public": false})
		add, remove := object{"addProjectAccess": object{"project": "p-alice"}}, object{"removeProjectAccess": object{"project": "p-alice"}}
		admin.Want(404, "GET", "/types/"+public+"/os-volume-type-access", nil).Same("itemNotFound.message", `"Access list not available for public volume types."`)
		admin.Want(400, "POST", "/types/"+public+"/action", add)
		alice.Want(403, "POST", "/types/"+private+"/action", add)
		alice.Want(404, "POST", "/volumes", object{"volume": object{"size": 1, "volume_type": "private"}})
		admin.Want(202, "POST", "/types/"+private+"/action", add)
		admin.Want(409, "POST", "/types/"+private+"/action", add)
		admin.Want(200, "GET", "/types/"+private+"/os-volume-type-access", nil).Same("volume_type_access", `[{"volume_type_id":"`+private+`","project_id":"p-alice"}]`)
		alice.Want(403, "GET", "/types/"+private+"/os-volume-type-access", nil)
		alice.Want(200, "GET", "/types/"+private, nil)
		c.Volume("alice", "volume_type", "private")
		admin.Want(202, "POST", "/types/"+private+"/action", remove)
		admin.Want(404, "POST", "/types/"+private+"/action", remove)
		alice.Want(404, "GET", "/types/"+private, nil)
	})
}

func TestTypeSpecs(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		id := newType(c, object{"name": "spec"})
		path := "/types/" + id + "/extra_specs"
		admin.Want(200, "POST", path, object{"extra_specs": object{"multiattach": "<is> True", "a": "1"}}).Same("extra_specs.a", `"1"`)
		alice.Want(200, "GET", path, nil).Same("extra_specs", `{"multiattach":"<is> True"}`)
		alice.Want(404, "GET", path+"/a", nil).Same("itemNotFound.message", `"Volume Type `+id+` has no extra specs with key a."`)
		admin.Want(200, "GET", path+"/a", nil).Same("a", `"1"`)
		admin.Want(200, "PUT", path+"/a", object{"a": "2"}).Same("a", `"2"`)
		admin.Want(400, "PUT", path+"/a", object{"b": "2"})
		admin.Want(400, "PUT", path+"/a", object{"a": "2", "b": "3"})
		admin.Want(400, "POST", path, object{"extra_specs": object{"with space": "x"}})
		alice.Want(403, "PUT", path+"/a", object{"a": "2"})
		admin.Want(202, "DELETE", path+"/a", nil)
		admin.Want(404, "DELETE", path+"/a", nil)
		admin.Want(400, "PUT", path+"/cacheable", object{"cacheable": "<is> True"})
		c.Volume("alice", "volume_type", "spec")
		admin.Want(400, "PUT", path+"/a", object{"a": "2"}).Same("badRequest.message", `"Volume Type is currently in use."`)
	})
}

func TestTypeEncryption(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		id := newType(c, object{"name": "sealed"})
		path := "/types/" + id + "/encryption"
		admin.Want(200, "GET", path, nil).Same("", "{}")
		admin.Want(404, "GET", path+"/provider", nil)
		admin.Want(404, "DELETE", path+"/provider", nil)
		for _, body := range []object{{}, {"provider": "luks"}, {"provider": "luks", "control_location": "moon"}, {"provider": "luks", "control_location": "front-end", "key_size": "x"}} {
			admin.Want(400, "POST", path, object{"encryption": body})
		}
		made := admin.Want(200, "POST", path, object{"encryption": object{"provider": "luks", "control_location": "front-end", "cipher": "aes-xts-plain64", "key_size": "256"}})
		made.Same("encryption.key_size", "256")
		made.Same("encryption.volume_type_id", `"`+id+`"`)
		admin.Want(400, "POST", path, object{"encryption": object{"provider": "luks", "control_location": "front-end"}})
		alice.Want(403, "GET", path, nil)
		key := made.Text("encryption.encryption_id")
		admin.Want(200, "PUT", path+"/"+key, object{"encryption": object{"key_size": 512}}).Same("encryption", `{"key_size":512}`)
		admin.Want(200, "GET", path+"/key_size", nil).Same("key_size", "512")
		admin.Want(404, "GET", path+"/nothing", nil)
		shown := admin.Want(200, "GET", path, nil)
		shown.Same("deleted", "false")
		shown.Same("cipher", `"aes-xts-plain64"`)
		volume := c.Volume("alice", "volume_type", "sealed")
		alice.Want(200, "GET", "/volumes/"+volume, nil).Same("volume.encrypted", "true")
		admin.Want(400, "DELETE", path+"/"+key, nil).Same("badRequest.message", `"Cannot delete encryption specs. Volume type in use."`)
		alice.Want(202, "DELETE", "/volumes/"+volume, nil)
		c.Settle()
		admin.Want(202, "DELETE", path+"/"+key, nil)
		admin.Want(404, "PUT", path+"/"+key, object{"encryption": object{"key_size": 512}})
	})
}

func TestQoS(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		made := admin.Want(200, "POST", "/qos-specs", object{"qos_specs": object{"name": " slow ", "consumer": "back-end", "total_iops_sec": "100"}})
		made.Same("qos_specs.specs", `{"total_iops_sec":"100"}`)
		made.Same("qos_specs.name", `"slow"`)
		id := made.Text("qos_specs.id")
		path := "/qos-specs/" + id
		if made.Get("links.0.href") == nil {
			t.Error("it has no address")
		}
		admin.Want(409, "POST", "/qos-specs", object{"qos_specs": object{"name": "slow"}})
		for _, body := range []object{{}, {"name": " "}, {"name": "x", "consumer": "moon"}, {"name": "x", "total_iops_sec": 5}} {
			admin.Want(400, "POST", "/qos-specs", object{"qos_specs": body})
		}
		alice.Want(403, "GET", "/qos-specs", nil)
		alice.Want(403, "GET", path, nil)
		admin.Want(200, "PUT", path, object{"qos_specs": object{"total_bytes_sec": "1000", "consumer": "both"}}).Same("qos_specs.total_bytes_sec", `"1000"`)
		admin.Want(200, "GET", path, nil).Same("qos_specs.consumer", `"both"`)
		admin.Want(202, "PUT", path+"/delete_keys", object{"keys": []string{"total_bytes_sec"}})
		admin.Want(404, "PUT", path+"/delete_keys", object{"keys": []string{"total_bytes_sec"}}).Same("itemNotFound.message", `"QoS spec `+id+` has no spec with key total_bytes_sec."`)
		admin.Want(200, "GET", "/qos-specs?name=slow", nil).Same("qos_specs.0.id", `"`+id+`"`)
		if got := admin.Want(200, "GET", "/qos-specs?consumer=front-end", nil).IDs("qos_specs"); len(got) > 0 {
			t.Errorf("found %v", got)
		}

		gold := newType(c, object{"name": "gold"})
		other := admin.Want(200, "POST", "/qos-specs", object{"qos_specs": object{"name": "other"}}).Text("qos_specs.id")
		admin.Want(400, "GET", path+"/associate", nil)
		admin.Want(404, "GET", path+"/associate?vol_type_id=nothing", nil)
		admin.Want(202, "GET", path+"/associate?vol_type_id="+gold, nil)
		admin.Want(202, "GET", path+"/associate?vol_type_id="+gold, nil)
		admin.Want(400, "GET", "/qos-specs/"+other+"/associate?vol_type_id="+gold, nil)
		admin.Want(200, "GET", path+"/associations", nil).Same("qos_associations", `[{"association_type":"volume_type","name":"gold","id":"`+gold+`"}]`)
		admin.Want(200, "GET", "/types/"+gold, nil).Same("volume_type.qos_specs_id", `"`+id+`"`)
		admin.Want(400, "DELETE", path, nil).Same("badRequest.message", `"Qos specs still in use."`)
		admin.Want(202, "GET", path+"/disassociate?vol_type_id="+gold, nil)
		admin.Want(202, "GET", path+"/associate?vol_type_id="+gold, nil)
		admin.Want(202, "GET", path+"/disassociate_all", nil)
		admin.Want(200, "GET", path+"/associations", nil).Same("qos_associations", `[]`)
		admin.Want(202, "GET", path+"/associate?vol_type_id="+gold, nil)
		admin.Want(202, "DELETE", path+"?force=true", nil)
		admin.Want(200, "GET", "/types/"+gold, nil).Same("volume_type.qos_specs_id", `null`)
		admin.Want(404, "GET", path, nil).Same("itemNotFound.message", `"No such QoS spec `+id+`."`)
	})
}

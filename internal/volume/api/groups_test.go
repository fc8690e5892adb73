package api_test

import (
	"slices"
	"testing"
	"time"

	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume/volumetest"
)

// newGroup makes a group type and a group of it for volumes of the default type.
func newGroup(c *volumetest.Cloud, who, name string) string {
	c.T.Helper()
	c.As("admin").Do("POST", "/group_types", object{"group_type": object{"name": "plain"}})
	return c.As(who).Want(202, "POST", "/groups", object{"group": object{"name": name, "group_type": "plain", "volume_types": []string{"__DEFAULT__"}}}).Text("group.id")
}

// waitFor waits until a group, or another thing with a status, has one; "" is gone.
func waitFor(c *volumetest.Cloud, path, key, status string) {
	c.T.Helper()
	waittest.True(c.T, 30*time.Second, path+" is "+status, func() bool {
		return c.As("admin").Do("GET", path, nil).Text(key+".status") == status
	})
}

func TestGroupTypes(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		made := admin.Want(202, "POST", "/group_types", object{"group_type": object{"name": "t", "description": "d", "group_specs": object{"k": "v"}}})
		made.Same("group_type.group_specs", `{"k":"v"}`)
		id := made.Text("group_type.id")
		path := "/group_types/" + id
		admin.Want(409, "POST", "/group_types", object{"group_type": object{"name": "t"}})
		alice.Want(403, "POST", "/group_types", object{"group_type": object{"name": "u"}})
		for _, body := range []object{{}, {"name": ""}, {"name": "x", "other": 1}, {"name": "x", "group_specs": object{"a": 1}}} {
			admin.Want(400, "POST", "/group_types", object{"group_type": body})
		}
		if _, there := alice.Want(200, "GET", path, nil).Get("group_type").(object)["group_specs"]; there {
			t.Error("a member sees the specs")
		}
		alice.Want(404, "GET", path, nil, "OpenStack-API-Version", "volume 3.10")
		alice.Want(404, "GET", "/group_types/default", nil)
		private := admin.Want(202, "POST", "/group_types", object{"group_type": object{"name": "p", "is_public": false}}).Text("group_type.id")
		alice.Want(404, "GET", "/group_types/"+private, nil)
		for _, tc := range []struct {
			who, query string
			want       []string
		}{
			{"alice", "", []string{id}},
			{"alice", "?is_public=none", []string{id}},
			{"admin", "", []string{id}},
			{"admin", "?is_public=none&sort=name:asc", []string{private, id}},
			{"admin", "?is_public=false", []string{private}},
		} {
			if got := c.As(tc.who).Want(200, "GET", "/group_types"+tc.query, nil).IDs("group_types"); !slices.Equal(got, tc.want) {
				t.Errorf("%s %s: %v, want %v", tc.who, tc.query, got, tc.want)
			}
		}
		admin.Want(200, "PUT", path, object{"group_type": object{"name": "n"}}).Same("group_type.name", `"n"`)
		admin.Want(400, "PUT", path, object{"group_type": object{}})
		admin.Want(400, "PUT", path, object{"group_type": object{"name": " "}})
		alice.Want(403, "GET", path+"/group_specs", nil)
		admin.Want(202, "POST", path+"/group_specs", object{"group_specs": object{"a": "1"}}).Same("group_specs", `{"a":"1"}`)
		admin.Want(200, "GET", path+"/group_specs", nil).Same("group_specs", `{"a":"1","k":"v"}`)
		admin.Want(200, "PUT", path+"/group_specs/a", object{"a": "2"}).Same("a", `"2"`)
		admin.Want(400, "PUT", path+"/group_specs/a", object{"b": "2"})
		admin.Want(200, "GET", path+"/group_specs/a", nil).Same("a", `"2"`)
		admin.Want(202, "DELETE", path+"/group_specs/a", nil)
		admin.Want(404, "DELETE", path+"/group_specs/a", nil)
		admin.Want(404, "GET", path+"/group_specs/a", nil)
		alice.Want(202, "POST", "/groups", object{"group": object{"group_type": id, "volume_types": []string{"__DEFAULT__"}}})
		admin.Want(400, "DELETE", path, nil).Same("badRequest.message", `"Target group type is still in use."`)
		admin.Want(202, "DELETE", "/group_types/"+private, nil)
		admin.Want(404, "DELETE", "/group_types/"+private, nil)
	})
}

func TestGroups(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob, admin := c.As("alice"), c.As("bob"), c.As("admin")
		id := newGroup(c, "alice", " g ")
		path := "/groups/" + id
		shown := alice.Want(200, "GET", path, nil)
		for k, want := range map[string]string{
			"name": `"g"`, "status": `"available"`, "description": "null", "availability_zone": `"nova"`, "replication_status": `"disabled"`,
			"group_snapshot_id": "null", "source_group_id": "null",
		} {
			shown.Same("group."+k, want)
		}
		bob.Want(404, "GET", path, nil).Same("itemNotFound.message", `"Group `+id+` could not be found."`)
		bob.Want(404, "PUT", path, object{"group": object{"name": "x"}})
		c.As("reader").Want(403, "PUT", path, object{"group": object{"name": "x"}})
		for want, body := range map[*object]int{
			{}: 400, {"group_type": "plain"}: 400, {"group_type": "plain", "volume_types": []string{}}: 400, {"group_type": "nothing", "volume_types": []string{"__DEFAULT__"}}: 404,
			{"group_type": "plain", "volume_types": []string{"nothing"}}: 404, {"group_type": "plain", "volume_types": []string{"__DEFAULT__"}, "availability_zone": "moon"}: 400,
		} {
			alice.Want(body, "POST", "/groups", object{"group": *want})
		}

		inside := c.Volume("alice", "group_id", id)
		alice.Want(200, "GET", "/volumes/"+inside, nil).Same("volume.group_id", `"`+id+`"`)
		bob.Want(404, "POST", "/volumes", object{"volume": object{"size": 1, "group_id": id}})
		newType(c, object{"name": "other"})
		alice.Want(400, "POST", "/volumes", object{"volume": object{"size": 1, "group_id": id, "volume_type": "other"}})
		outside, stranger, typed := c.Volume("alice"), c.Volume("bob"), c.Volume("alice", "volume_type", "other")
		for _, v := range []string{stranger, typed, "nothing"} {
			alice.Want(400, "PUT", path, object{"group": object{"add_volumes": v}})
		}
		alice.Want(400, "PUT", path, object{"group": object{"remove_volumes": outside}})
		alice.Want(400, "PUT", path, object{"group": object{"add_volumes": outside, "remove_volumes": outside}})
		alice.Want(400, "PUT", path, object{"group": object{}})
		alice.Want(400, "PUT", path, object{"group": object{"name": "g"}})
		alice.Want(202, "PUT", path, object{"group": object{"name": "h", "add_volumes": outside}})
		listed := alice.Want(200, "GET", "/groups/detail?list_volume=true&name=h", nil)
		if v, _ := listed.Get("groups.0.volumes").([]any); len(v) != 2 || listed.Text("groups.0.name") != "h" {
			t.Errorf("the group has %s", listed.Raw)
		}
		alice.Want(202, "PUT", path, object{"group": object{"remove_volumes": outside}})
		alice.Want(400, "DELETE", "/volumes/"+inside, nil)

		alice.Want(403, "POST", path+"/action", object{"reset_status": object{"status": "error"}})
		admin.Want(400, "POST", path+"/action", object{"reset_status": object{"status": "odd"}})
		admin.Want(202, "POST", path+"/action", object{"reset_status": object{"status": "error"}})
		waitFor(c, path, "group", "error")
		admin.Want(202, "POST", path+"/action", object{"reset_status": object{"status": "available"}})
		for _, verb := range []string{"enable_replication", "disable_replication", "failover_replication", "list_replication_targets"} {
			alice.Want(400, "POST", path+"/action", object{verb: object{}})
		}

		alice.Want(400, "POST", path+"/action", object{"delete": object{}})
		alice.Want(202, "POST", path+"/action", object{"delete": object{"delete-volumes": true}})
		c.Settle()
		waitFor(c, path, "group", "")
		alice.Want(404, "GET", "/volumes/"+inside, nil)
		alice.Want(200, "GET", "/volumes/"+outside, nil)
	})
}

func TestGroupLists(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		first, second, other := newGroup(c, "alice", "a"), newGroup(c, "alice", "b"), newGroup(c, "bob", "c")
		for _, tc := range []struct {
			who, query string
			want       []string
		}{
			{"alice", "", []string{second, first}},
			{"alice", "?sort=name:asc", []string{first, second}},
			{"alice", "?all_tenants=1&sort=name:asc", []string{first, second}},
			{"admin", "", nil},
			{"admin", "?all_tenants=1&sort=name:asc", []string{first, second, other}},
			{"alice", "?name=a", []string{first}},
			{"alice", "?name~=B", []string{second}},
			{"alice", "?limit=1&sort=name:asc&marker=" + first, []string{second}},
			{"bob", "/detail", []string{other}},
		} {
			if got := c.As(tc.who).Want(200, "GET", "/groups"+tc.query, nil).IDs("groups"); !slices.Equal(got, tc.want) {
				t.Errorf("%s %s: %v, want %v", tc.who, tc.query, got, tc.want)
			}
		}
		c.As("alice").Want(400, "GET", "/groups?nonsense=1", nil)
		c.As("alice").Want(404, "GET", "/groups", nil, "OpenStack-API-Version", "volume 3.12")
	})
}

// A group's quota, and a type that no back end serves.
func TestGroupsAreRefused(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		newGroup(c, "alice", "a")
		admin.Want(200, "PUT", "/os-quota-sets/p-alice", object{"quota_set": object{"groups": 1}})
		body := object{"group": object{"group_type": "plain", "volume_types": []string{"__DEFAULT__"}}}
		alice.Want(413, "POST", "/groups", body).Same("overLimit.message", `"Maximum number of groups allowed (1) exceeded"`)
		admin.Want(202, "POST", "/group_types", object{"group_type": object{"name": "strict", "group_specs": object{"consistent_group_snapshot_enabled": "<is> True"}}})
		id := c.As("bob").Want(202, "POST", "/groups", object{"group": object{"group_type": "strict", "volume_types": []string{"__DEFAULT__"}}}).Text("group.id")
		c.As("bob").Want(200, "GET", "/groups/"+id, nil).Same("group.status", `"error"`)
	})
}

// A group made of another has a copy of each of its volumes.
func TestGroupFromGroup(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice := c.As("alice")
		id := newGroup(c, "alice", "g")
		alice.Want(400, "POST", "/groups/action", object{"create-from-src": object{"source_group_id": id}}).Same("badRequest.message",
			`"Invalid Group: Source Group is empty. No group will be created."`)
		source := c.Volume("alice", "group_id", id, "name", "v")
		for _, body := range []object{{}, {"source_group_id": id, "group_snapshot_id": id}, {"source_group_id": "x"}} {
			alice.Want(400, "POST", "/groups/action", object{"create-from-src": body})
		}
		c.As("bob").Want(404, "POST", "/groups/action", object{"create-from-src": object{"source_group_id": id}})
		reset := object{"reset_status": object{"status": "creating"}} // which nothing turns back
		c.As("admin").Want(202, "POST", "/groups/"+id+"/action", reset)
		made := alice.Want(202, "POST", "/groups/action", object{"create-from-src": object{"source_group_id": id, "name": "copy"}}).Text("group.id")
		c.Settle()
		waitFor(c, "/groups/"+made, "group", "available")
		alice.Want(200, "GET", "/groups/"+id, nil).Same("group.status", `"creating"`)
		volumes := alice.Want(200, "GET", "/volumes/detail?group_id="+made, nil)
		volumes.Same("volumes.0.source_volid", `"`+source+`"`)
		volumes.Same("volumes.0.status", `"available"`)
	})
}

// A snapshot of a group is one of each of its volumes, and a group can be made of it.
func TestGroupSnapshots(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob, admin := c.As("alice"), c.As("bob"), c.As("admin")
		id := newGroup(c, "alice", "g")
		source := c.Volume("alice", "group_id", id)
		body := object{"group_snapshot": object{"group_id": id, "name": "s"}}
		bob.Want(404, "POST", "/group_snapshots", body)
		c.As("reader").Want(403, "POST", "/group_snapshots", body)
		for _, bad := range []object{{}, {"group_id": "x"}, {"group_id": id, "other": 1}} {
			alice.Want(400, "POST", "/group_snapshots", object{"group_snapshot": bad})
		}
		snap := alice.Want(202, "POST", "/group_snapshots", body).Text("group_snapshot.id")
		path := "/group_snapshots/" + snap
		c.Settle()
		waitFor(c, path, "group_snapshot", "available")
		part := alice.Want(200, "GET", "/snapshots/detail?volume_id="+source, nil)
		part.Same("snapshots.0.name", `"s"`)
		part.Same("snapshots.0.group_snapshot_id", `"`+snap+`"`)
		alice.Want(400, "DELETE", "/snapshots/"+part.Text("snapshots.0.id"), nil)
		bob.Want(404, "GET", path, nil).Same("itemNotFound.message", `"GroupSnapshot `+snap+` could not be found."`)
		bob.Want(404, "DELETE", path, nil)
		shown := alice.Want(200, "GET", path, nil)
		shown.Same("group_snapshot.group_id", `"`+id+`"`)
		shown.Same("group_snapshot.status", `"available"`)
		whole := alice.Want(200, "GET", "/group_snapshots", nil, "OpenStack-API-Version", "volume 3.28")
		if got := whole.IDs("group_snapshots"); !slices.Equal(got, []string{snap}) || whole.Get("group_snapshot_links") != nil {
			t.Errorf("listed without pages: %s", whole.Raw)
		}
		if got := alice.Want(200, "GET", "/group_snapshots?group_id="+id, nil).IDs("group_snapshots"); !slices.Equal(got, []string{snap}) {
			t.Errorf("listed: %v", got)
		}
		alice.Want(200, "GET", "/group_snapshots/detail?status=error", nil).Same("group_snapshots", "[]")
		bob.Want(200, "GET", "/group_snapshots/detail", nil).Same("group_snapshots", "[]")
		alice.Want(400, "POST", "/groups/"+id+"/action", object{"delete": object{"delete-volumes": true}})
		alice.Want(403, "POST", path+"/action", object{"reset_status": object{"status": "error"}})
		admin.Want(202, "POST", path+"/action", object{"reset_status": object{"status": "error"}})
		reset := object{"reset_status": object{"status": "creating"}} // which nothing turns back
		admin.Want(202, "POST", path+"/action", reset)
		made := alice.Want(202, "POST", "/groups/action", object{"create-from-src": object{"group_snapshot_id": snap}}).Text("group.id")
		c.Settle()
		waitFor(c, "/groups/"+made, "group", "available")
		alice.Want(200, "GET", "/groups/"+made, nil).Same("group.group_snapshot_id", `"`+snap+`"`)
		alice.Want(200, "GET", path, nil).Same("group_snapshot.status", `"creating"`)
		admin.Want(202, "POST", path+"/action", object{"reset_status": object{"status": "available"}})

		alice.Want(202, "DELETE", path, nil)
		c.Settle()
		waitFor(c, path, "group_snapshot", "")
		alice.Want(200, "GET", "/snapshots?volume_id="+source, nil).Same("snapshots", "[]")
		alice.Want(202, "POST", "/groups/"+id+"/action", object{"delete": object{"delete-volumes": true}})
		c.Settle()
		waitFor(c, "/groups/"+id, "group", "")
	})
}

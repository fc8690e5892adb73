package api_test

import (
	"slices"
	"testing"

	"kumoi/internal/kernel/httpx/httpxtest"
	"kumoi/internal/volume/volumetest"
)

type object = httpxtest.Object

func each(t *testing.T, f func(t *testing.T, c *volumetest.Cloud)) {
	t.Parallel()
	volumetest.Each(t, f)
}

// A volume's life, as its owner, a stranger and an administrator see it.
func TestVolume(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob, admin := c.As("alice"), c.As("bob"), c.As("admin")
		made := alice.Want(202, "POST", "/volumes", object{"volume": object{"size": 2, "name": "data", "metadata": object{"k": "v"}}})
		made.Same("volume.status", `"creating"`)
		id := made.Text("volume.id")
		if got := c.Status(id); got != "available" {
			t.Fatalf("the volume is %s", got)
		}
		shown := alice.Want(200, "GET", "/p-alice/volumes/"+id, nil)
		for path, want := range map[string]string{
			"size": "2", "name": `"data"`, "bootable": `"false"`, "metadata": `{"k":"v"}`, "attachments": "[]", "volume_type": `"__DEFAULT__"`,
			"availability_zone": `"nova"`, "multiattach": "false", "encrypted": "false", "os-vol-host-attr:host": "null",
			"os-vol-tenant-attr:tenant_id": `"p-alice"`, "snapshot_id": "null", "consumes_quota": "true", "description": "null",
		} {
			shown.Same("volume."+path, want)
		}
		admin.Want(200, "GET", "/volumes/"+id, nil).Same("volume.os-vol-host-attr:host", `"host@fake#fake"`)
		bob.Want(404, "GET", "/volumes/"+id, nil)
		bob.Want(404, "DELETE", "/volumes/"+id, nil)
		c.As("reader").Want(403, "DELETE", "/volumes/"+id, nil)
		c.As("none").Want(403, "GET", "/volumes/"+id, nil)
		alice.Want(400, "GET", "/p-bob/volumes/"+id, nil)
		alice.Want(200, "PUT", "/volumes/"+id, object{"volume": object{"name": "other", "description": "d"}}).Same("volume.name", `"other"`)
		alice.Want(400, "PUT", "/volumes/"+id, object{"volume": object{}})
		alice.Want(202, "DELETE", "/volumes/"+id, nil)
		c.Settle()
		alice.Want(404, "GET", "/volumes/"+id, nil)
	})
}

func TestVolumeWithoutItsID(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	c.As("alice").Want(200, "GET", "/volumes", nil)
	c.As("alice").Want(404, "GET", "/volumes/", nil)
	c.As("alice").Want(200, "GET", "/", nil)
}

func TestVolumesAreRefused(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	alice := c.As("alice")
	for _, body := range []object{
		{},
		{"size": 0},
		{"size": "x"},
		{"size": -1},
		{"size": 1, "multiattach": true},
		{"size": 1, "unknown": 1},
		{"size": 1, "availability_zone": "moon"},
		{"size": 1, "imageRef": "5b6a1f84-6d39-4d29-a1b8-d0d1b6a0a5a1"},
	} {
		alice.Want(400, "POST", "/volumes", object{"volume": body})
	}
	for _, body := range []object{
		{"size": 1, "snapshot_id": "5b6a1f84-6d39-4d29-a1b8-d0d1b6a0a5a1"},
		{"size": 1, "source_volid": "5b6a1f84-6d39-4d29-a1b8-d0d1b6a0a5a1"},
		{"size": 1, "volume_type": "none"},
	} {
		alice.Want(404, "POST", "/volumes", object{"volume": body})
	}
}

// A volume that no backend takes ends in error, and can be deleted.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	c.As("admin").Want(200, "PUT", "/os-quota-sets/p-alice", object{"quota_set": object{"gigabytes": -1}})
	id := c.Volume("alice", "size", 5000)
	if got := c.Status(id); got != "error" {
		t.Fatalf("the volume is %s", got)
	}
	c.As("alice").Want(202, "DELETE", "/volumes/"+id, nil)
	if got := c.Status(id); got != "" {
		t.Fatalf("the volume is %s", got)
	}
}

func TestVolumeLists(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		a := c.Volume("alice", "name", "one", "metadata", object{"color": "red"})
		b := c.Volume("alice", "name", "two", "size", 3)
		other := c.Volume("bob", "name", "three")
		for query, want := range map[string][]string{
			"":                                   {b, a},
			"?sort=name:asc":                     {a, b},
			"?sort_key=size&sort_dir=asc":        {a, b},
			"?name=one":                          {a},
			"?name~=tw":                          {b},
			"?size=3":                            {b},
			"?status=available":                  {b, a},
			"?status=error":                      {},
			"?metadata={'color':'red'}":          {a},
			`?metadata={"color":"blue"}`:         {},
			"?bootable=false":                    {b, a},
			"?limit=1":                           {b},
			"?limit=1&marker=" + b:               {a},
			"?offset=1":                          {a},
			"?limit=0":                           {},
			"?created_at=gt:2020-01-01T00:00:00": {b, a},
			"?created_at=lt:2020-01-01T00:00:00": {},
			"?all_tenants=1":                     {b, a},
			"?consumes_quota=false":              {},
		} {
			for _, path := range []string{"/volumes", "/volumes/detail"} {
				if got := alice.Want(200, "GET", path+query, nil).IDs("volumes"); !slices.Equal(got, want) {
					t.Errorf("%s%s: %v, want %v", path, query, got, want)
				}
			}
		}
		if got := admin.Want(200, "GET", "/volumes?all_tenants=True&sort=name:asc", nil).IDs("volumes"); !slices.Equal(got, []string{a, other, b}) {
			t.Errorf("all tenants: %v", got)
		}
		if got := admin.Want(200, "GET", "/volumes?all_tenants=True&project_id=p-bob", nil).IDs("volumes"); !slices.Equal(got, []string{other}) {
			t.Errorf("a project's: %v", got)
		}
		page := alice.Want(200, "GET", "/volumes?limit=1&with_count=true", nil)
		page.Same("count", "2")
		if page.Text("volumes_links.0.rel") != "next" {
			t.Errorf("no link to the next page: %s", page.Raw)
		}
		alice.Want(200, "GET", "/volumes/summary", nil).Same("volume-summary", `{"total_count": 2, "total_size": 4, "metadata": {"color": ["red"]}}`)
		for _, query := range []string{"?limit=x", "?limit=-1", "?offset=-1", "?sort=nothing", "?size=x", "?created_at=about:2020", "?unheard=1", "?bootable=x"} {
			alice.Want(400, "GET", "/volumes"+query, nil)
		}
		alice.Want(404, "GET", "/volumes?marker="+other, nil)
		alice.At("volume 3.0").Want(200, "GET", "/volumes?unheard=1", nil)
	})
}

func TestVolumeMetadata(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		id := c.Volume("alice")
		alice, path := c.As("alice"), "/volumes/"+id+"/metadata"
		alice.Want(200, "POST", path, object{"metadata": object{"a": "1", "b": "2"}}).Same("metadata", `{"a":"1","b":"2"}`)
		alice.Want(200, "PUT", path+"/a", object{"meta": object{"a": "3"}}).Same("meta", `{"a":"3"}`)
		alice.Want(400, "PUT", path+"/a", object{"meta": object{"x": "3"}})
		alice.Want(200, "DELETE", path+"/b", nil)
		alice.Want(404, "DELETE", path+"/b", nil)
		alice.Want(404, "GET", path+"/b", nil)
		seen := alice.Want(200, "GET", path, nil)
		seen.Same("metadata", `{"a":"3"}`)
		alice.Want(412, "PUT", path, object{"metadata": object{"c": "4"}}, "If-Match", `"other"`)
		alice.Want(200, "PUT", path, object{"metadata": object{"c": "4"}}, "If-Match", seen.Header.Get("Etag")).Same("metadata", `{"c":"4"}`)
		c.As("bob").Want(404, "GET", path, nil)
		c.As("reader").Want(403, "POST", path, object{"metadata": object{}})
	})
}

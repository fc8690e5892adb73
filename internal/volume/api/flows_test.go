package api_test

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/image"
	"kumoi/internal/volume/volumetest"
)

const server = "9b4f0a0e-0c34-4f9e-9a4e-3f2d8a6a1b11"

func TestSnapshots(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob := c.As("alice"), c.As("bob")
		id := c.Volume("alice", "size", 2)
		made := alice.Want(202, "POST", "/snapshots", object{"snapshot": object{"volume_id": id, "name": "s", "metadata": object{"k": "v"}}})
		snap := made.Text("snapshot.id")
		c.Settle()
		shown := alice.Want(200, "GET", "/snapshots/"+snap, nil)
		for path, want := range map[string]string{
			"status": `"available"`, "size": "2", "name": `"s"`, "metadata": `{"k":"v"}`, "group_snapshot_id": "null", "consumes_quota": "true",
			"os-extended-snapshot-attributes:progress": `"100%"`, "os-extended-snapshot-attributes:project_id": `"p-alice"`, "user_id": `"u-alice"`,
		} {
			shown.Same("snapshot."+path, want)
		}
		renamed := alice.Want(200, "PUT", "/snapshots/"+snap, object{"snapshot": object{"name": "t"}})
		if _, extended := renamed.Object()["snapshot"].(object)["os-extended-snapshot-attributes:progress"]; extended {
			t.Errorf("an update answers with what only a show tells: %s", renamed.Raw)
		}
		bob.Want(404, "GET", "/snapshots/"+snap, nil)
		bob.Want(404, "DELETE", "/snapshots/"+snap, nil)
		bob.Want(404, "POST", "/volumes", object{"volume": object{"snapshot_id": snap}})
		c.As("reader").Want(403, "DELETE", "/snapshots/"+snap, nil)
		for query, want := range map[string][]string{"": {snap}, "?volume_id=" + id: {snap}, "?status=error": {}, "?metadata={'k':'v'}": {snap}, "?availability_zone=nova": {snap}, "?sort_key=display_name": {snap}} {
			if got := alice.Want(200, "GET", "/snapshots/detail"+query, nil).IDs("snapshots"); !slices.Equal(got, want) {
				t.Errorf("%s: %v, want %v", query, got, want)
			}
		}
		alice.Want(400, "DELETE", "/volumes/"+id, nil)
		child := alice.Want(202, "POST", "/volumes", object{"volume": object{"snapshot_id": snap}}).Text("volume.id")
		if c.Status(child) != "available" {
			t.Error("no volume of the snapshot")
		}
		alice.Want(202, "POST", "/volumes/"+id+"/action", object{"revert": object{"snapshot_id": snap}})
		if c.Status(id) != "available" {
			t.Error("not reverted")
		}
		alice.Want(403, "POST", "/snapshots/"+snap+"/action", object{"os-reset_status": object{"status": "error"}})
		c.As("admin").Want(202, "POST", "/snapshots/"+snap+"/action", object{"os-reset_status": object{"status": "error"}})
		alice.Want(202, "DELETE", "/volumes/"+id+"?cascade=true", nil)
		if c.Status(id) != "" {
			t.Error("the volume is there")
		}
		alice.Want(404, "GET", "/snapshots/"+snap, nil)
	})
}

// Who has a volume, and who is told how it is reached.
func TestAttachments(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, service := c.As("alice"), c.As("service")
		id := c.Volume("alice")
		at := alice.Want(200, "POST", "/attachments", object{"attachment": object{"volume_uuid": id, "instance_uuid": server}})
		at.Same("attachment.status", `"reserved"`)
		if c.Status(id) != "reserved" {
			t.Error("not reserved")
		}
		alice.Want(400, "POST", "/attachments", object{"attachment": object{"volume_uuid": id, "instance_uuid": "00000000-0000-4000-8000-000000000001"}})
		one := "/attachments/" + at.Text("attachment.id")
		connector := object{"attachment": object{"connector": object{"host": "host", "mountpoint": "/dev/vdb"}}}
		if info := service.Want(200, "PUT", one, connector).Text("attachment.connection_info.export"); info == "" {
			t.Error("a service is not told how the volume is reached")
		}
		for _, who := range []string{"alice", "reader"} {
			c.As(who).Want(200, "GET", one, nil).Same("attachment.connection_info", "{}")
		}
		c.As("bob").Want(404, "GET", one, nil)
		if c.Status(id) != "attaching" {
			t.Error("not attaching")
		}
		service.Want(204, "POST", one+"/action", object{"os-complete": nil})
		shown := alice.Want(200, "GET", "/volumes/"+id, nil)
		shown.Same("volume.status", `"in-use"`)
		shown.Same("volume.attachments.0.server_id", `"`+server+`"`)
		shown.Same("volume.attachments.0.host_name", "null")
		alice.Want(400, "DELETE", "/volumes/"+id, nil)
		alice.Want(400, "POST", "/volumes/"+id+"/action", object{"os-extend": object{"new_size": 1}})
		alice.Want(202, "POST", "/volumes/"+id+"/action", object{"os-extend": object{"new_size": 2}})
		if c.Status(id) != "in-use" {
			t.Error("not in use any more")
		}
		alice.Want(403, "POST", "/volumes/"+id+"/action", object{"os-initialize_connection": object{"connector": object{"host": "host"}}})
		service.Want(200, "POST", "/volumes/"+id+"/action", object{"os-initialize_connection": object{"connector": object{"host": "host"}}})
		service.Want(200, "DELETE", one, nil).Same("attachments", "[]")
		if c.Status(id) != "available" {
			t.Error("not available again")
		}
	})
}

func TestOldAttachments(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	id := c.Volume("alice")
	alice := c.As("alice")
	do := func(status int, name string, body any) {
		t.Helper()
		alice.Want(status, "POST", "/volumes/"+id+"/action", object{name: body})
	}
	do(202, "os-reserve", nil)
	do(400, "os-reserve", nil)
	do(202, "os-unreserve", nil)
	do(202, "os-reserve", object{})
	do(202, "os-attach", object{"instance_uuid": server, "mountpoint": "/dev/vdc"})
	if c.Status(id) != "in-use" {
		t.Error("not in use")
	}
	do(202, "os-begin_detaching", nil)
	do(202, "os-roll_detaching", nil)
	do(202, "os-detach", object{})
	if c.Status(id) != "available" {
		t.Error("not available")
	}
	do(202, "os-attach", object{"instance_uuid": server, "mountpoint": "/dev/vdc"})
	admin, act := c.As("admin"), "/volumes/"+id+"/action"
	admin.Want(202, "POST", act, object{"os-reset_status": object{"status": "error"}})
	admin.Want(202, "POST", act, object{"os-force_detach": object{"connector": nil}})
	if c.Status(id) != "available" {
		t.Error("not available after it was detached by force")
	}
	do(202, "os-update_readonly_flag", object{"readonly": false})
	alice.Want(200, "GET", "/volumes/"+id, nil).Same("volume.metadata", `{"readonly":"False"}`)
	do(202, "os-update_readonly_flag", object{"readonly": true})
	do(400, "os-attach", object{"instance_uuid": server, "mountpoint": "/dev/vdc", "mode": "rw"})
	do(200, "os-set_bootable", object{"bootable": true})
	do(200, "os-set_image_metadata", object{"metadata": object{"a": "b"}})
	alice.Want(200, "GET", "/volumes/"+id, nil).Same("volume.volume_image_metadata", `{"a":"b"}`)
	do(200, "os-unset_image_metadata", object{"key": "a"})
	do(404, "os-unset_image_metadata", object{"key": "a"})
	do(403, "os-reset_status", object{"status": "error"})
	c.As("admin").Want(202, "POST", "/volumes/"+id+"/action", object{"os-reset_status": object{"status": "error"}})
	c.As("admin").Want(202, "POST", "/volumes/"+id+"/action", object{"os-force_delete": object{}})
	if c.Status(id) != "" {
		t.Error("the volume is there")
	}
}

func TestTransfers(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, bob := c.As("alice"), c.As("bob")
		id := c.Volume("alice")
		made := alice.Want(202, "POST", "/volume-transfers", object{"transfer": object{"volume_id": id, "name": "gift"}})
		key, one := made.Text("transfer.auth_key"), "/volume-transfers/"+made.Text("transfer.id")
		if c.Status(id) != "awaiting-transfer" {
			t.Error("not awaiting its transfer")
		}
		alice.Want(400, "DELETE", "/volumes/"+id, nil)
		shown := alice.Want(200, "GET", one, nil)
		if strings.Contains(string(shown.Raw), key) {
			t.Error("the key is shown again")
		}
		bob.Want(404, "GET", one, nil)
		bob.Want(404, "DELETE", one, nil)
		bob.Want(400, "POST", one+"/accept", object{"accept": object{"auth_key": "wrong"}})
		bob.Want(202, "POST", one+"/accept", object{"accept": object{"auth_key": key}})
		alice.Want(404, "GET", "/volumes/"+id, nil)
		bob.Want(200, "GET", "/volumes/"+id, nil).Same("volume.os-vol-tenant-attr:tenant_id", `"p-bob"`)
		bob.Want(404, "POST", one+"/accept", object{"accept": object{"auth_key": key}})

		again := bob.Want(202, "POST", "/os-volume-transfer", object{"transfer": object{"volume_id": id}}).Text("transfer.id")
		if got := bob.Want(200, "GET", "/os-volume-transfer/detail", nil).IDs("transfers"); !slices.Equal(got, []string{again}) {
			t.Errorf("transfers: %v", got)
		}
		bob.Want(202, "DELETE", "/os-volume-transfer/"+again, nil)
		if c.Status(id) != "available" {
			t.Error("not available")
		}
	})
}

func TestBackups(t *testing.T) {
	each(t, func(t *testing.T, c *volumetest.Cloud) {
		alice, admin := c.As("alice"), c.As("admin")
		id := c.Volume("alice", "metadata", object{"k": "v"})
		alice.Want(400, "POST", "/backups", object{"backup": object{"volume_id": id, "incremental": true}})
		full := alice.Want(202, "POST", "/backups", object{"backup": object{"volume_id": id, "name": "full"}}).Text("backup.id")
		c.Settle()
		more := alice.Want(202, "POST", "/backups", object{"backup": object{"volume_id": id, "incremental": true}}).Text("backup.id")
		c.Settle()
		shown := alice.Want(200, "GET", "/backups/"+full, nil)
		for path, want := range map[string]string{"status": `"available"`, "size": "1", "has_dependent_backups": "true", "is_incremental": "false", "fail_reason": "null"} {
			shown.Same("backup."+path, want)
		}
		alice.Want(200, "GET", "/backups/"+more, nil).Same("backup.is_incremental", "true")
		alice.Want(400, "DELETE", "/backups/"+full, nil)
		c.As("bob").Want(404, "GET", "/backups/"+full, nil)
		c.As("bob").Want(404, "POST", "/backups/"+full+"/restore", object{"restore": object{}})
		restored := alice.Want(202, "POST", "/backups/"+more+"/restore", object{"restore": object{}}).Text("restore.volume_id")
		if c.Status(restored) != "available" {
			t.Error("not restored into a new volume")
		}
		alice.Want(200, "GET", "/volumes/"+restored, nil).Same("volume.metadata", `{"k":"v"}`)
		alice.Want(200, "PUT", "/volumes/"+id+"/metadata", object{"metadata": object{"other": "w"}})
		alice.Want(202, "POST", "/backups/"+more+"/restore", object{"restore": object{"volume_id": id}})
		if c.Status(id) != "available" {
			t.Error("not restored")
		}
		alice.Want(200, "GET", "/volumes/"+id, nil).Same("volume.metadata", `{"k":"v"}`)
		alice.Want(403, "GET", "/backups/"+full+"/export_record", nil)
		record := admin.Want(200, "GET", "/backups/"+full+"/export_record", nil).Object()
		admin.Want(400, "POST", "/backups/import_record", record)
		// Under another id it is another backup with the same bytes.
		url, err := base64.StdEncoding.DecodeString(record["backup-record"].(object)["backup_url"].(string))
		if err != nil {
			t.Fatal(err)
		}
		const again = "7d3b7b3e-5b6f-4c33-9b0e-4e6f4c8f2a01"
		copied := admin.Want(201, "POST", "/backups/import_record", object{"backup-record": object{
			"backup_service": "cinder.backup.drivers.kumoi", "backup_url": base64.StdEncoding.EncodeToString([]byte(strings.Replace(string(url), `"id":"`+full, `"id":"`+again, 1))),
		}}).Text("backup.id")
		from := admin.Want(202, "POST", "/backups/"+copied+"/restore", object{"restore": object{}}).Text("restore.volume_id")
		if copied != again || c.Status(from) != "available" {
			t.Errorf("the backup %s was not imported and restored", copied)
		}
		admin.Want(202, "DELETE", "/backups/"+copied, nil)
		c.Settle()
		alice.Want(200, "PUT", "/backups/"+full, object{"backup": object{"name": "other"}})
		for _, b := range []string{more, full} {
			alice.Want(202, "DELETE", "/backups/"+b, nil)
			c.Settle()
		}
		if got := alice.Want(200, "GET", "/backups", nil).IDs("backups"); len(got) != 0 {
			t.Errorf("backups: %v", got)
		}
		admin.Want(400, "POST", "/backups/import_record", record) // the bytes are gone
	})
}

func TestImages(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	const id = "2ec1c0a1-7a4f-4d0b-8a3c-0d6c8f5c9b01"
	c.Images.Add(id, []byte("what the image says"), func(i *image.Image) { i.Properties["os_distro"] = "debian"; i.MinDisk = 2 })
	alice := c.As("alice")
	alice.Want(400, "POST", "/volumes", object{"volume": object{"size": 1, "imageRef": id}})
	v := c.Volume("alice", "size", 2, "imageRef", id)
	shown := alice.Want(200, "GET", "/volumes/"+v, nil)
	shown.Same("volume.bootable", `"true"`)
	shown.Same("volume.volume_image_metadata.image_id", `"`+id+`"`)
	shown.Same("volume.volume_image_metadata.os_distro", `"debian"`)
	up := alice.Want(202, "POST", "/volumes/"+v+"/action", object{"os-volume_upload_image": object{"image_name": "copy"}})
	up.Same("os-volume_upload_image.status", `"uploading"`)
	if c.Status(v) != "available" {
		t.Error("not available after the upload")
	}
	if got := c.Images.Data(up.Text("os-volume_upload_image.image_id")); !strings.HasPrefix(string(got), "what the image says") {
		t.Errorf("the image has %.30q", got)
	}
	alice.Want(202, "POST", "/volumes/"+v+"/action", object{"os-reimage": object{"image_id": id}})
	if c.Status(v) != "available" {
		t.Error("not available after the new image")
	}
}

func TestMoves(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	admin := c.As("admin")
	id := c.Volume("admin")
	c.Hosts.Add("other")
	admin.Want(202, "POST", "/volumes/"+id+"/action", object{"os-migrate_volume": object{"host": "other@fake#fake"}})
	c.Settle()
	shown := admin.Want(200, "GET", "/volumes/"+id, nil)
	shown.Same("volume.os-vol-host-attr:host", `"other@fake#fake"`)
	shown.Same("volume.migration_status", `"success"`)
	admin.Want(400, "POST", "/volumes/"+id+"/action", object{"os-migrate_volume": object{"host": "nowhere@fake"}})
	c.As("alice").Want(404, "POST", "/volumes/"+id+"/action", object{"os-migrate_volume": object{"host": "host@fake#fake"}})
	admin.Want(202, "POST", "/volumes/"+id+"/action", object{"os-unmanage": object{}})
	c.Settle()
	list := admin.Want(200, "GET", "/manageable_volumes/detail?host=other@fake%23fake", nil)
	name := list.Text("manageable-volumes.0.reference.source-name")
	back := admin.Want(202, "POST", "/manageable_volumes", object{"volume": object{"host": "other@fake#fake", "ref": object{"source-name": name}}}).Text("volume.id")
	if c.Status(back) != "available" {
		t.Error("not managed")
	}
}

// A snapshot that is let go stays with its volume, and comes back under another id.
func TestManagedSnapshots(t *testing.T) {
	t.Parallel()
	c := volumetest.New(t)
	admin := c.As("admin")
	id := c.Volume("admin")
	snap := admin.Want(202, "POST", "/snapshots", object{"snapshot": object{"volume_id": id}}).Text("snapshot.id")
	c.Settle()
	c.As("alice").Want(404, "POST", "/snapshots/"+snap+"/action", object{"os-unmanage": object{}})
	const listed = "/manageable_snapshots/detail?host=host@fake%23fake"
	one := admin.Want(200, "GET", listed, nil)
	one.Same("manageable-snapshots.0.cinder_id", `"`+snap+`"`)
	one.Same("manageable-snapshots.0.safe_to_manage", "false")
	one.Same("manageable-snapshots.0.reason_not_safe", `"already managed"`)
	one.Same("manageable-snapshots.0.source_reference", `{"source-name":"`+id+`"}`)
	admin.Want(202, "POST", "/snapshots/"+snap+"/action", object{"os-unmanage": object{}})
	c.Settle()
	admin.Want(404, "GET", "/snapshots/"+snap, nil)
	one = admin.Want(200, "GET", listed, nil)
	one.Same("manageable-snapshots.0.safe_to_manage", "true")
	one.Same("manageable-snapshots.0.cinder_id", "null")
	one.Same("manageable-snapshots.0.size", "1")
	name := one.Text("manageable-snapshots.0.reference.source-name")

	body := func(ref any) object {
		return object{"snapshot": object{"volume_id": id, "ref": ref, "name": "again", "metadata": object{"k": "v"}}}
	}
	admin.Want(400, "POST", "/manageable_snapshots", body(object{}))
	lost := admin.Want(202, "POST", "/manageable_snapshots", body("nothing")).Text("snapshot.id")
	c.Settle()
	admin.Want(200, "GET", "/snapshots/"+lost, nil).Same("snapshot.status", `"error"`)
	admin.Want(202, "DELETE", "/snapshots/"+lost, nil)
	back := admin.Want(202, "POST", "/manageable_snapshots", body(object{"source-name": name})).Text("snapshot.id")
	c.Settle()
	shown := admin.Want(200, "GET", "/snapshots/"+back, nil)
	shown.Same("snapshot.status", `"available"`)
	shown.Same("snapshot.name", `"again"`)
	shown.Same("snapshot.metadata", `{"k":"v"}`)
	from := c.Volume("admin", "snapshot_id", back)
	if got := c.Status(from); got != "available" {
		t.Errorf("a volume of the snapshot is %s", got)
	}

	second := admin.Want(202, "POST", "/snapshots", object{"snapshot": object{"volume_id": id}}).Text("snapshot.id")
	c.Settle()
	low, high := min(back, second), max(back, second)
	first := func(query string) string {
		return admin.Want(200, "GET", listed+query, nil).Text("manageable-snapshots.0.cinder_id")
	}
	if got := first("&sort=reference:asc&limit=1"); got != low {
		t.Errorf("first is %s, want %s", got, low)
	}
	if got := first("&sort=reference:desc"); got != high {
		t.Errorf("first from behind is %s, want %s", got, high)
	}
	if got := first("&sort=reference:asc&marker=" + low); got != high {
		t.Errorf("after %s comes %s", low, got)
	}
	admin.Want(400, "GET", listed+"&sort=name:asc", nil)
	admin.Want(400, "GET", listed+"&limit=-1", nil)
	admin.Want(400, "GET", "/manageable_snapshots?host=nowhere@fake", nil)
}

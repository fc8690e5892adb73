package attack

import "kumoi/test/apptest"

var volumeResources = []resource{
	{
		name: "default_type", byAdmin: true, create: "PUT volume /v3/default-types/$own.project",
		body: `{"default_type":{"volume_type":"__DEFAULT__"}}`, item: "volume /v3/default-types/$that.project",
	},
	{
		name: "volume", create: "POST volume /v3/volumes", body: `{"volume":{"name":"$mark-volume","size":1,"metadata":{"k":"$mark"}}}`, id: "volume.id",
		then:  func(w *world, t *tenant) { bootable(w, t, "volume") },
		under: []string{"volume volumes"}, item: "volume /v3/volumes/$that.volume", method: "PUT", update: `{"volume":{"name":"n"}}`,
		uses: []string{
			`POST volume /v3/volumes {"volume":{"size":1,"source_volid":"$that.volume"}}`,
			`POST volume /v3/snapshots {"snapshot":{"volume_id":"$that.volume"}}`,
			`POST volume /v3/backups {"backup":{"volume_id":"$that.volume"}}`,
		},
	},
	{
		name: "snapshot", create: "POST volume /v3/snapshots", id: "snapshot.id",
		body:  `{"snapshot":{"name":"$mark-snapshot","volume_id":"$own.volume","metadata":{"k":"$mark"}}}`,
		then:  func(w *world, t *tenant) { available(w, t, "snapshots", "snapshot", "snapshot") },
		under: []string{"volume snapshots"}, item: "volume /v3/snapshots/$that.snapshot", method: "PUT", update: `{"snapshot":{"name":"n"}}`,
		uses: []string{
			`POST volume /v3/volumes {"volume":{"size":1,"snapshot_id":"$that.snapshot"}}`,
			bootFrom("snapshot", "snapshot"),
			`POST volume /v3/backups {"backup":{"volume_id":"$own.volume","snapshot_id":"$that.snapshot"}}`,
		},
	},
	{
		name: "backup", create: "POST volume /v3/backups", body: `{"backup":{"name":"$mark-backup","volume_id":"$own.volume"}}`, id: "backup.id",
		then:  func(w *world, t *tenant) { available(w, t, "backups", "backup", "backup") },
		under: []string{"volume backups"}, item: "volume /v3/backups/$that.backup", method: "PUT", update: `{"backup":{"name":"n"}}`,
		uses: []string{`POST volume /v3/volumes {"volume":{"size":1,"backup_id":"$that.backup"}}`},
	},
	anotherVolume("given_volume"),
	{
		name: "transfer", create: "POST volume /v3/volume-transfers", id: "transfer.id",
		body:  `{"transfer":{"name":"$mark-transfer","volume_id":"$own.given_volume"}}`,
		under: []string{"volume volume-transfers", "volume os-volume-transfer"}, item: "volume /v3/volume-transfers/$that.transfer",
	},
	anotherVolume("attached_volume"),
	{
		name: "attachment", create: "POST volume /v3/attachments", id: "attachment.id",
		body:  `{"attachment":{"volume_uuid":"$own.attached_volume"}}`,
		under: []string{"volume attachments"}, item: "volume /v3/attachments/$that.attachment",
	},
	// Each of these uses takes its volume, so that it is no control for the next.
	anotherVolume("spare_gift", `POST volume /v3/volume-transfers {"transfer":{"volume_id":"$that.spare_gift"}}`),
	anotherVolume("spare_reserve", `POST volume /v3/attachments {"attachment":{"volume_uuid":"$that.spare_reserve"}}`),
	anotherVolume("spare_disk", `POST compute /v2.1/servers/$own.server/os-volume_attachments {"volumeAttachment":{"volumeId":"$that.spare_disk"}}`),
	anotherVolume("spare_boot", bootFrom("volume", "spare_boot")),
}

// anotherVolume is a volume that a test, or another resource, uses up.
func anotherVolume(name string, uses ...string) resource {
	return resource{
		name: name, create: "POST volume /v3/volumes", body: `{"volume":{"name":"$mark-` + name + `","size":1}}`, id: "volume.id",
		then: func(w *world, t *tenant) { bootable(w, t, name) },
		item: "volume /v3/volumes/$that." + name, uses: uses,
	}
}

// bootable waits until a volume is made and says that a server may start from it.
func bootable(w *world, t *tenant, name string) {
	available(w, t, "volumes", "volume", name)
	w.http.As(t.token).Want(200, "POST", "/volume/v3/volumes/"+t.ids[name]+"/action", object{"os-set_bootable": object{"bootable": true}})
}

// bootFrom is the request for a server whose disk is something of the volume service's.
func bootFrom(source, name string) string {
	return `POST compute /v2.1/servers {"server":{"name":"n","imageRef":"","flavorRef":"$flavor","networks":"none","block_device_mapping_v2":[` +
		`{"source_type":"` + source + `","destination_type":"volume","uuid":"$that.` + name + `","boot_index":0,"volume_size":1}]}}`
}

// available waits until something of the volume service is made.
func available(w *world, t *tenant, collection, one, name string) {
	c := w.http.As(t.token)
	apptest.Until(w.t, "the "+name+" of "+t.mark, func() bool {
		a := c.Want(200, "GET", "/volume/v3/"+collection+"/"+t.ids[name], nil)
		if a.Text(one+".status") == "error" {
			w.t.Fatalf("%s", a.Raw)
		}
		return a.Text(one+".status") == "available"
	})
}

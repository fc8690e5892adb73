package attack

import "kumoi/test/apptest"

var volumeResources = []resource{
	{
		name: "volume", create: "POST volume /v3/volumes", body: `{"volume":{"name":"$mark-volume","size":1}}`, id: "volume.id",
		then:  func(w *world, t *tenant) { available(w, t, "volumes", "volume", "volume") },
		under: []string{"volume volumes"}, item: "volume /v3/volumes/$that.volume", method: "PUT", update: `{"volume":{"name":"n"}}`,
		uses: []string{
			`POST volume /v3/volumes {"volume":{"size":1,"source_volid":"$that.volume"}}`,
			`POST volume /v3/snapshots {"snapshot":{"volume_id":"$that.volume"}}`,
			`POST volume /v3/attachments {"attachment":{"volume_uuid":"$that.volume"}}`,
			`POST volume /v3/backups {"backup":{"volume_id":"$that.volume"}}`,
			`POST volume /v3/volume-transfers {"transfer":{"volume_id":"$that.volume"}}`,
		},
	},
	{
		name: "snapshot", create: "POST volume /v3/snapshots", body: `{"snapshot":{"name":"$mark-snapshot","volume_id":"$own.volume"}}`, id: "snapshot.id",
		then:  func(w *world, t *tenant) { available(w, t, "snapshots", "snapshot", "snapshot") },
		under: []string{"volume snapshots"}, item: "volume /v3/snapshots/$that.snapshot", method: "PUT", update: `{"snapshot":{"name":"n"}}`,
		uses: []string{
			`POST volume /v3/volumes {"volume":{"size":1,"snapshot_id":"$that.snapshot"}}`,
			`POST volume /v3/backups {"backup":{"volume_id":"$own.volume","snapshot_id":"$that.snapshot"}}`,
		},
	},
	{
		name: "backup", create: "POST volume /v3/backups", body: `{"backup":{"name":"$mark-backup","volume_id":"$own.volume"}}`, id: "backup.id",
		then:  func(w *world, t *tenant) { available(w, t, "backups", "backup", "backup") },
		under: []string{"volume backups"}, item: "volume /v3/backups/$that.backup", method: "PUT", update: `{"backup":{"name":"n"}}`,
		uses: []string{`POST volume /v3/volumes {"volume":{"size":1,"backup_id":"$that.backup"}}`},
	},
	{
		name: "given_volume", create: "POST volume /v3/volumes", body: `{"volume":{"name":"$mark-gift","size":1}}`, id: "volume.id",
		then: func(w *world, t *tenant) { available(w, t, "volumes", "volume", "given_volume") },
		item: "volume /v3/volumes/$that.given_volume",
	},
	{
		name: "transfer", create: "POST volume /v3/volume-transfers", id: "transfer.id",
		body:  `{"transfer":{"name":"$mark-transfer","volume_id":"$own.given_volume"}}`,
		under: []string{"volume volume-transfers", "volume os-volume-transfer"}, item: "volume /v3/volume-transfers/$that.transfer",
	},
	{
		name: "attached_volume", create: "POST volume /v3/volumes", body: `{"volume":{"name":"$mark-attached","size":1}}`, id: "volume.id",
		then: func(w *world, t *tenant) { available(w, t, "volumes", "volume", "attached_volume") },
		item: "volume /v3/volumes/$that.attached_volume",
	},
	{
		name: "attachment", create: "POST volume /v3/attachments", id: "attachment.id",
		body:  `{"attachment":{"volume_uuid":"$own.attached_volume"}}`,
		under: []string{"volume attachments"}, item: "volume /v3/attachments/$that.attachment",
	},
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

package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// briefVolumes is a row of the short list.
func briefVolumes(_ context.Context, r *httpx.Request, _ []*volume.Volume) (func(*rest.Writer, *volume.Volume), error) {
	return func(w *rest.Writer, v *volume.Volume) {
		w.Text("id", v.ID)
		w.TextOrNull("name", v.Name)
		w.Any("links", selfLinks(r, "volumes", v.ID))
	}, nil
}

// shownAs is what users are told of statuses that they did not ask for.
var shownAs = map[string]string{volume.Managing: volume.Creating, volume.ErrorManaging: volume.Error, volume.Unmanaging: volume.Deleting}

// viewVolumes is a volume with all that the actor may see of it.
func (a *api) viewVolumes(ctx context.Context, r *httpx.Request, rows []*volume.Volume) (func(*rest.Writer, *volume.Volume), error) {
	details, err := a.svc.Volumes.Details(ctx, rows)
	if err != nil {
		return nil, err
	}
	return func(w *rest.Writer, v *volume.Volume) {
		shown := details.Shown[v.ProjectID]
		w.Text("id", v.ID)
		status := v.Status
		if other := shownAs[status]; other != "" {
			status = other
		}
		w.Text("status", status)
		w.Int("size", int64(v.SizeGiB))
		w.Text("availability_zone", v.Zone)
		w.Time("created_at", v.CreatedAt, rest.Micros)
		w.Time("updated_at", v.UpdatedAt, rest.Micros)
		w.TextOrNull("name", v.Name)
		w.TextOrNull("description", v.Description)
		w.TextOrNull("volume_type", details.Types[v.TypeID])
		w.TextOrNull("snapshot_id", v.SnapshotID)
		w.TextOrNull("source_volid", v.SourceID)
		w.TextMap("metadata", shownMetadata(v))
		w.Any("links", selfLinks(r, "volumes", v.ID))
		w.Text("user_id", v.UserID)
		w.Text("bootable", map[bool]string{true: "true", false: "false"}[v.Bootable])
		w.Bool("encrypted", v.Encrypted)
		w.Null("replication_status")
		w.Null("consistencygroup_id")
		w.Bool("multiattach", v.Multiattach)
		viewAttached(w, v, details.Connections)
		if shown.Migration {
			w.TextOrNull("migration_status", v.MigrationStatus)
		}
		if r.HTTP.Method == http.MethodGet { // who makes or changes a volume is not shown what extensions add
			viewExtended(w, v, shown)
		}
		newerVolume(w, r, v, shown.Host)
	}, nil
}

// viewExtended writes what extensions of the API add to a volume.
func viewExtended(w *rest.Writer, v *volume.Volume, shown volume.Shown) {
	if shown.Host {
		w.TextOrNull("os-vol-host-attr:host", v.Host)
	}
	if shown.Migration {
		w.TextOrNull("os-vol-mig-status-attr:migstat", v.MigrationStatus)
		w.Null("os-vol-mig-status-attr:name_id")
	}
	if shown.Project {
		w.Text("os-vol-tenant-attr:tenant_id", v.ProjectID)
	}
	if len(v.ImageMetadata) > 0 && shown.ImageMetadata {
		w.TextMap("volume_image_metadata", v.ImageMetadata)
	}
}

// newerVolume writes what microversions have added.
func newerVolume(w *rest.Writer, r *httpx.Request, v *volume.Volume, host bool) {
	if r.AtLeast(3, 13) {
		w.TextOrNull("group_id", v.GroupID)
	}
	if host && r.AtLeast(3, 21) {
		w.Null("provider_id")
	}
	if r.AtLeast(3, 48) {
		w.Bool("shared_targets", false)
		w.Null("service_uuid")
	}
	if host && r.AtLeast(3, 61) {
		w.Null("cluster_name")
	}
	if r.AtLeast(3, 63) {
		w.TextOrNull("volume_type_id", v.TypeID)
	}
	if r.AtLeast(3, 64) && v.EncryptionKeyID != "" {
		w.Text("encryption_key_id", v.EncryptionKeyID)
	}
	if r.AtLeast(3, 65) {
		w.Bool("consumes_quota", !v.Unmetered)
	}
}

// shownMetadata is a volume's metadata with what everybody may know of the operator's.
func shownMetadata(v *volume.Volume) map[string]string {
	m := map[string]string{}
	for k, value := range v.Metadata {
		m[k] = value
	}
	if v.ReadOnly {
		m["readonly"] = "True"
	}
	for _, a := range v.Attachments {
		if a.Status == "attached" && !a.New {
			m["attached_mode"] = a.Mode
		}
	}
	return m
}

// viewAttached are the clients that have the volume.
func viewAttached(w *rest.Writer, v *volume.Volume, confides bool) {
	w.List("attachments", func() {
		for _, at := range v.Attachments {
			if at.Status != "attached" {
				continue
			}
			w.Object("", func() {
				w.Text("id", v.ID)
				w.Text("attachment_id", at.ID)
				w.Text("volume_id", v.ID)
				w.TextOrNull("server_id", at.InstanceID)
				if confides {
					w.TextOrNull("host_name", at.AttachedHost)
				} else {
					w.Null("host_name")
				}
				w.TextOrNull("device", at.Mountpoint)
				w.Time("attached_at", at.AttachedAt, rest.Micros)
			})
		}
	})
}

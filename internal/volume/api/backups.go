package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

type backupResource = rest.Resource[volume.Backup, volume.NewBackup, volume.BackupPatch]

func (a *api) backupRoutes() []httpx.Route {
	const one = "/v3/backups/{backup_id}"
	return []httpx.Route{
		route("GET", "/v3/backups", "backup:get_all", a.listBackups(false)),
		route("GET", "/v3/backups/detail", "backup:get_all", a.listBackups(true)),
		route("POST", "/v3/backups", "backup:create", a.createBackup),
		route("POST", "/v3/backups/import_record", "backup:backup-import", a.importRecord),
		route("GET", one, "backup:get", a.showBackup),
		since(9, route("PUT", one, "backup:update", a.updateBackup)),
		route("DELETE", one, "backup:delete", a.deleteBackup(false)),
		route("POST", one+"/restore", "backup:restore", a.restoreBackup),
		route("GET", one+"/export_record", "backup:export-import", a.exportRecord),
		action(one, "os-reset_status", "volume_extension:backup_admin_actions:reset_status", a.resetBackup),
		action(one, "os-force_delete", "volume_extension:backup_admin_actions:force_delete", a.deleteBackup(true)),
	}
}

var backupList = &rest.List{
	Dialect: dialectOf("Backup %s could not be found."), Also: everywhere, Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: []rest.Field{
		text("name"), oldName, text("status"), text("volume_id"), text("id"), text("project_id"), text("snapshot_id"), text("container"), text("user_id"), text("parent_id"),
		sorted("size"), sorted("created_at"), sorted("updated_at"),
		{Name: "data_timestamp", At: "data_at", NoFilter: true},
		pairs("metadata", "metadata", 0),
	},
}

func (a *api) backups(detail bool) *backupResource {
	return &backupResource{
		One: "backup", Many: "backups", Query: backupList, ID: func(v *volume.Backup) string { return v.ID },
		View: func(ctx context.Context, r *httpx.Request, _ []*volume.Backup) (func(*rest.Writer, *volume.Backup), error) {
			return func(w *rest.Writer, b *volume.Backup) {
				w.Text("id", b.ID)
				w.TextOrNull("name", b.Name)
				w.Any("links", selfLinks(r, "backups", b.ID))
				if detail {
					a.viewBackup(ctx, w, r, b)
				}
			}, nil
		},
	}
}

func (a *api) viewBackup(ctx context.Context, w *rest.Writer, r *httpx.Request, b *volume.Backup) {
	w.Text("status", b.Status)
	w.Int("size", int64(b.SizeGiB))
	w.Int("object_count", 0)
	w.TextOrNull("availability_zone", b.Zone)
	w.TextOrNull("container", b.Container)
	w.Time("created_at", b.CreatedAt, rest.Micros)
	w.Time("updated_at", b.UpdatedAt, rest.Micros)
	w.TextOrNull("description", b.Description)
	w.TextOrNull("fail_reason", b.FailReason)
	w.Text("volume_id", b.VolumeID)
	w.Bool("is_incremental", b.ParentID != "")
	w.Bool("has_dependent_backups", b.Dependents)
	w.TextOrNull("snapshot_id", b.SnapshotID)
	w.Time("data_timestamp", b.DataAt, rest.Micros)
	if r.AtLeast(3, 18) && a.svc.Backups.ShowsProject(ctx, b) {
		w.Text("os-backup-project-attr:project_id", b.ProjectID)
	}
	if r.AtLeast(3, 43) {
		w.TextMap("metadata", b.Metadata)
	}
	if r.AtLeast(3, 56) {
		w.Text("user_id", b.UserID)
	}
	if r.AtLeast(3, 64) && b.EncryptionKeyID != "" {
		w.Text("encryption_key_id", b.EncryptionKeyID)
	}
}

func (a *api) listBackups(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c := a.backups(detail)
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		p, err := a.svc.Backups.List(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		count, err := counted(ctx, r, q, a.svc.Backups.Count)
		if err != nil {
			return nil, err
		}
		return rowsWithCount(ctx, r, c, p, q, count)
	}
}

var createBackupSchema = perVersion(func(minor int) object {
	p := object{
		"volume_id": idText, "container": optionalText, "description": descText, "incremental": boolType, "force": boolType,
		"name": optionalText, "snapshot_id": optionalID,
	}
	if minor >= 43 {
		p["metadata"] = metaOrNull
	}
	if minor >= 51 {
		p["availability_zone"] = optionalText
	}
	return wrapped("backup", closed(list{"volume_id"}, p))
})

func (a *api) createBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Backup struct {
			Volume      string            `json:"volume_id"`
			Snapshot    string            `json:"snapshot_id"`
			Container   string            `json:"container"`
			Name        string            `json:"name"`
			Description string            `json:"description"`
			Incremental rest.Bool         `json:"incremental"`
			Force       rest.Bool         `json:"force"`
			Metadata    map[string]string `json:"metadata"`
			Zone        string            `json:"availability_zone"`
		} `json:"backup"`
	}](r, createBackupSchema)
	if err != nil {
		return nil, err
	}
	in := b.Backup
	made, err := a.svc.Backups.Create(ctx, volume.NewBackup{
		VolumeID: in.Volume, SnapshotID: in.Snapshot, Container: in.Container, Name: strings.TrimSpace(in.Name), Description: strings.TrimSpace(in.Description),
		Incremental: bool(in.Incremental), Force: bool(in.Force), Metadata: in.Metadata, Zone: in.Zone,
	})
	brief := a.backups(false)
	if r.AtLeast(3, 43) {
		view := brief.View
		brief.View = func(ctx context.Context, r *httpx.Request, rows []*volume.Backup) (func(*rest.Writer, *volume.Backup), error) {
			f, err := view(ctx, r, rows)
			return func(w *rest.Writer, b *volume.Backup) {
				f(w, b)
				w.TextMap("metadata", b.Metadata)
			}, err
		}
	}
	return brief.Answer(ctx, r, http.StatusAccepted, made, err)
}

func (a *api) showBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := a.svc.Backups.Show(ctx, r.Var("backup_id"))
	return a.backups(true).Answer(ctx, r, http.StatusOK, b, err)
}

var updateBackupSchema = perVersion(func(minor int) object {
	p := object{"name": optionalText, "description": descText}
	if minor >= 43 {
		p["metadata"] = metaType
	}
	o := closed(nil, p)
	o["minProperties"] = 1
	return wrapped("backup", o)
})

func (a *api) updateBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Backup struct {
			Name        change.Optional[string]            `json:"name"`
			Description change.Optional[string]            `json:"description"`
			Metadata    change.Optional[map[string]string] `json:"metadata"`
		} `json:"backup"`
	}](r, updateBackupSchema)
	if err != nil {
		return nil, err
	}
	changed, err := a.svc.Backups.Update(ctx, r.Var("backup_id"), volume.BackupPatch(b.Backup))
	return a.backups(false).Answer(ctx, r, http.StatusOK, changed, err)
}

func (a *api) deleteBackup(force bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		return accepted(a.svc.Backups.Delete(ctx, r.Var("backup_id"), force))
	}
}

var restoreSchema = fixed(wrapped("restore", object{
	"type": list{"object", "null"}, "properties": object{"name": optionalText, "volume_id": optionalID}, "additionalProperties": false,
}))

func (a *api) restoreBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Restore struct {
			Name   string `json:"name"`
			Volume string `json:"volume_id"`
		} `json:"restore"`
	}](r, restoreSchema)
	if err != nil {
		return nil, err
	}
	out, err := a.svc.Backups.Restore(ctx, r.Var("backup_id"), b.Restore.Volume, strings.TrimSpace(b.Restore.Name))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusAccepted, object{"restore": object{"backup_id": out.Backup, "volume_id": out.Volume, "volume_name": out.Name}}), nil
}

func (a *api) exportRecord(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	service, url, err := a.svc.Backups.Export(ctx, r.Var("backup_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"backup-record": object{"backup_service": service, "backup_url": url}}), nil
}

var importSchema = fixed(wrapped("backup-record", closed(list{"backup_service", "backup_url"}, object{
	"backup_service": object{"type": "string", "minLength": 0, "maxLength": 255}, "backup_url": object{"type": "string", "minLength": 1},
})))

func (a *api) importRecord(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Record struct {
			Service string `json:"backup_service"`
			URL     string `json:"backup_url"`
		} `json:"backup-record"`
	}](r, importSchema)
	if err != nil {
		return nil, err
	}
	made, err := a.svc.Backups.Import(ctx, b.Record.Service, b.Record.URL)
	return a.backups(false).Answer(ctx, r, http.StatusCreated, made, err)
}

var resetBackupSchema = fixed(wrapped("os-reset_status", closed(list{"status"}, object{"status": object{"type": "string", "enum": list{"available", "error"}}})))

func (a *api) resetBackup(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	in, err := act[struct {
		Status string `json:"status"`
	}](r, resetBackupSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Backups.ResetStatus(ctx, r.Var("backup_id"), in.Status))
}

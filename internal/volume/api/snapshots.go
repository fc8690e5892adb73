package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

type snapshotResource = rest.Resource[volume.Snapshot, volume.NewSnapshot, volume.Patch]

func (a *api) snapshots(detail bool) *snapshotResource {
	return &snapshotResource{
		One: "snapshot", Many: "snapshots", Query: snapshotList, ID: func(v *volume.Snapshot) string { return v.ID },
		View: func(ctx context.Context, r *httpx.Request, _ []*volume.Snapshot) (func(*rest.Writer, *volume.Snapshot), error) {
			return func(w *rest.Writer, p *volume.Snapshot) { a.viewSnapshot(ctx, w, r, p, detail) }, nil
		},
	}
}

func (a *api) snapshotRoutes() []httpx.Route {
	const one = "/v3/snapshots/{snapshot_id}"
	m := metadata{item: "snapshot_id", read: a.svc.Snapshots.Metadata, change: a.svc.Snapshots.ChangeMetadata}
	return append([]httpx.Route{
		route("GET", "/v3/snapshots", "volume:get_all_snapshots", a.listSnapshots(false)),
		route("GET", "/v3/snapshots/detail", "volume:get_all_snapshots", a.listSnapshots(true)),
		route("POST", "/v3/snapshots", "volume:create_snapshot", a.createSnapshot),
		route("GET", one, "volume:get_snapshot", a.showSnapshot),
		route("PUT", one, "volume:update_snapshot", a.updateSnapshot),
		route("DELETE", one, "volume:delete_snapshot", a.deleteSnapshot(false)),
		action(one, "os-reset_status", "volume_extension:snapshot_admin_actions:reset_status", a.resetSnapshot),
		action(one, "os-force_delete", "volume_extension:snapshot_admin_actions:force_delete", a.deleteSnapshot(true)),
		action(one, "os-update_snapshot_status", "snapshot_extension:snapshot_actions:update_snapshot_status", a.reportSnapshot),
	}, m.routes(one+"/metadata", "volume:get_snapshot_metadata", "volume:update_snapshot_metadata",
		"volume:update_snapshot_metadata", "volume:delete_snapshot_metadata")...)
}

var snapshotList = &rest.List{
	Dialect: dialectOf("Snapshot %s could not be found."), Also: everywhere, Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: []rest.Field{
		text("name"), oldName, text("status"), text("volume_id"), text("project_id"), text("user_id"), text("id"), number("size"),
		{Name: "volume_size", At: "size", NoFilter: true},
		text("availability_zone"), text("group_snapshot_id"),
		sorted("created_at"), sorted("updated_at"), pairs("metadata", "metadata", 0), quotaFilter,
	},
}

func (a *api) listSnapshots(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c := a.snapshots(detail)
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		p, err := a.svc.Snapshots.List(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		count, err := counted(ctx, r, q, a.svc.Snapshots.Count)
		if err != nil {
			return nil, err
		}
		return rowsWithCount(ctx, r, c, p, q, count)
	}
}

func (a *api) viewSnapshot(ctx context.Context, w *rest.Writer, r *httpx.Request, p *volume.Snapshot, detail bool) {
	w.Text("id", p.ID)
	w.Time("created_at", p.CreatedAt, rest.Micros)
	w.Time("updated_at", p.UpdatedAt, rest.Micros)
	w.TextOrNull("name", p.Name)
	w.TextOrNull("description", p.Description)
	w.Text("volume_id", p.VolumeID)
	w.Text("status", p.Status)
	w.Int("size", int64(p.SizeGiB))
	w.TextMap("metadata", p.Metadata)
	if !detail {
		return
	}
	if r.HTTP.Method == http.MethodGet && a.svc.Snapshots.ShowsExtended(ctx, p) {
		w.Text("os-extended-snapshot-attributes:progress", p.Progress)
		w.Text("os-extended-snapshot-attributes:project_id", p.ProjectID)
	}
	if r.AtLeast(3, 14) {
		w.TextOrNull("group_snapshot_id", p.GroupSnapshotID)
	}
	if r.AtLeast(3, 41) {
		w.Text("user_id", p.UserID)
	}
	if r.AtLeast(3, 65) {
		w.Bool("consumes_quota", !p.Unmetered)
	}
}

var createSnapshotSchema = perVersion(func(int) object {
	return wrapped("snapshot", closed(list{"volume_id"}, object{
		"name": optionalText, "display_name": optionalText, "description": descText, "volume_id": optionalID, "force": boolType, "metadata": metaOrNull,
	}))
})

func (a *api) createSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot struct {
			Name        string            `json:"name"`
			OldName     string            `json:"display_name"`
			Description string            `json:"description"`
			Volume      string            `json:"volume_id"`
			Force       *rest.Bool        `json:"force"`
			Metadata    map[string]string `json:"metadata"`
		} `json:"snapshot"`
	}](r, createSnapshotSchema)
	if err != nil {
		return nil, err
	}
	in := b.Snapshot
	force := in.Force != nil && bool(*in.Force)
	if r.AtLeast(3, 66) {
		if in.Force != nil && !force {
			return nil, bad("Invalid input received: Since microversion 3.66 of the Block Storage API, the \"force\" option is invalid for this request. " +
				"For backward compatibility, however, when the \"force\" flag is passed with a value evaluating to True, it is silently ignored.")
		}
		force = true
	}
	p, err := a.svc.Snapshots.Create(ctx, volume.NewSnapshot{
		VolumeID: in.Volume, Name: strings.TrimSpace(in.Name + in.OldName), Description: strings.TrimSpace(in.Description), Metadata: in.Metadata, Force: force,
	})
	return a.snapshots(true).Answer(ctx, r, http.StatusAccepted, p, err)
}

func (a *api) showSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Snapshots.Show(ctx, r.Var("snapshot_id"))
	return a.snapshots(true).Answer(ctx, r, http.StatusOK, p, err)
}

var updateSnapshotSchema = perVersion(func(int) object {
	o := closed(nil, object{"name": optionalText, "description": descText, "display_name": optionalText, "display_description": descText})
	o["minProperties"] = 1
	return wrapped("snapshot", o)
})

func (a *api) updateSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot patch `json:"snapshot"`
	}](r, updateSnapshotSchema)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Snapshots.Update(ctx, r.Var("snapshot_id"), b.Snapshot.domain())
	return a.snapshots(true).Answer(ctx, r, http.StatusOK, p, err)
}

func (a *api) deleteSnapshot(force bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		return accepted(a.svc.Snapshots.Delete(ctx, r.Var("snapshot_id"), force))
	}
}

var resetSnapshotSchema = fixed(wrapped("os-reset_status", closed(list{"status"}, object{
	"status": object{"type": "string", "enum": list{"available", "creating", "deleting", "error", "error_deleting"}},
})))

func (a *api) resetSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[map[string]struct {
		Status string `json:"status"`
	}](r, resetSnapshotSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Snapshots.ResetStatus(ctx, r.Var("snapshot_id"), b["os-reset_status"].Status))
}

var reportSnapshotSchema = fixed(wrapped("os-update_snapshot_status", closed(list{"status"}, object{
	"status": object{"type": "string", "minLength": 1}, "progress": object{"type": list{"string", "null"}, "pattern": `^\d+%?$`},
})))

func (a *api) reportSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[map[string]struct {
		Status   string `json:"status"`
		Progress string `json:"progress"`
	}](r, reportSnapshotSchema)
	if err != nil {
		return nil, err
	}
	in := b["os-update_snapshot_status"]
	return accepted(a.svc.Snapshots.Report(ctx, r.Var("snapshot_id"), in.Status, in.Progress))
}

package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

type attachmentResource = rest.Resource[volume.Attachment, volume.NewAttachment, struct{}]

func (a *api) attachments(detail bool) *attachmentResource {
	return &attachmentResource{
		One: "attachment", Many: "attachments", Query: attachmentList, ID: func(v *volume.Attachment) string { return v.ID },
		View: func(ctx context.Context, _ *httpx.Request, _ []*volume.Attachment) (func(*rest.Writer, *volume.Attachment), error) {
			confides := a.svc.Attachments.ShowsConnections(ctx)
			return func(w *rest.Writer, at *volume.Attachment) { viewAttachment(w, at, detail, confides) }, nil
		},
	}
}

func (a *api) attachmentRoutes() []httpx.Route {
	const one = "/v3/attachments/{attachment_id}"
	routes := []httpx.Route{
		route("GET", "/v3/attachments", "volume:get_all", a.listAttachments(false)),
		route("GET", "/v3/attachments/detail", "volume:get_all", a.listAttachments(true)),
		route("GET", "/v3/attachments/summary", "volume:get_all", a.noSummary),
		route("POST", "/v3/attachments", "volume:attachment_create", a.createAttachment),
		route("GET", one, "volume:get", a.showAttachment),
		route("PUT", one, "volume:attachment_update", a.updateAttachment),
		route("DELETE", one, "volume:attachment_delete", a.deleteAttachment),
	}
	for i := range routes {
		routes[i] = since(27, routes[i])
	}
	return append(routes, since(44, action(one, "os-complete", "volume:attachment_complete", a.completeAttachment)))
}

var attachmentList = &rest.List{
	Dialect: func() *rest.Dialect {
		d := dialectOf("Volume attachment could not be found with filter: attachment_id = %s.")
		d.Links = nil
		return d
	}(),
	Also: everywhere, Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: []rest.Field{
		text("volume_id"), text("status"), filtered("attach_status", "status"), text("instance_id"), filtered("instance_uuid", "instance_id"),
		text("id"), sorted("created_at"), sorted("updated_at"), text("project_id"), sorted("attached_host"), sorted("mountpoint"),
	},
}

func (a *api) listAttachments(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c := a.attachments(detail)
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		p, err := a.svc.Attachments.List(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		return c.Rows(ctx, r, http.StatusOK, p, q)
	}
}

// noSummary is a path that Cinder names and does not serve.
func (a *api) noSummary(context.Context, *httpx.Request) (*httpx.Response, error) {
	return nil, volume.NoAttachment("summary")
}

func viewAttachment(w *rest.Writer, at *volume.Attachment, detail, confides bool) {
	w.Text("id", at.ID)
	w.Text("status", at.Status)
	w.TextOrNull("instance", at.InstanceID)
	w.Text("volume_id", at.VolumeID)
	if !detail {
		return
	}
	if at.AttachedAt.IsZero() {
		w.Text("attached_at", "")
	} else {
		w.Time("attached_at", at.AttachedAt, rest.Micros)
	}
	w.Text("detached_at", "")
	w.Text("attach_mode", at.Mode)
	if confides && at.Connection != nil {
		info := connectionInfo(at)
		info["driver_volume_type"] = driverType
		w.Any("connection_info", info)
	} else {
		w.Object("connection_info", func() {})
	}
}

func (a *api) showAttachment(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	at, err := a.svc.Attachments.Show(ctx, r.Var("attachment_id"))
	return a.attachments(true).Answer(ctx, r, http.StatusOK, at, err)
}

var createAttachmentSchema = perVersion(func(minor int) object {
	p := object{"instance_uuid": idText, "connector": object{"type": list{"object", "null"}}, "volume_uuid": idText}
	if minor >= 54 {
		p["mode"] = object{"type": "string", "enum": list{"rw", "ro"}}
	}
	return wrapped("attachment", closed(list{"volume_uuid"}, p))
})

func (a *api) createAttachment(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Attachment struct {
			Volume    string         `json:"volume_uuid"`
			Instance  string         `json:"instance_uuid"`
			Connector map[string]any `json:"connector"`
			Mode      string         `json:"mode"`
		} `json:"attachment"`
	}](r, createAttachmentSchema)
	if err != nil {
		return nil, err
	}
	in := b.Attachment
	at, err := a.svc.Attachments.Create(ctx, volume.NewAttachment{VolumeID: in.Volume, InstanceID: in.Instance, Connector: in.Connector, Mode: in.Mode})
	return a.attachments(true).Answer(ctx, r, http.StatusOK, at, err)
}

var updateAttachmentSchema = fixed(wrapped("attachment", closed(list{"connector"}, object{"connector": object{"type": "object", "minProperties": 1}})))

func (a *api) updateAttachment(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Attachment struct {
			Connector map[string]any `json:"connector"`
		} `json:"attachment"`
	}](r, updateAttachmentSchema)
	if err != nil {
		return nil, err
	}
	at, err := a.svc.Attachments.Update(ctx, r.Var("attachment_id"), b.Attachment.Connector)
	return a.attachments(true).Answer(ctx, r, http.StatusOK, at, err)
}

func (a *api) deleteAttachment(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	rest, err := a.svc.Attachments.Delete(ctx, r.Var("attachment_id"))
	if err != nil {
		return nil, err
	}
	return a.attachments(false).Rows(ctx, r, http.StatusOK, store.Page[volume.Attachment]{Rows: rest}, store.Query{})
}

func (a *api) completeAttachment(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Attachments.Complete(ctx, r.Var("attachment_id")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

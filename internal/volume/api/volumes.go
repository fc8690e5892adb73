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

type volumeResource = rest.Resource[volume.Volume, volume.NewVolume, volume.Patch]

func (a *api) volumes(detail bool) *volumeResource {
	view := a.viewVolumes
	if !detail {
		view = briefVolumes
	}
	return &volumeResource{
		One: "volume", Many: "volumes", View: view, Query: volumeList, ID: func(v *volume.Volume) string { return v.ID },
	}
}

func (a *api) volumeRoutes() []httpx.Route {
	return []httpx.Route{
		route("GET", "/v3/volumes", "volume:get_all", a.listVolumes(false)),
		route("GET", "/v3/volumes/detail", "volume:get_all", a.listVolumes(true)),
		since(12, route("GET", "/v3/volumes/summary", "volume:get_all", a.summary)),
		route("POST", "/v3/volumes", "volume:create", a.createVolume),
		route("GET", "/v3/volumes/{volume_id}", "volume:get", a.showVolume),
		route("PUT", "/v3/volumes/{volume_id}", "volume:update", a.updateVolume),
		route("DELETE", "/v3/volumes/{volume_id}", "volume:delete", a.deleteVolume),
	}
}

var volumeList = &rest.List{
	Dialect: dialect, Also: everywhere, Sort: []store.Sort{{Field: "created_at", Desc: true}},
	Fields: []rest.Field{
		text("name"), oldName, text("status"), text("availability_zone"), text("migration_status"), text("host"), text("user_id"), text("project_id"),
		{Name: "group_id", Since: 10},
		number("size"), text("volume_type_id"), text("snapshot_id"), text("source_volid"), text("attach_status"),
		{Name: "id"},
		sorted("created_at"), sorted("updated_at"), moment("created_at"), moment("updated_at"),
		truth("bootable", "bootable"), truth("multiattach", "multiattach"),
		pairs("metadata", "metadata", 0), pairs("glance_metadata", "image_metadata", 4),
		quotaFilter,
	},
}

func (a *api) listVolumes(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c := a.volumes(detail)
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		p, err := a.svc.Volumes.List(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		count, err := counted(ctx, r, q, a.svc.Volumes.Count)
		if err != nil {
			return nil, err
		}
		return rowsWithCount(ctx, r, c, p, q, count)
	}
}

// counted is how many rows a list has without pages, where the request asks for
// it; else -1.
func counted(ctx context.Context, r *httpx.Request, q store.Query, count func(context.Context, store.Query) (int64, error)) (int64, error) {
	if !r.AtLeast(3, 45) {
		return -1, nil
	}
	want, err := r.Bool("with_count", false)
	if err != nil || !want {
		return -1, err
	}
	return count(ctx, q)
}

// rowsWithCount answers with a page, and how many rows there are in all.
func rowsWithCount[T, N, P any](ctx context.Context, r *httpx.Request, c *rest.Resource[T, N, P], p store.Page[T], q store.Query, count int64) (*httpx.Response, error) {
	if count >= 0 {
		l := *c.Query
		d := *l.Dialect
		next := d.Links
		d.Links = func(w *rest.Writer, r *httpx.Request, key string, part rest.Part) {
			next(w, r, key, part)
			w.Int("count", count)
		}
		l.Dialect, c.Query = &d, &l
	}
	return c.Rows(ctx, r, http.StatusOK, p, q)
}

func (a *api) summary(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := page(volumeList, r)
	if err != nil {
		return nil, err
	}
	q.Limit = 0
	sum, err := a.svc.Volumes.Summarize(ctx, q)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("volume-summary", func() {
				w.Int("total_count", int64(sum.Count))
				w.Int("total_size", int64(sum.SizeGiB))
				if r.AtLeast(3, 36) {
					w.Any("metadata", sum.Metadata)
				}
			})
		})
	}), nil
}

func (a *api) showVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := a.svc.Volumes.Show(ctx, r.Var("volume_id"))
	return a.volumes(true).Answer(ctx, r, http.StatusOK, v, err)
}

func (a *api) deleteVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	cascade, err := r.Bool("cascade", false)
	if err != nil {
		return nil, err
	}
	force := false
	if r.AtLeast(3, 23) {
		if force, err = r.Bool("force", false); err != nil {
			return nil, err
		}
	}
	if err := a.svc.Volumes.Delete(ctx, r.Var("volume_id"), cascade, force); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var updateVolumeSchema = perVersion(func(minor int) object {
	o := closed(nil, object{"name": nameOrNull, "description": descText, "display_name": nameOrNull, "display_description": descText, "metadata": metaType})
	if minor >= 53 {
		o["minProperties"] = 1
	}
	return wrapped("volume", o)
})

// patch is what updates of volumes and snapshots have in common.
type patch struct {
	Name        change.Optional[string]            `json:"name"`
	Description change.Optional[string]            `json:"description"`
	OldName     change.Optional[string]            `json:"display_name"`
	OldText     change.Optional[string]            `json:"display_description"`
	Metadata    change.Optional[map[string]string] `json:"metadata"`
}

func (p patch) domain() volume.Patch {
	if p.OldName.Set {
		p.Name = p.OldName
	}
	if p.OldText.Set {
		p.Description = p.OldText
	}
	p.Name.Value, p.Description.Value = strings.TrimSpace(p.Name.Value), strings.TrimSpace(p.Description.Value)
	return volume.Patch{Name: p.Name, Description: p.Description, Metadata: p.Metadata}
}

func (a *api) updateVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Volume patch `json:"volume"`
	}](r, updateVolumeSchema)
	if err != nil {
		return nil, err
	}
	v, err := a.svc.Volumes.Update(ctx, r.Var("volume_id"), b.Volume.domain())
	return a.volumes(true).Answer(ctx, r, http.StatusOK, v, err)
}

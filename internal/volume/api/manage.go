package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
)

// manageRoutes take over what lies in backends: the same families at two paths,
// of which 3.8 brought one.
func (a *api) manageRoutes() []httpx.Route {
	var out []httpx.Route
	add := func(minor int, volumes, snapshots string) {
		out = append(
			out,
			since(minor, route("POST", volumes, "volume_extension:volume_manage", a.manageVolume)),
			since(minor, route("GET", volumes, "volume_extension:list_manageable", a.listManageable(false))),
			since(minor, route("GET", volumes+"/detail", "volume_extension:list_manageable", a.listManageable(true))),
			since(minor, route("POST", snapshots, "snapshot_extension:snapshot_manage", a.manageSnapshot)),
			since(minor, route("GET", snapshots, "snapshot_extension:list_manageable", a.listManageableSnapshots)),
			since(minor, route("GET", snapshots+"/detail", "snapshot_extension:list_manageable", a.listManageableSnapshots)),
		)
	}
	add(8, "/v3/manageable_volumes", "/v3/manageable_snapshots")
	add(0, "/v3/os-volume-manage", "/v3/os-snapshot-manage")
	return append(out, action("/v3/snapshots/{snapshot_id}", "os-unmanage", "snapshot_extension:snapshot_unmanage", a.unmanageSnapshot))
}

var manageSchema = fixed(wrapped("volume", open(list{"ref"}, object{
	"ref": object{"type": list{"object", "string"}}, "host": hostType, "cluster": optionalText, "name": nameOrNull, "description": descText,
	"volume_type": optionalText, "availability_zone": optionalText, "metadata": metaOrNull, "bootable": boolType,
})))

func (a *api) manageVolume(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Volume struct {
			Ref         any               `json:"ref"`
			Host        string            `json:"host"`
			Name        string            `json:"name"`
			Description string            `json:"description"`
			Type        string            `json:"volume_type"`
			Zone        string            `json:"availability_zone"`
			Metadata    map[string]string `json:"metadata"`
			Bootable    rest.Bool         `json:"bootable"`
		} `json:"volume"`
	}](r, manageSchema)
	if err != nil {
		return nil, err
	}
	in := b.Volume
	name, _ := in.Ref.(string)
	if m, ok := in.Ref.(map[string]any); ok {
		for _, key := range []string{"source-name", "source-id"} {
			if text, ok := m[key].(string); ok {
				name = text
			}
		}
	}
	if name == "" {
		return nil, bad("Invalid input received: The ref must have a source-name, which GET /manageable_volumes lists.")
	}
	v, err := a.svc.Managed.Create(ctx, volume.NewManaged{
		Place: in.Host, Name: name, DisplayName: strings.TrimSpace(in.Name), Description: strings.TrimSpace(in.Description), Type: in.Type, Zone: in.Zone,
		Metadata: in.Metadata, Bootable: bool(in.Bootable),
	})
	return a.volumes(true).Answer(ctx, r, http.StatusAccepted, v, err)
}

func (a *api) listManageable(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		rows, err := a.svc.Managed.List(ctx, r.Query.Get("host"))
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) {
			w.Object("", func() {
				w.List("manageable-volumes", func() {
					for _, m := range rows {
						w.Object("", func() {
							w.Any("reference", object{"source-name": m.Name})
							w.Int("size", int64(m.SizeGiB))
							w.Bool("safe_to_manage", m.Safe)
							if detail {
								w.TextOrNull("reason_not_safe", m.Reason)
								w.TextOrNull("cinder_id", m.Volume)
								w.Null("extra_info")
							}
						})
					}
				})
			})
		}), nil
	}
}

var manageSnapshotSchema = fixed(wrapped("snapshot", open(list{"ref", "volume_id"}, object{"volume_id": idText})))

func (a *api) manageSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot struct {
			Volume string `json:"volume_id"`
		} `json:"snapshot"`
	}](r, manageSnapshotSchema)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.Snapshots.Manage(ctx, b.Snapshot.Volume))
}

func (a *api) listManageableSnapshots(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Snapshots.Manageable(ctx, r.Query.Get("host")); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"manageable-snapshots": list{}}), nil
}

func (a *api) unmanageSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Snapshots.Unmanage(ctx, r.Var("snapshot_id")))
}

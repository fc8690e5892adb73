package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/hostapi"
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
			since(minor, route("GET", snapshots, "snapshot_extension:list_manageable", a.listManageableSnapshots(false))),
			since(minor, route("GET", snapshots+"/detail", "snapshot_extension:list_manageable", a.listManageableSnapshots(true))),
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
	name := refName(in.Ref)
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
		if err == nil {
			rows, err = window(r, rows, func(m hostapi.ManageableVolume) (string, int) { return m.Name, m.SizeGiB })
		}
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

// window sorts and pages what a host has listed, by reference or size.
func window[T any](r *httpx.Request, rows []T, of func(T) (name string, size int)) ([]T, error) {
	keys, dirs := r.Query.Get("sort_key"), r.Query.Get("sort_dir")
	if both := r.Query.Get("sort"); both != "" {
		keys, dirs, _ = strings.Cut(both, ":")
	}
	up := dirs == "asc"
	switch {
	case keys != "" && keys != "reference" && keys != "size":
		return nil, bad("Invalid input received: Invalid sort keys passed: %.100s", keys)
	case dirs != "" && dirs != "asc" && dirs != "desc":
		return nil, bad("Invalid input received: Invalid sort dirs passed: %.100s", dirs)
	}
	slices.SortStableFunc(rows, func(x, y T) int {
		n, s := of(x)
		m, t := of(y)
		order := strings.Compare(n, m)
		if keys == "size" {
			order = cmp.Or(cmp.Compare(s, t), order)
		}
		if !up {
			order = -order
		}
		return order
	})
	if marker := r.Query.Get("marker"); marker != "" {
		at := slices.IndexFunc(rows, func(row T) bool { name, _ := of(row); return name == marker })
		if at < 0 {
			return nil, bad("Invalid input received: marker not found: %.100s", marker)
		}
		rows = rows[at+1:]
	}
	if err := whole(r, "offset", func(n int) { rows = rows[min(n, len(rows)):] }); err != nil {
		return nil, err
	}
	err := whole(r, "limit", func(n int) { rows = rows[:min(n, len(rows))] })
	return rows, err
}

// whole hands on a parameter that is a number, if the query has it.
func whole(r *httpx.Request, name string, use func(n int)) error {
	text := r.Query.Get(name)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return bad("Invalid input received: %s must be a number that is not negative.", name)
	}
	use(n)
	return nil
}

var manageSnapshotSchema = fixed(wrapped("snapshot", open(list{"ref", "volume_id"}, object{
	"ref": object{"type": list{"object", "string"}}, "volume_id": idText, "name": nameOrNull, "description": descText, "metadata": metaOrNull,
})))

func (a *api) manageSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot struct {
			Ref         any               `json:"ref"`
			Volume      string            `json:"volume_id"`
			Name        string            `json:"name"`
			Description string            `json:"description"`
			Metadata    map[string]string `json:"metadata"`
		} `json:"snapshot"`
	}](r, manageSnapshotSchema)
	if err != nil {
		return nil, err
	}
	in := b.Snapshot
	name := refName(in.Ref)
	if name == "" {
		return nil, bad("Invalid input received: The ref must have a source-name, which GET /manageable_snapshots lists.")
	}
	p, err := a.svc.Snapshots.Manage(ctx, volume.NewManagedSnapshot{
		VolumeID: in.Volume, Ref: name, Name: strings.TrimSpace(in.Name), Description: strings.TrimSpace(in.Description), Metadata: in.Metadata,
	})
	return a.snapshots(true).Answer(ctx, r, http.StatusAccepted, p, err)
}

// refName is what a reference calls something in a backend.
func refName(ref any) string {
	name, _ := ref.(string)
	if m, ok := ref.(map[string]any); ok {
		for _, key := range []string{"source-name", "source-id"} {
			if text, ok := m[key].(string); ok {
				name = text
			}
		}
	}
	return name
}

func (a *api) listManageableSnapshots(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		rows, err := a.svc.Snapshots.Manageable(ctx, r.Query.Get("host"))
		if err == nil {
			rows, err = window(r, rows, func(m hostapi.ManageableSnapshot) (string, int) { return m.Name, m.SizeGiB })
		}
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) {
			w.Object("", func() {
				w.List("manageable-snapshots", func() {
					for _, m := range rows {
						w.Object("", func() {
							w.Any("reference", object{"source-name": m.Name})
							w.Int("size", int64(m.SizeGiB))
							w.Bool("safe_to_manage", m.Safe)
							w.Any("source_reference", object{"source-name": m.Volume})
							if detail {
								w.TextOrNull("reason_not_safe", m.Reason)
								w.TextOrNull("cinder_id", m.Snapshot)
								w.Null("extra_info")
							}
						})
					}
				})
			})
		}), nil
	}
}

func (a *api) unmanageSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.Snapshots.Unmanage(ctx, r.Var("snapshot_id")))
}

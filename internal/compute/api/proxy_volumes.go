package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// routes are volumes and snapshots as compute showed them until 2.35.
func (a *volumes) routes() []httpx.Route {
	const p = "os_compute_api:os-volumes:"
	return []httpx.Route{
		{Method: "GET", Path: "/v2.1/os-volumes", Policy: p + "list", Handler: a.list("os-volumes:list")},
		{Method: "GET", Path: "/v2.1/os-volumes/detail", Policy: p + "detail", Handler: a.list("os-volumes:detail")},
		{Method: "POST", Path: "/v2.1/os-volumes", Policy: p + "create", Handler: a.create},
		{Method: "GET", Path: "/v2.1/os-volumes/{volume_id}", Policy: p + "show", Handler: a.show},
		{Method: "DELETE", Path: "/v2.1/os-volumes/{volume_id}", Policy: p + "delete", Handler: a.delete},
		{Method: "GET", Path: "/v2.1/os-snapshots", Policy: p + "snapshots:list", Handler: a.snapshots("os-volumes:snapshots:list")},
		{Method: "GET", Path: "/v2.1/os-snapshots/detail", Policy: p + "snapshots:detail", Handler: a.snapshots("os-volumes:snapshots:detail")},
		{Method: "POST", Path: "/v2.1/os-snapshots", Policy: p + "snapshots:create", Handler: a.createSnapshot},
		{Method: "GET", Path: "/v2.1/os-snapshots/{snapshot_id}", Policy: p + "snapshots:show", Handler: a.snapshot},
		{Method: "DELETE", Path: "/v2.1/os-snapshots/{snapshot_id}", Policy: p + "snapshots:delete", Handler: a.deleteSnapshot},
	}
}

// newest is the order of these lists.
func newest(r *httpx.Request) store.Query {
	return store.Query{Sort: []store.Sort{{Field: "created_at", Desc: true}}, Everyone: r.Query.Get("all_tenants") == "1"}
}

func (a *volumes) list(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.Proxies.Volumes(ctx, rule)
		if err != nil {
			return nil, err
		}
		list, err := p.Volumes.List(ctx, newest(r))
		if err != nil {
			return nil, err
		}
		rows, err := offsetPage(r, list.Rows)
		if err != nil {
			return nil, err
		}
		docs, err := oldVolumeDocs(ctx, p, rows)
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"volumes": docs}), nil
	}
}

// oldVolumeDocs are volumes in compute's words.
func oldVolumeDocs(ctx context.Context, p *volume.Service, rows []*volume.Volume) ([]object, error) {
	var types []string
	for _, v := range rows {
		types = append(types, v.TypeID)
	}
	names, err := p.Volumes.TypeNames(ctx, types)
	if err != nil {
		return nil, err
	}
	docs := []object{}
	for _, v := range rows {
		at := []object{}
		for _, a := range v.Attachments {
			if a.Status == "attached" {
				at = append(at, object{"id": v.ID, "volumeId": v.ID, "serverId": a.InstanceID, "device": a.Mountpoint})
			}
		}
		if len(at) == 0 {
			at = append(at, object{})
		}
		docs = append(docs, object{
			"id": v.ID, "status": v.Status, "size": v.SizeGiB, "availabilityZone": v.Zone, "createdAt": rest.Micros.OrNull(v.CreatedAt),
			"displayName": v.Name, "displayDescription": v.Description, "attachments": at, "volumeType": orNull(names[v.TypeID]),
			"snapshotId": orNull(v.SnapshotID), "metadata": textsOf(v.Metadata),
		})
	}
	return docs, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func textsOf(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func oneOldVolume(ctx context.Context, p *volume.Service, v *volume.Volume) (*httpx.Response, error) {
	docs, err := oldVolumeDocs(ctx, p, []*volume.Volume{v})
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"volume": docs[0]}), nil
}

func (a *volumes) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:show")
	if err != nil {
		return nil, err
	}
	v, err := p.Volumes.Show(ctx, r.Var("volume_id"))
	if err != nil {
		return nil, err
	}
	return oneOldVolume(ctx, p, v)
}

var oldVolumeSchema = fixed(wrapped("volume", object{"type": "object", "required": list{"size"}, "properties": object{
	"size": whole(1, 0x7fffffff), "display_name": object{"type": "string"}, "display_description": object{"type": "string"},
	"volume_type": object{"type": "string"}, "metadata": object{"type": "object"}, "snapshot_id": object{"type": "string"},
	"availability_zone": object{"type": "string"},
}}))

func (a *volumes) create(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Volume struct {
			Size        rest.Int          `json:"size"`
			Name        string            `json:"display_name"`
			Description string            `json:"display_description"`
			Type        string            `json:"volume_type"`
			Metadata    map[string]string `json:"metadata"`
			Snapshot    string            `json:"snapshot_id"`
			Zone        string            `json:"availability_zone"`
		} `json:"volume"`
	}](r, oldVolumeSchema)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:create")
	if err != nil {
		return nil, err
	}
	v, err := p.Volumes.Create(ctx, volume.NewVolume{
		SizeGiB: int(b.Volume.Size), Name: b.Volume.Name, Description: b.Volume.Description, Type: b.Volume.Type,
		Metadata: b.Volume.Metadata, SnapshotID: b.Volume.Snapshot, Zone: b.Volume.Zone,
	})
	if err != nil {
		return nil, err
	}
	return oneOldVolume(ctx, p, v)
}

func (a *volumes) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:delete")
	if err != nil {
		return nil, err
	}
	if err := p.Volumes.Delete(ctx, r.Var("volume_id"), false, false); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func oldSnapshotDoc(p *volume.Snapshot) object {
	return object{
		"id": p.ID, "volumeId": p.VolumeID, "status": p.Status, "size": p.SizeGiB, "createdAt": rest.Micros.OrNull(p.CreatedAt),
		"displayName": p.Name, "displayDescription": p.Description,
	}
}

func (a *volumes) snapshots(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.Proxies.Volumes(ctx, rule)
		if err != nil {
			return nil, err
		}
		list, err := p.Snapshots.List(ctx, newest(r))
		if err != nil {
			return nil, err
		}
		rows, err := offsetPage(r, list.Rows)
		if err != nil {
			return nil, err
		}
		docs := []object{}
		for _, one := range rows {
			docs = append(docs, oldSnapshotDoc(one))
		}
		return httpx.JSON(http.StatusOK, object{"snapshots": docs}), nil
	}
}

func (a *volumes) snapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:snapshots:show")
	if err != nil {
		return nil, err
	}
	one, err := p.Snapshots.Show(ctx, r.Var("snapshot_id"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"snapshot": oldSnapshotDoc(one)}), nil
}

var oldSnapshotSchema = fixed(wrapped("snapshot", object{"type": "object", "required": list{"volume_id"}, "properties": object{
	"volume_id": object{"type": "string"}, "display_name": object{"type": "string"}, "display_description": object{"type": "string"},
	"force": boolType,
}}))

func (a *volumes) createSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Snapshot struct {
			Volume      string    `json:"volume_id"`
			Name        string    `json:"display_name"`
			Description string    `json:"display_description"`
			Force       rest.Bool `json:"force"`
		} `json:"snapshot"`
	}](r, oldSnapshotSchema)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:snapshots:create")
	if err != nil {
		return nil, err
	}
	one, err := p.Snapshots.Create(ctx, volume.NewSnapshot{
		VolumeID: b.Snapshot.Volume, Name: b.Snapshot.Name, Description: b.Snapshot.Description, Force: bool(b.Snapshot.Force),
	})
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"snapshot": oldSnapshotDoc(one)}), nil
}

func (a *volumes) deleteSnapshot(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Volumes(ctx, "os-volumes:snapshots:delete")
	if err != nil {
		return nil, err
	}
	if err := p.Snapshots.Delete(ctx, r.Var("snapshot_id"), false); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

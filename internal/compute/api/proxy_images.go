package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
)

// imageRoutes are images as compute showed them until 2.35, their metadata until 2.38.
func (a *api) imageRoutes() []httpx.Route {
	const meta = "/v2.1/images/{image_id}/metadata"
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/images", Handler: a.listImages(false)},
		{Method: "GET", Path: "/v2.1/images/detail", Handler: a.listImages(true)},
		{Method: "GET", Path: "/v2.1/images/{image_id}", Handler: a.showImage},
		{Method: "DELETE", Path: "/v2.1/images/{image_id}", Handler: a.deleteImage},
		{Method: "GET", Path: meta, Handler: a.listImageMetadata},
		{Method: "POST", Path: meta, Handler: a.putImageMetadata(false)},
		{Method: "PUT", Path: meta, Handler: a.putImageMetadata(true)},
		{Method: "GET", Path: meta + "/{key}", Handler: a.showImageMetadata},
		{Method: "PUT", Path: meta + "/{key}", Handler: a.putImageMetadataItem},
		{Method: "DELETE", Path: meta + "/{key}", Handler: a.deleteImageMetadata},
	}
	for i := range routes {
		routes[i].Max = micro.V(2, 35)
		if strings.HasPrefix(routes[i].Path, meta) {
			routes[i].Max = micro.V(2, 38)
		}
	}
	return routes
}

// imageStatus is a status of the image service in compute's words.
var imageStatus = map[string]string{
	"active": "ACTIVE", "queued": "SAVING", "saving": "SAVING", "importing": "SAVING", "uploading": "SAVING", "deleted": "DELETED",
	"pending_delete": "DELETED", "killed": "ERROR", "deactivated": "UNKNOWN",
}

func imageLinks(r *httpx.Request, id string) []object {
	return []object{
		{"rel": "self", "href": r.Link("/v2.1/images/%s", id)},
		{"rel": "bookmark", "href": r.Link("/images/%s", id)},
		{"rel": "alternate", "type": "application/vnd.openstack.image", "href": imageURL(r, id)},
	}
}

func imageDoc(r *httpx.Request, i *compute.Image) object {
	status := imageStatus[i.Status]
	if status == "" {
		status = "UNKNOWN"
	}
	progress := 0
	switch status {
	case "ACTIVE":
		progress = 100
	case "SAVING":
		progress = 25
	}
	metadata := i.Properties
	if metadata == nil {
		metadata = map[string]string{}
	}
	doc := object{
		"id": i.ID, "name": i.Name, "minRam": i.MinRAMMiB, "minDisk": i.MinDiskGiB, "metadata": metadata, "created": i.CreatedAt,
		"updated": i.UpdatedAt, "status": status, "progress": progress, "OS-EXT-IMG-SIZE:size": i.Size, "links": imageLinks(r, i.ID),
	}
	if id := i.Properties["instance_uuid"]; id != "" {
		doc["server"] = object{"id": id, "links": []object{
			{"rel": "self", "href": r.Link("/v2.1/servers/%s", id)}, {"rel": "bookmark", "href": r.Link("/servers/%s", id)},
		}}
	}
	return doc
}

func (a *api) listImages(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.ImageProxy()
		if err != nil {
			return nil, err
		}
		f, err := imageQuery(r)
		if err != nil {
			return nil, err
		}
		images, more, err := p.ListImages(ctx, f)
		if err != nil {
			return nil, err
		}
		docs := []object{}
		for _, i := range images {
			if detail {
				docs = append(docs, imageDoc(r, i))
			} else {
				docs = append(docs, object{"id": i.ID, "name": i.Name, "links": imageLinks(r, i.ID)})
			}
		}
		out := object{"images": docs}
		if more && len(images) > 0 {
			out["images_links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": images[len(images)-1].ID})}}
		}
		return httpx.JSON(http.StatusOK, out), nil
	}
}

func imageQuery(r *httpx.Request) (compute.ImageFilter, error) {
	q := r.Query
	f := compute.ImageFilter{Name: q.Get("name"), Type: q.Get("type"), ServerID: idOf(q.Get("server")), Marker: q.Get("marker")}
	var err error
	if f.Limit, err = pageLimit(r); err != nil {
		return f, err
	}
	if status := q.Get("status"); status != "" && !slices.Contains(slices.Collect(maps.Values(imageStatus)), strings.ToUpper(status)) {
		return f, bad("Invalid status filter [%s]", status)
	}
	for theirs, ours := range imageStatus {
		if ours == strings.ToUpper(q.Get("status")) && (f.Status == "" || theirs == "active" || theirs == "saving") {
			f.Status = theirs
		}
	}
	if v := q.Get("changes-since"); v != "" {
		t, err := isotime.Parse(v)
		if err != nil {
			return f, bad("Invalid changes-since value: %s", v)
		}
		f.ChangedSince = t
	}
	for name, to := range map[string]**int{"minDisk": &f.MinDiskGiB, "minRam": &f.MinRAMMiB} {
		if v := q.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return f, bad("Invalid %s filter [%s]", name, v)
			}
			*to = &n
		}
	}
	return f, nil
}

func (a *api) image(ctx context.Context, r *httpx.Request) (compute.ImageProxy, *compute.Image, error) {
	p, err := a.svc.ImageProxy()
	if err != nil {
		return nil, nil, err
	}
	i, err := p.Image(ctx, r.Var("image_id"))
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "Image not found.")
	}
	return p, i, err
}

func (a *api) showImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.image(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"image": imageDoc(r, i)}), nil
}

func (a *api) deleteImage(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.image(ctx, r)
	if err == nil {
		err = p.DeleteImage(ctx, i.ID)
	}
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

func (a *api) listImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.image(ctx, r)
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { w.TextMap("metadata", i.Properties) })
	return w.Response(http.StatusOK), nil
}

func (a *api) showImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.image(ctx, r)
	if err != nil {
		return nil, err
	}
	v, found := i.Properties[r.Var("key")]
	if !found {
		return nil, errs.New(errs.NotFound, "Metadata item was not found")
	}
	return httpx.JSON(http.StatusOK, object{"meta": object{r.Var("key"): v}}), nil
}

func (a *api) putImageMetadata(replace bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		var b metadataBody
		if err := body(r, metadataSchema, &b); err != nil {
			return nil, err
		}
		p, i, err := a.image(ctx, r)
		if err != nil {
			return nil, err
		}
		all, remove := maps.Clone(b.Metadata), []string{}
		if replace {
			for _, k := range sorted(i.Properties) {
				if _, kept := b.Metadata[k]; !kept {
					remove = append(remove, k)
				}
			}
		} else {
			all = maps.Clone(i.Properties)
			if all == nil {
				all = map[string]string{}
			}
			maps.Copy(all, b.Metadata)
		}
		if err := p.ChangeImageProperties(ctx, i.ID, b.Metadata, remove); err != nil {
			return nil, err
		}
		w := rest.NewWriter()
		w.Object("", func() { w.TextMap("metadata", all) })
		return w.Response(http.StatusOK), nil
	}
}

func (a *api) putImageMetadataItem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Meta map[string]string `json:"meta"`
	}
	if err := body(r, metaItemSchema, &b); err != nil {
		return nil, err
	}
	if !slices.Contains(sorted(b.Meta), r.Var("key")) {
		return nil, bad("Request body and URI mismatch")
	}
	p, i, err := a.image(ctx, r)
	if err == nil {
		err = p.ChangeImageProperties(ctx, i.ID, b.Meta, nil)
	}
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"meta": b.Meta}), nil
}

func (a *api) deleteImageMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.image(ctx, r)
	if err != nil {
		return nil, err
	}
	if _, found := i.Properties[r.Var("key")]; !found {
		return nil, errs.New(errs.NotFound, "Invalid metadata key")
	}
	if err := p.ChangeImageProperties(ctx, i.ID, nil, []string{r.Var("key")}); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

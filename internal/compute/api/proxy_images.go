package api

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// routes are images as compute showed them until 2.35, their metadata until 2.38.
func (a *images) routes() []httpx.Route {
	const meta = "/v2.1/images/{image_id}/metadata"
	routes := []httpx.Route{
		{Method: "GET", Path: "/v2.1/images", Handler: a.list(false)},
		{Method: "GET", Path: "/v2.1/images/detail", Handler: a.list(true)},
		{Method: "GET", Path: "/v2.1/images/{image_id}", Handler: a.show},
		{Method: "DELETE", Path: "/v2.1/images/{image_id}", Handler: a.delete},
		{Method: "GET", Path: meta, Handler: a.listMetadata},
		{Method: "POST", Path: meta, Handler: a.putMetadata(false)},
		{Method: "PUT", Path: meta, Handler: a.putMetadata(true)},
		{Method: "GET", Path: meta + "/{key}", Handler: a.showMetadata},
		{Method: "PUT", Path: meta + "/{key}", Handler: a.putItem},
		{Method: "DELETE", Path: meta + "/{key}", Handler: a.deleteItem},
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
	status := imageStatus[string(i.Status)]
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
		"id": i.ID, "name": i.Name, "minRam": i.MinRAM, "minDisk": i.MinDisk, "metadata": metadata, "created": i.CreatedAt.Format(time.RFC3339),
		"updated": i.UpdatedAt.Format(time.RFC3339), "status": status, "progress": progress, "OS-EXT-IMG-SIZE:size": i.Bytes(), "links": imageLinks(r, i.ID),
	}
	if id := i.Properties["instance_uuid"]; id != "" {
		doc["server"] = object{"id": id, "links": []object{
			{"rel": "self", "href": r.Link("/v2.1/servers/%s", id)}, {"rel": "bookmark", "href": r.Link("/servers/%s", id)},
		}}
	}
	return doc
}

func (a *images) list(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.Proxies.Images()
		if err != nil {
			return nil, err
		}
		q, err := imageQuery(r)
		if err != nil {
			return nil, err
		}
		page, err := p.List(ctx, q)
		if err != nil {
			return nil, err
		}
		images := page.Rows
		docs := []object{}
		for _, i := range images {
			if detail {
				docs = append(docs, imageDoc(r, i))
			} else {
				docs = append(docs, object{"id": i.ID, "name": i.Name, "links": imageLinks(r, i.ID)})
			}
		}
		out := object{"images": docs}
		if len(images) > 0 && len(images) == q.Limit {
			out["images_links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": images[len(images)-1].ID})}}
		}
		return httpx.JSON(http.StatusOK, out), nil
	}
}

// imageQuery reads what a list of images is narrowed by.
func imageQuery(r *httpx.Request) (q store.Query, err error) {
	in := r.Query
	q.Marker = in.Get("marker")
	if q.Limit, err = pageLimit(r); err != nil {
		return q, err
	}
	if name := in.Get("name"); name != "" {
		q.Where = append(q.Where, store.Eq("name", name))
	}
	for name, value := range map[string]string{"image_type": in.Get("type"), "instance_uuid": idOf(in.Get("server"))} {
		if value != "" {
			q.Where = append(q.Where, image.Property(name, value))
		}
	}
	for name, field := range map[string]string{"minDisk": "min_disk", "minRam": "min_ram"} {
		if v := in.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil {
				return q, bad("Invalid %s filter [%s]", name, v)
			}
			q.Where = append(q.Where, store.Cond{Field: field, Op: store.GreaterEq, Value: n})
		}
	}
	if v := in.Get("changes-since"); v != "" {
		t, err := isotime.Parse(v)
		if err != nil {
			return q, bad("Invalid changes-since value: %s", v)
		}
		q.Where = append(q.Where, store.Cond{Field: "updated_at", Op: store.GreaterEq, Value: t})
	}
	return imageStatusFilter(q, in.Get("status"))
}

// imageStatusFilter adds a condition on the status, in compute's words.
func imageStatusFilter(q store.Query, status string) (store.Query, error) {
	if status == "" {
		return q, nil
	}
	found := ""
	for theirs, ours := range imageStatus {
		if ours == strings.ToUpper(status) && (found == "" || theirs == "active" || theirs == "saving") {
			found = theirs
		}
	}
	if found == "" {
		return q, bad("Invalid status filter [%s]", status)
	}
	return q.Filter(store.Eq("status", found)), nil
}

func (a *images) get(ctx context.Context, r *httpx.Request) (compute.ImageProxy, *compute.Image, error) {
	p, err := a.svc.Proxies.Images()
	if err != nil {
		return nil, nil, err
	}
	i, err := p.Show(ctx, r.Var("image_id"))
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "Image not found.")
	}
	return p, i, err
}

func (a *images) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.get(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"image": imageDoc(r, i)}), nil
}

func (a *images) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.get(ctx, r)
	if err == nil {
		err = p.Delete(ctx, i.ID)
	}
	if err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

func (a *images) listMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.get(ctx, r)
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { w.TextMap("metadata", i.Properties) })
	return w.Response(http.StatusOK), nil
}

func (a *images) showMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, i, err := a.get(ctx, r)
	if err != nil {
		return nil, err
	}
	v, found := i.Properties[r.Var("key")]
	if !found {
		return nil, errs.New(errs.NotFound, "Metadata item was not found")
	}
	return httpx.JSON(http.StatusOK, object{"meta": object{r.Var("key"): v}}), nil
}

func (a *images) putMetadata(replace bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[metadataBody](r, metadataSchema)
		if err != nil {
			return nil, err
		}
		p, i, err := a.get(ctx, r)
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
		if err := p.ChangeProperties(ctx, i.ID, b.Metadata, remove); err != nil {
			return nil, err
		}
		w := rest.NewWriter()
		w.Object("", func() { w.TextMap("metadata", all) })
		return w.Response(http.StatusOK), nil
	}
}

func (a *images) putItem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Meta map[string]string `json:"meta"`
	}](r, metaItemSchema)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(sorted(b.Meta), r.Var("key")) {
		return nil, bad("Request body and URI mismatch")
	}
	p, i, err := a.get(ctx, r)
	if err == nil {
		err = p.ChangeProperties(ctx, i.ID, b.Meta, nil)
	}
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"meta": b.Meta}), nil
}

func (a *images) deleteItem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, i, err := a.get(ctx, r)
	if err != nil {
		return nil, err
	}
	if _, found := i.Properties[r.Var("key")]; !found {
		return nil, errs.New(errs.NotFound, "Invalid metadata key")
	}
	if err := p.ChangeProperties(ctx, i.ID, nil, []string{r.Var("key")}); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

const (
	namespacesPath = "/v2/metadefs/namespaces"
	namespacePath  = namespacesPath + "/{namespace_name}"
)

// decodeStrict reads the body into v and refuses keys that v does not know.
// Those that a record shows but nobody sets are read-only.
func decodeStrict(r *httpx.Request, v any, more ...string) error {
	body, err := r.Object()
	if err != nil {
		return err
	}
	for _, key := range []string{"self", "schema", "created_at", "updated_at"} {
		if _, ok := body[key]; ok {
			return errs.New(errs.Forbidden, "Attribute '%s' is read-only.", key)
		}
	}
	for _, key := range more {
		delete(body, key)
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return errs.Wrap(errs.Invalid, err, "Provided object does not match the schema: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

func (a *api) metadefNamespaces() []httpx.Route {
	return []httpx.Route{
		route("GET", namespacesPath, "get_metadef_namespaces", a.listNamespaces),
		route("POST", namespacesPath, "add_metadef_namespace", a.createNamespace),
		route("GET", namespacePath, "get_metadef_namespace", a.showNamespace),
		route("PUT", namespacePath, "modify_metadef_namespace", a.updateNamespace),
		route("DELETE", namespacePath, "delete_metadef_namespace", a.deleteNamespace),
	}
}

func viewNamespace(n metadef.Namespace) object {
	v := object{
		"namespace": n.Name, "visibility": n.Visibility, "protected": n.Protected, "owner": n.Owner,
		"created_at": stamp(n.CreatedAt), "updated_at": stamp(n.UpdatedAt),
		"self": namespacesPath + "/" + n.Name, "schema": "/v2/schemas/metadefs/namespace",
	}
	if n.DisplayName != "" {
		v["display_name"] = n.DisplayName
	}
	if n.Description != "" {
		v["description"] = n.Description
	}
	return v
}

// viewDetail is a namespace with all that it holds. For a type of resource the
// properties have the names that they have there.
func viewDetail(d metadef.Detail, resourceType string) object {
	v := viewNamespace(d.Namespace)
	prefix := ""
	if len(d.Associations) > 0 {
		list := make([]object, len(d.Associations))
		for i, a := range d.Associations {
			list[i] = viewAssociation(a)
			if a.ResourceType == resourceType {
				prefix = a.Prefix
			}
		}
		v["resource_type_associations"] = list
	}
	if len(d.Properties) > 0 {
		properties := object{}
		for _, p := range d.Properties {
			properties[prefix+p.Name] = p.Body
		}
		v["properties"] = properties
	}
	if len(d.Objects) > 0 {
		list := make([]object, len(d.Objects))
		for i, o := range d.Objects {
			list[i] = viewObject(d.Name, o)
			prefixed(list[i], prefix)
		}
		v["objects"] = list
	}
	if len(d.Tags) > 0 {
		list := make([]object, len(d.Tags))
		for i, t := range d.Tags {
			list[i] = object{"name": t.Name}
		}
		v["tags"] = list
	}
	return v
}

// prefixed renames an object's properties.
func prefixed(o object, prefix string) {
	if prefix == "" {
		return
	}
	if properties, ok := o["properties"].(object); ok {
		renamed := object{}
		for name, p := range properties {
			renamed[prefix+name] = p
		}
		o["properties"] = renamed
	}
	if required, ok := o["required"].([]any); ok {
		renamed := make([]any, len(required))
		for i, name := range required {
			text, _ := name.(string)
			renamed[i] = prefix + text
		}
		o["required"] = renamed
	}
}

func (a *api) listNamespaces(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q := metadef.Query{SortKey: r.Query.Get("sort_key"), Desc: r.Query.Get("sort_dir") != "asc", Owner: r.Query.Get("owner")}
	if dir := r.Query.Get("sort_dir"); dir != "" && dir != "asc" && dir != "desc" {
		return nil, errs.New(errs.Invalid, "Invalid sort direction: %.100s", dir)
	}
	if q.Visibility = r.Query.Get("visibility"); !slices.Contains([]string{"", "public", "private"}, q.Visibility) {
		return nil, errs.New(errs.Invalid, "Invalid visibility value: %.100s", q.Visibility)
	}
	if types := r.Query.Get("resource_types"); types != "" {
		q.ResourceTypes = strings.Split(types, ",")
	}
	var err error
	if q.Limit, err = pageLimit(r, a.svc.Config().PageDefault); err != nil {
		return nil, err
	}
	q.Limit = min(q.Limit, a.svc.Config().PageMax)
	found, err := a.svc.Metadefs().List(ctx, q, r.Query.Get("marker"))
	if err != nil {
		return nil, err
	}
	list, last := make([]object, len(found)), ""
	for i, d := range found {
		list[i] = viewDetail(d, "")
	}
	if len(found) > 0 && len(found) == q.Limit {
		last = found[len(found)-1].Name
	}
	return httpx.JSON(http.StatusOK, page(r, "namespaces", namespacesPath, "/v2/schemas/metadefs/namespaces", list, last)), nil
}

func (a *api) createNamespace(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var doc metadef.Document
	if err := decodeStrict(r, &doc); err != nil {
		return nil, err
	}
	d, err := a.svc.Metadefs().Create(ctx, doc.Detail())
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, viewDetail(d, "")).With("Location", r.Link("%s/%s", namespacesPath, d.Name)), nil
}

func (a *api) showNamespace(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	d, err := a.svc.Metadefs().Show(ctx, r.Var("namespace_name"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, viewDetail(d, r.Query.Get("resource_type"))), nil
}

func (a *api) updateNamespace(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var doc metadef.Document
	if err := decodeStrict(r, &doc); err != nil {
		return nil, err
	}
	n, err := a.svc.Metadefs().Update(ctx, r.Var("namespace_name"), doc.Detail().Namespace)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, viewNamespace(n)), nil
}

func (a *api) deleteNamespace(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Metadefs().Delete(ctx, r.Var("namespace_name")))
}

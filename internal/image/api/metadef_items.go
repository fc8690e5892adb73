package api

import (
	"context"
	"maps"
	"net/http"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

func (a *api) metadefItems() []httpx.Route {
	const (
		objects    = namespacePath + "/objects"
		oneObject  = objects + "/{object_name}"
		properties = namespacePath + "/properties"
		oneProp    = properties + "/{property_name}"
		tags       = namespacePath + "/tags"
		oneTag     = tags + "/{tag_name}"
		types      = namespacePath + "/resource_types"
	)
	return []httpx.Route{
		route("GET", objects, "get_metadef_objects", a.listObjects),
		route("POST", objects, "add_metadef_object", a.createObject),
		route("DELETE", objects, "delete_metadef_namespace", a.deleteItems(metadef.Object)),
		route("GET", oneObject, "get_metadef_object", a.showItem(metadef.Object, "object_name")),
		route("PUT", oneObject, "modify_metadef_object", a.updateObject),
		route("DELETE", oneObject, "delete_metadef_object", a.deleteItem(metadef.Object, "object_name")),

		route("GET", properties, "get_metadef_properties", a.listProperties),
		route("POST", properties, "add_metadef_property", a.createProperty),
		route("DELETE", properties, "delete_metadef_namespace", a.deleteItems(metadef.Property)),
		route("GET", oneProp, "get_metadef_property", a.showProperty),
		route("PUT", oneProp, "modify_metadef_property", a.updateProperty),
		route("DELETE", oneProp, "remove_metadef_property", a.deleteItem(metadef.Property, "property_name")),

		route("GET", tags, "get_metadef_tags", a.listTags),
		route("POST", tags, "add_metadef_tags", a.createTags),
		route("DELETE", tags, "delete_metadef_tags", a.deleteItems(metadef.Tag)),
		route("GET", oneTag, "get_metadef_tag", a.showItem(metadef.Tag, "tag_name")),
		route("POST", oneTag, "add_metadef_tag", a.createTag),
		route("PUT", oneTag, "modify_metadef_tag", a.updateTag),
		route("DELETE", oneTag, "delete_metadef_tag", a.deleteItem(metadef.Tag, "tag_name")),

		route("GET", "/v2/metadefs/resource_types", "list_metadef_resource_types", a.listResourceTypes),
		route("GET", types, "get_metadef_resource_type", a.listAssociations),
		route("POST", types, "add_metadef_resource_type_association", a.createAssociation),
		route("DELETE", types+"/{resource_type}", "remove_metadef_resource_type_association", a.deleteAssociation),
	}
}

func viewObject(namespace string, it metadef.Item) object {
	v := object{"required": []any{}, "properties": object{}}
	maps.Copy(v, it.Body)
	v["name"] = it.Name
	v["created_at"], v["updated_at"] = stamp(it.CreatedAt), stamp(it.UpdatedAt)
	v["self"] = namespacesPath + "/" + namespace + "/objects/" + it.Name
	v["schema"] = "/v2/schemas/metadefs/object"
	return v
}

// viewTag has no links: the glance client refuses what a tag's schema does not name.
func viewTag(it metadef.Item) object {
	return object{"name": it.Name, "created_at": stamp(it.CreatedAt), "updated_at": stamp(it.UpdatedAt)}
}

func viewItem(namespace string, it metadef.Item) object {
	if it.Kind == metadef.Tag {
		return viewTag(it)
	}
	return viewObject(namespace, it)
}

func viewAssociation(as metadef.Association) object {
	v := object{"name": as.ResourceType, "created_at": stamp(as.CreatedAt), "updated_at": stamp(as.UpdatedAt)}
	if as.Prefix != "" {
		v["prefix"] = as.Prefix
	}
	if as.PropertiesTarget != "" {
		v["properties_target"] = as.PropertiesTarget
	}
	return v
}

// pageOf cuts a page out of a namespace's items, which are few and in order.
func (a *api) pageOf(r *httpx.Request, items []metadef.Item) (part []metadef.Item, last string, err error) {
	limit, err := pageLimit(r, a.svc.Config().PageMax)
	if err != nil {
		return nil, "", err
	}
	limit = min(limit, a.svc.Config().PageMax)
	if marker := r.Query.Get("marker"); marker != "" {
		for i, it := range items {
			if it.Name == marker {
				items = items[i+1:]
				marker = ""
				break
			}
		}
		if marker != "" {
			return nil, "", errs.New(errs.NotFound, "The marker %.100s is not there.", marker)
		}
	}
	if len(items) > limit {
		items = items[:limit]
		if limit > 0 {
			last = items[limit-1].Name
		}
	}
	return items, last, nil
}

func (a *api) list(ctx context.Context, r *httpx.Request, kind, key string) (*httpx.Response, error) {
	namespace := r.Var("namespace_name")
	items, err := a.svc.Metadefs().Items(ctx, namespace, kind)
	if err != nil {
		return nil, err
	}
	items, last, err := a.pageOf(r, items)
	if err != nil {
		return nil, err
	}
	list := make([]object, len(items))
	for i, it := range items {
		list[i] = viewItem(namespace, it)
	}
	return httpx.JSON(http.StatusOK, page(r, key, namespacesPath+"/"+namespace+"/"+key, "/v2/schemas/metadefs/"+key, list, last)), nil
}

func (a *api) listObjects(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return a.list(ctx, r, metadef.Object, "objects")
}

func (a *api) listTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return a.list(ctx, r, metadef.Tag, "tags")
}

func (a *api) showItem(kind, variable string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		it, err := a.svc.Metadefs().Item(ctx, r.Var("namespace_name"), kind, r.Var(variable))
		return answerItem(r, http.StatusOK, it, err)
	}
}

func answerItem(r *httpx.Request, status int, it metadef.Item, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.JSON(status, viewItem(r.Var("namespace_name"), it)), nil
}

func (a *api) deleteItem(kind, variable string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		return done(a.svc.Metadefs().DeleteItem(ctx, r.Var("namespace_name"), kind, r.Var(variable)))
	}
}

func (a *api) deleteItems(kind string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		return done(a.svc.Metadefs().DeleteItems(ctx, r.Var("namespace_name"), kind))
	}
}

func (a *api) createObject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var doc metadef.ObjectDocument
	if err := decodeStrict(r, &doc); err != nil {
		return nil, err
	}
	it, err := a.svc.Metadefs().AddItem(ctx, r.Var("namespace_name"), doc.Item())
	return answerItem(r, http.StatusCreated, it, err)
}

func (a *api) updateObject(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var doc metadef.ObjectDocument
	if err := decodeStrict(r, &doc); err != nil {
		return nil, err
	}
	it, err := a.svc.Metadefs().UpdateItem(ctx, r.Var("namespace_name"), r.Var("object_name"), doc.Item())
	return answerItem(r, http.StatusOK, it, err)
}

// propertyOf reads a property from the body: its name stands beside its schema.
func propertyOf(r *httpx.Request) (metadef.Item, error) {
	it := metadef.Item{Kind: metadef.Property}
	var body map[string]any
	if err := decodeStrict(r, &body); err != nil {
		return it, err
	}
	it.Name, _ = body["name"].(string)
	delete(body, "name")
	it.Body = body
	return it, nil
}

func answerProperty(status int, it metadef.Item, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	v := maps.Clone(it.Body)
	v["name"] = it.Name
	return httpx.JSON(status, v), nil
}

func (a *api) listProperties(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	items, err := a.svc.Metadefs().Items(ctx, r.Var("namespace_name"), metadef.Property)
	if err != nil {
		return nil, err
	}
	properties := object{}
	for _, it := range items {
		properties[it.Name] = it.Body
	}
	return httpx.JSON(http.StatusOK, object{"properties": properties}), nil
}

// showProperty finds a property, by the name that a type of resource gives it
// if the query names one.
func (a *api) showProperty(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	name := r.Var("property_name")
	if kind := r.Query.Get("resource_type"); kind != "" {
		var err error
		if name, err = a.svc.Metadefs().Unprefixed(ctx, r.Var("namespace_name"), kind, name); err != nil {
			return nil, err
		}
	}
	it, err := a.svc.Metadefs().Item(ctx, r.Var("namespace_name"), metadef.Property, name)
	it.Name = r.Var("property_name")
	return answerProperty(http.StatusOK, it, err)
}

func (a *api) createProperty(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	it, err := propertyOf(r)
	if err != nil {
		return nil, err
	}
	it, err = a.svc.Metadefs().AddItem(ctx, r.Var("namespace_name"), it)
	return answerProperty(http.StatusCreated, it, err)
}

func (a *api) updateProperty(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	it, err := propertyOf(r)
	if err != nil {
		return nil, err
	}
	it, err = a.svc.Metadefs().UpdateItem(ctx, r.Var("namespace_name"), r.Var("property_name"), it)
	return answerProperty(http.StatusOK, it, err)
}

func (a *api) createTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	it := metadef.Item{Kind: metadef.Tag, Name: r.Var("tag_name"), Body: object{}}
	it, err := a.svc.Metadefs().AddItem(ctx, r.Var("namespace_name"), it)
	return answerItem(r, http.StatusCreated, it, err)
}

func (a *api) updateTag(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var body struct {
		Name string `json:"name"`
	}
	if err := decodeStrict(r, &body); err != nil {
		return nil, err
	}
	it := metadef.Item{Kind: metadef.Tag, Name: body.Name, Body: object{}}
	it, err := a.svc.Metadefs().UpdateItem(ctx, r.Var("namespace_name"), r.Var("tag_name"), it)
	return answerItem(r, http.StatusOK, it, err)
}

func (a *api) createTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var body struct {
		Tags []struct {
			Name string `json:"name"`
		} `json:"tags"`
	}
	if err := decodeStrict(r, &body); err != nil {
		return nil, err
	}
	names := make([]string, len(body.Tags))
	for i, t := range body.Tags {
		names[i] = t.Name
	}
	keep, _ := httpx.ParseBool(r.HTTP.Header.Get("X-Openstack-Append"))
	items, err := a.svc.Metadefs().AddTags(ctx, r.Var("namespace_name"), names, keep)
	if err != nil {
		return nil, err
	}
	list := make([]object, len(items))
	for i, it := range items {
		list[i] = object{"name": it.Name}
	}
	return httpx.JSON(http.StatusCreated, object{"tags": list}), nil
}

func (a *api) listResourceTypes(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	types, err := a.svc.Metadefs().ResourceTypes(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]object, len(types))
	for i, t := range types {
		list[i] = object{"name": t.Name, "created_at": stamp(t.CreatedAt), "updated_at": stamp(t.UpdatedAt)}
	}
	return httpx.JSON(http.StatusOK, object{"resource_types": list}), nil
}

func (a *api) listAssociations(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	found, err := a.svc.Metadefs().Associations(ctx, r.Var("namespace_name"))
	if err != nil {
		return nil, err
	}
	list := make([]object, len(found))
	for i, as := range found {
		list[i] = viewAssociation(as)
	}
	return httpx.JSON(http.StatusOK, object{"resource_type_associations": list}), nil
}

func (a *api) createAssociation(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var doc metadef.AssociationDocument
	if err := decodeStrict(r, &doc); err != nil {
		return nil, err
	}
	as, err := a.svc.Metadefs().Associate(ctx, r.Var("namespace_name"),
		metadef.Association{ResourceType: doc.Name, Prefix: doc.Prefix, PropertiesTarget: doc.PropertiesTarget})
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusCreated, viewAssociation(as)), nil
}

func (a *api) deleteAssociation(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return done(a.svc.Metadefs().Dissociate(ctx, r.Var("namespace_name"), r.Var("resource_type")))
}

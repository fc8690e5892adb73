package api

import (
	"context"
	"net/http"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

type items = rest.Resource[metadef.Item, metadef.Item, metadef.Item]

// itemsOf are the routes that a kind of items has in common with the others.
func (a *api) itemsOf(kind, many, verbs string, read func(*httpx.Request) (metadef.Item, error)) *items {
	list := a.list("/v2/schemas/metadefs/"+many, nil)
	list.Sorting, list.Sort, list.Page = rest.SortNever, nil, list.Most
	list.NoMarker = func(marker string) error {
		return errs.New(errs.NotFound, "The marker %.100s is not there.", marker)
	}
	return &items{
		Path: namespacePath + "/" + many, Item: kind + "_name", Many: many, Query: list, Verbs: verbs,
		Rule: func(verb string) string { return metadefRules(kind, verb) },
		Bind: func(c *items, r *httpx.Request) {
			of := a.svc.Metadefs.Items.Of(r.Var("namespace_name"), kind)
			c.List, c.Show, c.Create, c.Update, c.Delete = of.List, of.Show, of.Create, of.Update, of.Delete
		},
		ReadNew: read, ReadPatch: read, View: viewItems(kind), UpdateMethod: http.MethodPut,
		ID: func(it *metadef.Item) string { return it.Name },
	}
}

func (a *api) metadefItems() []httpx.Route {
	objects := a.itemsOf(metadef.Object, "objects", "list show create update delete", readObject)
	properties := a.itemsOf(metadef.Property, "properties", "create update delete", readProperty)
	tags := a.itemsOf(metadef.Tag, "tags", "list show update delete", readTag)
	out := append(append(objects.Routes(), properties.Routes()...), tags.Routes()...)
	return append(out,
		route("DELETE", objects.Path, "delete_metadef_namespace", a.deleteItems(metadef.Object)),
		route("GET", properties.Path, "get_metadef_properties", a.listProperties),
		route("DELETE", properties.Path, "delete_metadef_namespace", a.deleteItems(metadef.Property)),
		route("GET", properties.Path+"/{property_name}", "get_metadef_property", a.showProperty),
		route("POST", tags.Path, "add_metadef_tags", a.createTags),
		route("DELETE", tags.Path, "delete_metadef_tags", a.deleteItems(metadef.Tag)),
		route("POST", tags.Path+"/{tag_name}", "add_metadef_tag", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			of := a.svc.Metadefs.Items.Of(r.Var("namespace_name"), metadef.Tag)
			it, err := of.Create(ctx, metadef.Item{Name: r.Var("tag_name"), Body: object{}})
			return tags.Answer(ctx, r, http.StatusCreated, it, err)
		}),
	)
}

func readObject(r *httpx.Request) (metadef.Item, error) {
	doc, err := strict[metadef.ObjectDocument](r)
	return doc.Item(), err
}

// readProperty reads a property: its name stands beside its schema.
func readProperty(r *httpx.Request) (metadef.Item, error) {
	body, err := strict[map[string]any](r)
	name, _ := body["name"].(string)
	delete(body, "name")
	return metadef.Item{Name: name, Body: body}, err
}

func readTag(r *httpx.Request) (metadef.Item, error) {
	body, err := strict[struct {
		Name string `json:"name"`
	}](r)
	return metadef.Item{Name: body.Name, Body: object{}}, err
}

func (a *api) deleteItems(kind string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		return done(a.svc.Metadefs.Items.Of(r.Var("namespace_name"), kind).DeleteAll(ctx))
	}
}

func (a *api) listProperties(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	page, err := a.svc.Metadefs.Items.Of(r.Var("namespace_name"), metadef.Property).List(ctx, store.Query{})
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("properties", func() {
				for _, it := range page.Rows {
					w.Any(it.Name, it.Body)
				}
			})
		})
	}), nil
}

// showProperty finds a property, by the name that a type of resource gives it
// if the query names one.
func (a *api) showProperty(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	namespace, name := r.Var("namespace_name"), r.Var("property_name")
	if kind := r.Query.Get("resource_type"); kind != "" {
		var err error
		if name, err = a.svc.Metadefs.Associations.Of(namespace).Unprefixed(ctx, kind, name); err != nil {
			return nil, err
		}
	}
	it, err := a.svc.Metadefs.Items.Of(namespace, metadef.Property).Show(ctx, name)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() { viewProperty(w, r.Var("property_name"), it) })
	}), nil
}

func (a *api) createTags(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	body, err := strict[struct {
		Tags []struct {
			Name string `json:"name"`
		} `json:"tags"`
	}](r)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(body.Tags))
	for i, t := range body.Tags {
		names[i] = t.Name
	}
	keep, _ := httpx.ParseBool(r.HTTP.Header.Get("X-Openstack-Append"))
	made, err := a.svc.Metadefs.Items.CreateTags(ctx, r.Var("namespace_name"), names, keep)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusCreated, func(w *rest.Writer) {
		w.Object("", func() {
			rows(w, "tags", made, func(w *rest.Writer, it *metadef.Item) { w.Text("name", it.Name) })
		})
	}), nil
}

package api

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// viewNamespace is a namespace with all that it holds. For a type of resource
// the properties have the names that they have there.
func viewNamespace(w *rest.Writer, n *metadef.Namespace, resourceType string) {
	w.Text("namespace", n.Name)
	w.Text("visibility", n.Visibility)
	w.Bool("protected", n.Protected)
	w.Text("owner", n.Owner)
	w.Time("created_at", n.CreatedAt, rest.Seconds)
	w.Time("updated_at", n.UpdatedAt, rest.Seconds)
	w.Text("self", namespacesPath+"/"+n.Name)
	w.Text("schema", "/v2/schemas/metadefs/namespace")
	filledText(w, "display_name", n.DisplayName)
	filledText(w, "description", n.Description)
	prefix := ""
	for _, a := range n.Associations {
		if a.ResourceType == resourceType {
			prefix = a.Prefix
		}
	}
	filledList(w, "resource_type_associations", n.Associations, viewAssociation)
	if len(n.Properties) > 0 {
		w.Object("properties", func() {
			for _, p := range n.Properties {
				w.Any(prefix+p.Name, p.Body)
			}
		})
	}
	filledList(w, "objects", n.Objects, func(w *rest.Writer, it *metadef.Item) { viewObject(w, n.Name, prefix, it) })
	filledList(w, "tags", n.Tags, func(w *rest.Writer, it *metadef.Item) { w.Text("name", it.Name) })
}

func filledText(w *rest.Writer, key, v string) {
	if v != "" {
		w.Text(key, v)
	}
}

func filledList[T any](w *rest.Writer, key string, list []*T, view func(*rest.Writer, *T)) {
	if len(list) > 0 {
		rows(w, key, list, view)
	}
}

func rows[T any](w *rest.Writer, key string, list []*T, view func(*rest.Writer, *T)) {
	w.List(key, func() {
		for _, v := range list {
			w.Object("", func() { view(w, v) })
		}
	})
}

func viewAssociation(w *rest.Writer, as *metadef.Association) {
	w.Text("name", as.ResourceType)
	w.Time("created_at", as.CreatedAt, rest.Seconds)
	w.Time("updated_at", as.UpdatedAt, rest.Seconds)
	filledText(w, "prefix", as.Prefix)
	filledText(w, "properties_target", as.PropertiesTarget)
}

// viewObject shows an object, its properties' names behind a prefix.
func viewObject(w *rest.Writer, namespace, prefix string, it *metadef.Item) {
	for _, key := range slices.Sorted(maps.Keys(it.Body)) {
		if key != "required" && key != "properties" {
			w.Any(key, it.Body[key])
		}
	}
	w.List("required", func() {
		for _, name := range it.Required() {
			w.Text("", prefix+name)
		}
	})
	w.Object("properties", func() {
		properties, _ := it.Body["properties"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			w.Any(prefix+name, properties[name])
		}
	})
	w.Text("name", it.Name)
	w.Time("created_at", it.CreatedAt, rest.Seconds)
	w.Time("updated_at", it.UpdatedAt, rest.Seconds)
	w.Text("self", namespacesPath+"/"+namespace+"/objects/"+it.Name)
	w.Text("schema", "/v2/schemas/metadefs/object")
}

// viewTag has no links: the glance client refuses what a tag's schema does not name.
func viewTag(w *rest.Writer, it *metadef.Item) {
	w.Text("name", it.Name)
	w.Time("created_at", it.CreatedAt, rest.Seconds)
	w.Time("updated_at", it.UpdatedAt, rest.Seconds)
}

// viewProperty is a property's schema, with its name beside. One that a type of
// resource asked for has the name that it has there.
func viewProperty(w *rest.Writer, name string, it *metadef.Item) {
	for _, key := range slices.Sorted(maps.Keys(it.Body)) {
		if key != "name" {
			w.Any(key, it.Body[key])
		}
	}
	w.Text("name", name)
}

// viewItems returns what writes items of a kind.
func viewItems(kind string) func(context.Context, *httpx.Request, []*metadef.Item) (func(*rest.Writer, *metadef.Item), error) {
	return func(_ context.Context, r *httpx.Request, _ []*metadef.Item) (func(*rest.Writer, *metadef.Item), error) {
		switch kind {
		case metadef.Object:
			return func(w *rest.Writer, it *metadef.Item) { viewObject(w, r.Var("namespace_name"), "", it) }, nil
		case metadef.Property:
			return func(w *rest.Writer, it *metadef.Item) { viewProperty(w, it.Name, it) }, nil
		}
		return viewTag, nil
	}
}

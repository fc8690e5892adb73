package api

import (
	"context"

	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// whole is a list that is short and answered whole, without links.
var whole = &rest.List{Dialect: &rest.Dialect{Sorting: rest.SortNever}, Paged: func(*httpx.Request) bool { return false }}

type (
	associations = rest.Resource[metadef.Association, metadef.Association, struct{}]
	kinds        = rest.Resource[metadef.ResourceType, struct{}, struct{}]
)

func (a *api) metadefTypes() []httpx.Route {
	types := &kinds{
		Path: "/v2/metadefs/resource_types", Many: "resource_types", Query: whole,
		Rule: func(string) string { return "list_metadef_resource_types" },
		List: a.svc.Metadefs.ResourceTypes.List,
		View: func(context.Context, *httpx.Request, []*metadef.ResourceType) (func(*rest.Writer, *metadef.ResourceType), error) {
			return viewType, nil
		},
	}
	rules := map[string]string{"list": "get_metadef_resource_type", "create": "add_metadef_resource_type_association", "delete": "remove_metadef_resource_type_association"}
	of := &associations{
		Path: namespacePath + "/resource_types", Item: "resource_type", Many: "resource_type_associations", Query: whole,
		Rule: func(verb string) string { return rules[verb] }, Verbs: "list create delete",
		Bind: func(c *associations, r *httpx.Request) {
			of := a.svc.Metadefs.Associations.Of(r.Var("namespace_name"))
			c.List, c.Create, c.Delete = of.List, of.Create, of.Delete
		},
		ReadNew: readAssociation,
		View: func(context.Context, *httpx.Request, []*metadef.Association) (func(*rest.Writer, *metadef.Association), error) {
			return viewAssociation, nil
		},
	}
	return append(types.Routes(), of.Routes()...)
}

func readAssociation(r *httpx.Request) (metadef.Association, error) {
	doc, err := strict[metadef.AssociationDocument](r)
	return metadef.Association{ResourceType: doc.Name, Prefix: doc.Prefix, PropertiesTarget: doc.PropertiesTarget}, err
}

func viewType(w *rest.Writer, t *metadef.ResourceType) {
	w.Text("name", t.Name)
	w.Time("created_at", t.CreatedAt, rest.Seconds)
	w.Time("updated_at", t.UpdatedAt, rest.Seconds)
}

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
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

const (
	namespacesPath = "/v2/metadefs/namespaces"
	namespacePath  = namespacesPath + "/{namespace_name}"
)

// strict reads the body into a T and refuses keys that it does not know. Those
// that a record shows but nobody sets are read-only.
func strict[T any](r *httpx.Request) (v T, err error) {
	body, err := r.Object()
	if err != nil {
		return v, err
	}
	for _, key := range []string{"self", "schema", "created_at", "updated_at"} {
		if _, ok := body[key]; ok {
			return v, errs.New(errs.Forbidden, "Attribute '%s' is read-only.", key)
		}
	}
	text, err := json.Marshal(body)
	if err != nil {
		return v, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, errs.Wrap(errs.Invalid, err, "Provided object does not match the schema: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return v, nil
}

func readNamespace(r *httpx.Request) (metadef.Namespace, error) {
	doc, err := strict[metadef.Document](r)
	return doc.Whole(), err
}

func (a *api) metadefNamespaces() []httpx.Route {
	list := a.list("/v2/schemas/metadefs/namespaces", []string{"created_at", "updated_at"},
		rest.Field{Name: "namespace", At: "name", NoFilter: true}, filled("owner"),
		rest.Field{Name: "visibility", NoSort: true, Filter: visibilityOfNamespaces},
		rest.Field{Name: "resource_types", NoSort: true, Filter: resourceTypes})
	list.Sorting = rest.SortPairs
	list.BadSort = func(key string) error {
		return errs.New(errs.Invalid, "Invalid sort key: %.100s. It must be one of the following: created_at, updated_at, namespace.", key)
	}
	ns := a.svc.Metadefs.Namespaces
	c := &rest.Resource[metadef.Namespace, metadef.Namespace, metadef.Namespace]{
		Path: namespacesPath, Item: "namespace_name", Many: "namespaces", Query: list,
		Rule: func(verb string) string { return metadefRules("namespace", verb) },
		List: ns.List, Show: ns.Show, Update: ns.Update, Delete: ns.Delete,
		ReadNew: readNamespace, ReadPatch: readNamespace, UpdateMethod: http.MethodPut,
		View: func(_ context.Context, r *httpx.Request, _ []*metadef.Namespace) (func(*rest.Writer, *metadef.Namespace), error) {
			kind := ""
			if r.HTTP.Method == http.MethodGet && r.Var("namespace_name") != "" {
				kind = r.Query.Get("resource_type")
			}
			return func(w *rest.Writer, n *metadef.Namespace) { viewNamespace(w, n, kind) }, nil
		},
		ID: func(n *metadef.Namespace) string { return n.Name },
	}
	return append(c.Routes(),
		route("POST", namespacesPath, "add_metadef_namespace", func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
			with, err := readNamespace(r)
			if err != nil {
				return nil, err
			}
			n, err := ns.Create(ctx, with)
			resp, err := c.Answer(ctx, r, http.StatusCreated, n, err)
			if err != nil {
				return nil, err
			}
			return resp.With("Location", r.Link("%s/%s", namespacesPath, n.Name)), nil
		}),
	)
}

// metadefRules are the rules of a kind of definition.
func metadefRules(kind, verb string) string {
	switch {
	case verb == "list" && kind == "property":
		return "get_metadef_properties"
	case verb == "list":
		return "get_metadef_" + kind + "s"
	case verb == "delete" && kind == "property":
		return "remove_metadef_property"
	}
	return map[string]string{"show": "get", "create": "add", "update": "modify", "delete": "delete"}[verb] + "_metadef_" + kind
}

func visibilityOfNamespaces(values []string) ([]store.Cond, error) {
	switch v := values[0]; {
	case v == "":
		return nil, nil
	case slices.Contains([]string{"public", "private"}, v):
		return []store.Cond{store.Eq("visibility", v)}, nil
	default:
		return nil, errs.New(errs.Invalid, "Invalid visibility value: %.100s", v)
	}
}

func resourceTypes(values []string) ([]store.Cond, error) {
	if values[0] == "" {
		return nil, nil
	}
	return []store.Cond{{Field: "resource_type", Op: store.HasAny, Value: strings.Split(values[0], ",")}}, nil
}

package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/voltype"
)

// typeRoutes are /types and what lies below.
func (a *api) typeRoutes() []httpx.Route {
	types := a.svc.Types
	c := rest.Resource[voltype.Type, voltype.NewType, voltype.Patch]{
		Path: "/v3/types", Item: "volume_type_id", One: "volume_type", Many: "volume_types", Query: typeList,
		Rule: func(verb string) string { return "volume_extension:type_" + getAll(verb) },
		Show: types.Show, Create: types.Create, Update: types.Update, Delete: types.Delete,
		ReadNew: newType, ReadPatch: typePatch, View: a.viewType, ID: func(t *voltype.Type) string { return t.ID },
		UpdateMethod: http.MethodPut, Created: answers(http.StatusOK), Deleted: answers(http.StatusAccepted),
	}
	base := c.Path + "/{volume_type_id}"
	const specs, crypt = "volume_extension:types_extra_specs:", "volume_extension:volume_type_encryption:"
	return slices.Concat(c.Routes(), []httpx.Route{
		route("GET", c.Path, c.Rule("list"), lists(&c, types.List)),
		route("GET", c.Path+"/default", "volume_extension:type_get", a.defaultType),
		route("GET", base+"/extra_specs", specs+"index", a.listTypeSpecs),
		route("POST", base+"/extra_specs", specs+"create", a.setTypeSpecs),
		route("GET", base+"/extra_specs/{key}", specs+"show", a.showTypeSpec),
		route("PUT", base+"/extra_specs/{key}", specs+"update", a.updateTypeSpec),
		route("DELETE", base+"/extra_specs/{key}", specs+"delete", a.deleteTypeSpec),
		route("GET", base+"/os-volume-type-access", "volume_extension:volume_type_access:get_all_for_type", a.listTypeAccess),
		action(base, "addProjectAccess", "volume_extension:volume_type_access:addProjectAccess", a.addTypeAccess),
		action(base, "removeProjectAccess", "volume_extension:volume_type_access:removeProjectAccess", a.removeTypeAccess),
		route("GET", base+"/encryption", crypt+"get", a.showTypeEncryption),
		route("POST", base+"/encryption", crypt+"create", a.createTypeEncryption),
		route("GET", base+"/encryption/{key}", crypt+"get", a.showTypeEncryptionValue),
		route("PUT", base+"/encryption/{encryption_id}", crypt+"update", a.updateTypeEncryption),
		route("DELETE", base+"/encryption/{encryption_id}", crypt+"delete", a.deleteTypeEncryption),
	}, a.defaultTypeRoutes())
}

// typeList is what lists of types can be asked.
var typeList = &rest.List{
	Dialect: under("volume_type", "Volume type", unknownSince(52)), Also: everywhere, Sort: newestFirst, Everyone: "is_public",
	Fields: []rest.Field{
		{Name: "is_public", Filter: isPublic},
		{Name: "extra_specs", NoSort: true, Since: 52, Filter: hasSpecs},
		{Name: "id"},
		{Name: "name"},
		{Name: "description"},
		{Name: "created_at", NoFilter: true},
		{Name: "updated_at", NoFilter: true},
	},
}

// isPublic reads what an administrator may ask of public and private types.
func isPublic(values []string) ([]store.Cond, error) {
	if strings.EqualFold(values[0], "none") {
		return nil, nil
	}
	public, known := httpx.ParseBool(values[0])
	if !known {
		return nil, bad("Invalid is_public filter [%s]", values[0])
	}
	return []store.Cond{store.Eq("is_public", public)}, nil
}

// hasSpecs reads a filter that clients write as a dictionary of Python's. The
// zones of a type are a list, of which one is looked for.
func hasSpecs(values []string) ([]store.Cond, error) {
	specs, err := dictionary(values[0])
	if err != nil {
		return nil, bad("Invalid extra_specs filter [%s]: write it as {'key': 'value'}", values[0])
	}
	var out []store.Cond
	for k, v := range specs {
		name := "spec"
		if k == voltype.SpecZones {
			name = "spec_part"
		}
		out = append(out, store.Is(name, []any{k, v}))
	}
	return out, nil
}

// viewType shows of a type what the actor may see.
func (a *api) viewType(ctx context.Context, r *httpx.Request, _ []*voltype.Type) (func(*rest.Writer, *voltype.Type), error) {
	shown := a.svc.Types.Shown(ctx)
	// Who has just made or changed a type is shown less of it.
	qos, access := shown.QoS && r.HTTP.Method == http.MethodGet, shown.Access && r.HTTP.Method != http.MethodPut
	return func(w *rest.Writer, t *voltype.Type) {
		w.Text("id", t.ID)
		w.Text("name", t.Name)
		w.Bool("is_public", t.Public)
		w.TextPointer("description", t.Description)
		switch {
		case shown.Specs && shown.AllSpecs:
			w.TextMap("extra_specs", t.ExtraSpecs)
		case shown.Specs:
			w.TextMap("extra_specs", t.Visible())
		}
		if qos {
			w.TextPointer("qos_specs_id", t.QoSSpecsID)
		}
		if access {
			w.Bool("os-volume-type-access:is_public", t.Public)
		}
	}, nil
}

var newTypeSchema = fixed(wrapped("volume_type", closed(list{"name"}, object{
	"name": nameType, "description": descText, "extra_specs": specsType, "os-volume-type-access:is_public": boolType,
})))

func newType(r *httpx.Request) (n voltype.NewType, err error) {
	b, err := rest.Body[struct {
		Type struct {
			Name        string
			Description *string
			Specs       map[string]string          `json:"extra_specs"`
			Public      change.Optional[rest.Bool] `json:"os-volume-type-access:is_public"`
		} `json:"volume_type"`
	}](r, newTypeSchema)
	t := b.Type
	return voltype.NewType{Name: t.Name, Description: t.Description, Public: bool(t.Public.Or(true)), ExtraSpecs: t.Specs}, err
}

var typePatchSchema = fixed(wrapped("volume_type", closed(nil, object{
	"name": object{"type": list{"string", "null"}, "minLength": 1, "maxLength": 255}, "description": descText, "is_public": boolType,
})))

func typePatch(r *httpx.Request) (p voltype.Patch, err error) {
	b, err := rest.Body[struct {
		Type struct {
			Name, Description change.Optional[string]
			Public            change.Optional[rest.Bool] `json:"is_public"`
		} `json:"volume_type"`
	}](r, typePatchSchema)
	if err != nil {
		return p, err
	}
	t := b.Type
	p = voltype.Patch{Name: t.Name, Description: t.Description, Public: truthOf(t.Public)}
	switch {
	case strings.TrimSpace(t.Name.Or("-")) == "":
		return p, bad("Volume type name can not be empty.")
	case !said(t.Name) && !said(t.Description) && !t.Public.Set:
		return p, bad("Specify volume type name, description, is_public or a combination thereof.")
	}
	return p, nil
}

func (a *api) defaultType(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := a.svc.Types.Show(ctx, "default")
	return a.oneType(ctx, r, t, err)
}

func (a *api) oneType(ctx context.Context, r *httpx.Request, t *voltype.Type, err error) (*httpx.Response, error) {
	c := rest.Resource[voltype.Type, struct{}, struct{}]{One: "volume_type", View: a.viewType}
	return c.Answer(ctx, r, http.StatusOK, t, err)
}

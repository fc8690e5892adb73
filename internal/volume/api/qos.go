package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume/qos"
)

// qosRoutes are /qos-specs.
func (a *api) qosRoutes() []httpx.Route {
	const p = "volume_extension:qos_specs_manage:"
	specs := a.svc.QoS
	c := rest.Resource[qos.Spec, qos.NewSpec, struct{}]{
		Path: "/v3/qos-specs", Many: "qos_specs", Query: qosList,
		View: viewQoS, ID: func(s *qos.Spec) string { return s.ID },
	}
	item := c.Path + "/{qos_id}"
	return []httpx.Route{
		route("GET", c.Path, p+"get_all", lists(&c, specs.List)),
		route("POST", c.Path, p+"create", a.createQoS),
		route("GET", item, p+"get", a.showQoS),
		route("PUT", item, p+"update", a.updateQoS),
		route("DELETE", item, p+"delete", a.deleteQoS),
		route("PUT", item+"/delete_keys", p+"delete", a.deleteQoSKeys),
		route("GET", item+"/associations", p+"get_all", a.listQoSTypes),
		route("GET", item+"/associate", p+"update", a.associateQoS(specs.Associate)),
		route("GET", item+"/disassociate", p+"update", a.associateQoS(specs.Disassociate)),
		route("GET", item+"/disassociate_all", p+"update", a.disassociateQoS),
	}
}

var qosList = &rest.List{
	Dialect: under("qos_specs", "QoS spec", nil), Also: everywhere, Sort: newestFirst,
	Fields: []rest.Field{{Name: "id"}, {Name: "name"}, {Name: "consumer"}, {Name: "created_at", NoFilter: true}, {Name: "updated_at", NoFilter: true}},
}

func viewQoS(context.Context, *httpx.Request, []*qos.Spec) (func(*rest.Writer, *qos.Spec), error) {
	return func(w *rest.Writer, s *qos.Spec) {
		w.Text("id", s.ID)
		w.Text("name", s.Name)
		w.Text("consumer", s.Consumer)
		w.TextMap("specs", s.Specs)
	}, nil
}

func oneQoS(ctx context.Context, r *httpx.Request, s *qos.Spec, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	row, err := viewQoS(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.Object("qos_specs", func() { row(w, s) })
			w.Any("links", selfLinks(r, "qos-specs", s.ID))
		})
	}), nil
}

var newQoS = fixed(wrapped("qos_specs", object{
	"type": "object", "required": list{"name"}, "properties": object{"name": object{"type": "string", "minLength": 1}},
	"additionalProperties": object{"type": list{"string", "null"}, "maxLength": 255},
}))

func (a *api) createQoS(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Specs map[string]string `json:"qos_specs"`
	}](r, newQoS)
	if err != nil {
		return nil, err
	}
	n := qos.NewSpec{Name: strings.TrimSpace(b.Specs["name"]), Consumer: b.Specs["consumer"], Specs: b.Specs}
	delete(b.Specs, "name")
	delete(b.Specs, "consumer")
	switch {
	case n.Name == "":
		return nil, bad("An invalid 'name' value was provided. The 'name' can not be empty.")
	case len([]rune(n.Name)) > 255:
		return nil, bad("An invalid 'name' value was provided. The 'name' can not be greater than 255 characters.")
	}
	s, err := a.svc.QoS.Create(ctx, n)
	return oneQoS(ctx, r, s, err)
}

func (a *api) showQoS(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.QoS.Show(ctx, r.Var("qos_id"))
	return oneQoS(ctx, r, s, err)
}

var qosPatch = fixed(wrapped("qos_specs", specsType))

func (a *api) updateQoS(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Specs map[string]string `json:"qos_specs"`
	}](r, qosPatch)
	if err != nil {
		return nil, err
	}
	return texts("qos_specs", b.Specs, a.svc.QoS.Set(ctx, r.Var("qos_id"), b.Specs))
}

func (a *api) deleteQoS(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	force, err := r.Bool("force", false)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.QoS.Delete(ctx, r.Var("qos_id"), force))
}

var qosKeys = fixed(wrapped("keys", object{"type": "array", "uniqueItems": true, "items": object{"type": "string", "minLength": 1, "maxLength": 255}}))

func (a *api) deleteQoSKeys(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ Keys []string }](r, qosKeys)
	if err != nil {
		return nil, err
	}
	return accepted(a.svc.QoS.Unset(ctx, r.Var("qos_id"), b.Keys))
}

func (a *api) listQoSTypes(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	types, err := a.svc.QoS.Associations(ctx, r.Var("qos_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("qos_associations", func() {
				for _, t := range types {
					w.Object("", func() {
						w.Text("association_type", "volume_type")
						w.Text("name", t.Name)
						w.Text("id", t.ID)
					})
				}
			})
		})
	}), nil
}

// associateQoS is what a GET with a type in its query asks for.
func (a *api) associateQoS(do func(ctx context.Context, id, typeID string) error) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		typeID := r.Query.Get("vol_type_id")
		if typeID == "" {
			return nil, bad("Volume Type id must not be None.")
		}
		return accepted(do(ctx, r.Var("qos_id"), typeID))
	}
}

func (a *api) disassociateQoS(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accepted(a.svc.QoS.DisassociateAll(ctx, r.Var("qos_id")))
}

package api

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/compute/flavor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// routes are /flavors.
func (a *flavors) routes() []httpx.Route {
	flavors := a.svc.Flavors
	c := rest.Resource[flavor.Flavor, flavor.Flavor, flavor.Patch]{
		Path: "/v2.1/flavors", Item: "flavor_id", One: "flavor", Many: "flavors", Query: flavorList, Rule: flavorRule,
		List: flavors.List, Show: flavors.Show, Create: flavors.Create, Update: flavors.Update, Delete: flavors.Delete,
		ReadNew: newFlavor, ReadPatch: flavorPatch, View: viewFlavor, ID: func(f *flavor.Flavor) string { return f.ID },
		UpdateMethod: http.MethodPut,
		Created:      func(*httpx.Request) int { return http.StatusOK },
		Deleted:      func(*httpx.Request) int { return http.StatusAccepted },
	}
	detail := rest.Resource[flavor.Flavor, struct{}, struct{}]{
		Path: "/v2.1/flavors/detail", Many: "flavors", Query: flavorList, Rule: flavorRule, List: flavors.List, View: viewFlavor, ID: c.ID,
	}
	routes := slices.Concat(detail.Routes(), c.Routes(), a.partRoutes())
	for i := range routes {
		if routes[i].Method == http.MethodPut && routes[i].Path == c.Path+"/{flavor_id}" {
			routes[i].Min = micro.V(2, 55)
		}
	}
	return routes
}

// flavorRule names the policy rules; everybody may look at flavors.
func flavorRule(verb string) string {
	switch verb {
	case "list", "show":
		return ""
	}
	return "os_compute_api:os-flavor-manage:" + verb
}

// flavorList is what lists of flavors can be asked. An administrator who does
// not choose sees public ones.
var flavorList = &rest.List{
	Dialect: func() *rest.Dialect {
		d := *dialect
		d.Down, d.TurnsDefault = false, true
		d.BadSort = func(key string) error {
			return bad("Invalid input for query parameters sort_key. Value: %s. It is not one of the sort keys", key)
		}
		d.BadDir = func(dir string) error {
			return bad("Invalid input for query parameters sort_dir. Value: %s. It must be asc or desc", dir)
		}
		return &d
	}(),
	Sort:     []store.Sort{{Field: "id"}},
	Everyone: "is_public",
	Fields: append([]rest.Field{
		{Name: "minDisk", NoSort: true, Filter: atLeast("minDisk", "disk")},
		{Name: "minRam", NoSort: true, Filter: atLeast("minRam", "ram")},
		{Name: "is_public", NoSort: true, Filter: isPublic},
	}, sortedBy(map[string]string{
		"created_at": "created_at", "deleted": "id", "deleted_at": "id", "disabled": "disabled", "ephemeral_gb": "ephemeral", "flavorid": "id",
		"id": "id", "is_public": "is_public", "memory_mb": "ram", "name": "name", "root_gb": "disk", "rxtx_factor": "rxtx", "swap": "swap",
		"updated_at": "updated_at", "vcpu_weight": "vcpus", "vcpus": "vcpus",
	})...),
}

// sortedBy are fields that lists are only sorted by: sort keys and what they are in the table.
func sortedBy(keys map[string]string) []rest.Field {
	var out []rest.Field
	for _, k := range sorted(keys) {
		out = append(out, rest.Field{Name: k, At: keys[k], NoFilter: true})
	}
	return out
}

func atLeast(name, field string) func([]string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		if values[0] == "" {
			return nil, nil
		}
		n, err := strconv.Atoi(values[0])
		if err != nil || n < 0 {
			return nil, bad("Invalid %s filter [%s]", name, values[0])
		}
		return []store.Cond{{Field: field, Op: store.GreaterEq, Value: n}}, nil
	}
}

func isPublic(values []string) ([]store.Cond, error) {
	switch v := strings.ToLower(values[0]); v {
	case "none":
		return nil, nil
	case "":
		return []store.Cond{store.Eq("is_public", true)}, nil
	default:
		public, known := httpx.ParseBool(v)
		if !known {
			return nil, bad("Invalid is_public filter [%s]", v)
		}
		return []store.Cond{store.Eq("is_public", public)}, nil
	}
}

// viewFlavor shows little of flavors in the plain list.
func viewFlavor(_ context.Context, r *httpx.Request, _ []*flavor.Flavor) (func(*rest.Writer, *flavor.Flavor), error) {
	named, swapless := r.AtLeast(2, 55), !r.AtLeast(2, 75)
	if r.HTTP.Method == http.MethodGet && r.Var("flavor_id") == "" && !strings.HasSuffix(r.Route.Path, "/detail") {
		return func(w *rest.Writer, f *flavor.Flavor) {
			w.Text("id", f.ID)
			w.Text("name", f.Name)
			if named {
				w.TextPointer("description", f.Description)
			}
			writeLinks(w, r, "/flavors/"+f.ID)
		}, nil
	}
	specs := r.AtLeast(2, 61)
	return func(w *rest.Writer, f *flavor.Flavor) {
		w.Text("id", f.ID)
		w.Text("name", f.Name)
		w.Int("ram", int64(f.RAM))
		w.Int("disk", int64(f.Disk))
		if f.Swap == 0 && swapless {
			w.Text("swap", "")
		} else {
			w.Int("swap", int64(f.Swap))
		}
		w.Int("OS-FLV-EXT-DATA:ephemeral", int64(f.Ephemeral))
		w.Bool("OS-FLV-DISABLED:disabled", f.Disabled)
		w.Int("vcpus", int64(f.VCPUs))
		w.Bool("os-flavor-access:is_public", f.Public)
		w.Any("rxtx_factor", rxtx(f.RxTx))
		if named {
			w.TextPointer("description", f.Description)
		}
		if specs && f.SpecsShown {
			w.TextMap("extra_specs", f.ExtraSpecs)
		}
		writeLinks(w, r, "/flavors/"+f.ID)
	}, nil
}

// rxtx keeps the point in 1.0, as clients compare it.
type rxtx float64

func (v rxtx) MarshalJSON() ([]byte, error) {
	text := strconv.FormatFloat(float64(v), 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return []byte(text), nil
}

const maxInt = 0x7fffffff

var createFlavorSchema = perVersion(func(minor int) object {
	p := object{
		"name": nameType, "id": object{"type": list{"string", "number", "null"}, "minLength": 0, "maxLength": 255, "pattern": `^([a-zA-Z0-9. _-]*)$`, "format": "name"},
		"ram": whole(1, maxInt), "vcpus": whole(1, maxInt), "disk": whole(0, maxInt), "OS-FLV-EXT-DATA:ephemeral": whole(0, maxInt),
		"swap": whole(0, maxInt), "rxtx_factor": object{"type": list{"number", "string"}, "pattern": `^[0-9]+(\.[0-9]+)?$`, "minimum": 0, "exclusiveMinimum": 0, "maximum": 3.40282e+38},
		"os-flavor-access:is_public": boolType,
	}
	if minor >= 55 {
		p["description"] = object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 65535, "format": "printable"}
	}
	return wrapped("flavor", strict(list{"name", "ram", "vcpus", "disk"}, p))
})

func newFlavor(r *httpx.Request) (f flavor.Flavor, err error) {
	b, err := rest.Body[struct {
		Flavor struct {
			ID          rest.Text                  `json:"id"`
			Name        string                     `json:"name"`
			RAM         rest.Int                   `json:"ram"`
			VCPUs       rest.Int                   `json:"vcpus"`
			Disk        rest.Int                   `json:"disk"`
			Ephemeral   rest.Int                   `json:"OS-FLV-EXT-DATA:ephemeral"`
			Swap        rest.Int                   `json:"swap"`
			RxTx        rest.Text                  `json:"rxtx_factor"`
			Public      change.Optional[rest.Bool] `json:"os-flavor-access:is_public"`
			Description *string                    `json:"description"`
		} `json:"flavor"`
	}](r, createFlavorSchema)
	if err != nil {
		return f, err
	}
	c := b.Flavor
	f = flavor.Flavor{
		Name: c.Name, RAM: int(c.RAM), VCPUs: int(c.VCPUs), Disk: int(c.Disk), Ephemeral: int(c.Ephemeral), Swap: int(c.Swap),
		RxTx: 1, Public: bool(c.Public.Or(true)), Description: c.Description,
	}
	if c.ID != "null" {
		f.ID = strings.TrimSpace(string(c.ID))
	}
	if c.RxTx != "" {
		f.RxTx, err = strconv.ParseFloat(string(c.RxTx), 64)
		if err != nil || f.RxTx <= 0 || f.RxTx > 3.40282e+38 {
			return f, bad("Invalid input for field/attribute rxtx_factor. Value: %s. It is out of range", c.RxTx)
		}
	}
	return f, nil
}

var updateFlavorSchema = fixed(wrapped("flavor", strict(list{"description"}, object{
	"description": object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 65535, "format": "printable"},
})))

func flavorPatch(r *httpx.Request) (flavor.Patch, error) {
	b, err := rest.Body[struct{ Flavor flavor.Patch }](r, updateFlavorSchema)
	return b.Flavor, err
}

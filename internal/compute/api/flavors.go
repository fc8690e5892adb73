package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
)

func (a *api) flavorRoutes() []httpx.Route {
	const base, policy = "/v2.1/flavors", "os_compute_api:"
	return []httpx.Route{
		{Method: "GET", Path: base, Handler: a.listFlavors(false)},
		{Method: "GET", Path: base + "/detail", Handler: a.listFlavors(true)},
		{Method: "POST", Path: base, Policy: policy + "os-flavor-manage:create", Handler: a.createFlavor},
		{Method: "GET", Path: base + "/{flavor_id}", Handler: a.showFlavor},
		{Method: "PUT", Path: base + "/{flavor_id}", Min: micro.V(2, 55), Policy: policy + "os-flavor-manage:update", Handler: a.updateFlavor},
		{Method: "DELETE", Path: base + "/{flavor_id}", Policy: policy + "os-flavor-manage:delete", Handler: a.deleteFlavor},
		{Method: "GET", Path: base + "/{flavor_id}/os-flavor-access", Policy: policy + "os-flavor-access", Handler: a.listFlavorAccess},
		{Method: "POST", Path: base + "/{flavor_id}/action", Action: "addTenantAccess", Policy: policy + "os-flavor-access:add_tenant_access", Handler: a.flavorAccess("addTenantAccess")},
		{Method: "POST", Path: base + "/{flavor_id}/action", Action: "removeTenantAccess", Policy: policy + "os-flavor-access:remove_tenant_access", Handler: a.flavorAccess("removeTenantAccess")},
		{Method: "GET", Path: base + "/{flavor_id}/os-extra_specs", Policy: policy + "os-flavor-extra-specs:index", Handler: a.listSpecs},
		{Method: "POST", Path: base + "/{flavor_id}/os-extra_specs", Policy: policy + "os-flavor-extra-specs:create", Handler: a.createSpecs},
		{Method: "GET", Path: base + "/{flavor_id}/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:show", Handler: a.showSpec},
		{Method: "PUT", Path: base + "/{flavor_id}/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:update", Handler: a.updateSpec},
		{Method: "DELETE", Path: base + "/{flavor_id}/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:delete", Handler: a.deleteSpec},
	}
}

func (a *api) writeFlavor(ctx context.Context, w *writer, r *httpx.Request, f *compute.Flavor) {
	w.object("", func() {
		w.str("id", f.ID)
		w.str("name", f.Name)
		w.num("ram", f.RAM)
		w.num("disk", f.Disk)
		if f.Swap > 0 || r.AtLeast(2, 75) {
			w.num("swap", f.Swap)
		} else {
			w.str("swap", "")
		}
		w.num("OS-FLV-EXT-DATA:ephemeral", f.Ephemeral)
		w.bool("OS-FLV-DISABLED:disabled", f.Disabled)
		w.num("vcpus", f.VCPUs)
		w.bool("os-flavor-access:is_public", f.Public)
		w.any("rxtx_factor", rxtx(f.RxTx))
		if r.AtLeast(2, 55) {
			w.strOrNull("description", f.Description)
		}
		if r.AtLeast(2, 61) && a.svc.Allowed(ctx, "os-flavor-extra-specs:index") {
			w.strings("extra_specs", f.ExtraSpecs)
		}
		writeLinks(w, r, "/flavors/"+f.ID)
	})
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

func (a *api) listFlavors(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		f, err := flavorQuery(r)
		if err != nil {
			return nil, err
		}
		limit := f.Limit
		f.Limit++
		flavors, err := a.svc.Flavors(ctx, f)
		if err != nil {
			return nil, err
		}
		more := len(flavors) > limit
		if more {
			flavors = flavors[:limit]
		}
		w := &writer{}
		w.object("", func() {
			w.list("flavors", func() {
				for _, f := range flavors {
					if detail {
						a.writeFlavor(ctx, w, r, f)
						continue
					}
					w.object("", func() {
						w.str("id", f.ID)
						w.str("name", f.Name)
						if r.AtLeast(2, 55) {
							w.strOrNull("description", f.Description)
						}
						writeLinks(w, r, "/flavors/"+f.ID)
					})
				}
			})
			if more && limit > 0 {
				nextLink(w, "flavors_links", r, flavors[len(flavors)-1].ID)
			}
		})
		return ok(w), nil
	}
}

var flavorSortKeys = []string{
	"created_at", "deleted", "deleted_at", "disabled", "ephemeral_gb", "flavorid", "id", "is_public", "memory_mb", "name",
	"root_gb", "rxtx_factor", "swap", "updated_at", "vcpu_weight", "vcpus",
}

func flavorQuery(r *httpx.Request) (compute.FlavorFilter, error) {
	q := r.Query
	out := compute.FlavorFilter{SortKey: q.Get("sort_key"), SortDir: q.Get("sort_dir"), Marker: q.Get("marker")}
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "limit", "marker", "is_public", "minRam", "minDisk", "sort_key", "sort_dir"); err != nil {
			return out, err
		}
	}
	var err error
	if out.Limit, err = pageLimit(r); err != nil {
		return out, err
	}
	if out.SortKey != "" && !contains(flavorSortKeys, out.SortKey) {
		return out, bad("Invalid input for query parameters sort_key. Value: %s. It is not one of the sort keys", out.SortKey)
	}
	if out.SortDir != "" && out.SortDir != "asc" && out.SortDir != "desc" {
		return out, bad("Invalid input for query parameters sort_dir. Value: %s. It must be asc or desc", out.SortDir)
	}
	for name, to := range map[string]*int{"minDisk": &out.MinDisk, "minRam": &out.MinRAM} {
		if v := q.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 {
				return out, bad("Invalid %s filter [%s]", name, v)
			}
			*to = n
		}
	}
	switch v := strings.ToLower(q.Get("is_public")); v {
	case "none":
		out.All = true
	case "":
	default:
		public, known := httpx.ParseBool(v)
		if !known {
			return out, bad("Invalid is_public filter [%s]", v)
		}
		out.All, out.Public = true, &public
	}
	if out.Public == nil && !out.All { // an administrator who does not choose sees public ones
		public := true
		out.All, out.Public = true, &public
	}
	return out, nil
}

func (a *api) flavorResponse(ctx context.Context, r *httpx.Request, f *compute.Flavor) *httpx.Response {
	w := &writer{}
	w.object("", func() {
		w.key("flavor")
		a.writeFlavor(ctx, w, r, f)
	})
	return ok(w)
}

func (a *api) showFlavor(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	f, err := a.svc.Flavor(ctx, r.Var("flavor_id"))
	if err != nil {
		return nil, err
	}
	return a.flavorResponse(ctx, r, f), nil
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

func (a *api) createFlavor(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Flavor struct {
			ID          scalar    `json:"id"`
			Name        string    `json:"name"`
			RAM         flexInt   `json:"ram"`
			VCPUs       flexInt   `json:"vcpus"`
			Disk        flexInt   `json:"disk"`
			Ephemeral   flexInt   `json:"OS-FLV-EXT-DATA:ephemeral"`
			Swap        flexInt   `json:"swap"`
			RxTx        scalar    `json:"rxtx_factor"`
			Public      *flexBool `json:"os-flavor-access:is_public"`
			Description *string   `json:"description"`
		} `json:"flavor"`
	}
	if err := a.svc.Check(ctx, "os-flavor-manage:create"); err != nil {
		return nil, err
	}
	if err := body(r, createFlavorSchema, &b); err != nil {
		return nil, err
	}
	c := b.Flavor
	f := compute.Flavor{
		Name: c.Name, RAM: int(c.RAM), VCPUs: int(c.VCPUs), Disk: int(c.Disk), Ephemeral: int(c.Ephemeral), Swap: int(c.Swap),
		RxTx: 1, Public: true, Description: c.Description,
	}
	if c.ID != "null" {
		f.ID = strings.TrimSpace(string(c.ID))
	}
	if c.Public != nil {
		f.Public = bool(*c.Public)
	}
	if c.RxTx != "" {
		v, err := strconv.ParseFloat(string(c.RxTx), 64)
		if err != nil || v <= 0 || v > 3.40282e+38 {
			return nil, bad("Invalid input for field/attribute rxtx_factor. Value: %s. It is out of range", c.RxTx)
		}
		f.RxTx = v
	}
	made, err := a.svc.CreateFlavor(ctx, f)
	if err != nil {
		return nil, err
	}
	return a.flavorResponse(ctx, r, made), nil
}

var updateFlavorSchema = fixed(wrapped("flavor", strict(list{"description"}, object{
	"description": object{"type": list{"string", "null"}, "minLength": 0, "maxLength": 65535, "format": "printable"},
})))

func (a *api) updateFlavor(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Flavor struct{ Description *string } `json:"flavor"`
	}
	if err := body(r, updateFlavorSchema, &b); err != nil {
		return nil, err
	}
	f, err := a.svc.UpdateFlavor(ctx, r.Var("flavor_id"), b.Flavor.Description)
	if err != nil {
		return nil, err
	}
	return a.flavorResponse(ctx, r, f), nil
}

func (a *api) deleteFlavor(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.DeleteFlavor(ctx, r.Var("flavor_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

func accessResponse(flavor string, projects []string) *httpx.Response {
	docs := []object{}
	for _, p := range projects {
		docs = append(docs, object{"flavor_id": flavor, "tenant_id": p})
	}
	return httpx.JSON(http.StatusOK, object{"flavor_access": docs})
}

func (a *api) listFlavorAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	projects, err := a.svc.FlavorAccess(ctx, r.Var("flavor_id"))
	if err != nil {
		return nil, err
	}
	return accessResponse(r.Var("flavor_id"), projects), nil
}

func (a *api) flavorAccess(action string) httpx.Handler {
	s := fixed(wrapped(action, strict(list{"tenant"}, object{"tenant": projectType})))
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		var b map[string]struct{ Tenant string }
		if err := body(r, s, &b); err != nil {
			return nil, err
		}
		projects, err := a.svc.ChangeFlavorAccess(ctx, r.Var("flavor_id"), b[action].Tenant, action == "addTenantAccess", r.AtLeast(2, 7))
		if err != nil {
			return nil, err
		}
		return accessResponse(r.Var("flavor_id"), projects), nil
	}
}

var (
	specValue   = object{"type": list{"string", "number"}, "minLength": 0, "maxLength": 255}
	specsType   = object{"type": "object", "propertyNames": object{"minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-_:. ]{1,255}$`}, "additionalProperties": specValue}
	specsSchema = fixed(wrapped("extra_specs", specsType))
	specSchema  = fixed(with(specsType, object{"minProperties": 1, "maxProperties": 1}))
)

func (a *api) listSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-flavor-extra-specs:index"); err != nil {
		return nil, err
	}
	f, err := a.svc.Flavor(ctx, r.Var("flavor_id"))
	if err != nil {
		return nil, err
	}
	w := &writer{}
	w.object("", func() { w.strings("extra_specs", f.ExtraSpecs) })
	return ok(w), nil
}

func textMap(in map[string]scalar) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		out[k] = string(v)
	}
	return out
}

func (a *api) createSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct {
		Specs map[string]scalar `json:"extra_specs"`
	}
	if err := body(r, specsSchema, &b); err != nil {
		return nil, err
	}
	if err := checkSpecs(r, b.Specs); err != nil {
		return nil, err
	}
	if _, err := a.svc.SetExtraSpecs(ctx, r.Var("flavor_id"), "os-flavor-extra-specs:create", textMap(b.Specs)); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"extra_specs": b.Specs}), nil
}

func (a *api) showSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Check(ctx, "os-flavor-extra-specs:show"); err != nil {
		return nil, err
	}
	f, err := a.svc.Flavor(ctx, r.Var("flavor_id"))
	if err != nil {
		return nil, err
	}
	v, found := f.ExtraSpecs[r.Var("key")]
	if !found {
		return nil, errs.New(errs.NotFound, "Flavor %s has no extra specs with key %s.", f.ID, r.Var("key"))
	}
	return httpx.JSON(http.StatusOK, object{r.Var("key"): v}), nil
}

func (a *api) updateSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b map[string]scalar
	if err := body(r, specSchema, &b); err != nil {
		return nil, err
	}
	if _, same := b[r.Var("key")]; !same {
		return nil, bad("Request body and URI mismatch")
	}
	if err := checkSpecs(r, b); err != nil {
		return nil, err
	}
	if _, err := a.svc.SetExtraSpecs(ctx, r.Var("flavor_id"), "os-flavor-extra-specs:update", textMap(b)); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, b), nil
}

func (a *api) deleteSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.DeleteExtraSpec(ctx, r.Var("flavor_id"), r.Var("key")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

// checkSpecs validates the values of well known extra specs, as 2.86 does.
func checkSpecs(r *httpx.Request, specs map[string]scalar) error {
	if !r.AtLeast(2, 86) {
		return nil
	}
	for _, k := range sorted(specs) {
		v := string(specs[k])
		allowed, known := knownSpecs[k]
		switch {
		case known && allowed != nil && !contains(allowed, v):
			return bad("Validation failed; '%s' is not one of %v for extra spec %s.", v, allowed, k)
		case strings.HasPrefix(k, "trait:") && v != "required" && v != "forbidden":
			return bad("Validation failed; '%s' is not one of [required forbidden] for extra spec %s.", v, k)
		case !known && strings.HasPrefix(k, "hw:") && !strings.HasPrefix(k, "hw:numa_"):
			return bad("Validation failed; extra spec '%s' does not appear to be a valid extra spec.", k)
		}
	}
	return nil
}

// knownSpecs are extra specs of the hw: namespace with their values; nil: any.
var knownSpecs = map[string][]string{
	"hw:cpu_policy": {"dedicated", "shared", "mixed"}, "hw:cpu_thread_policy": {"prefer", "isolate", "require"},
	"hw:emulator_threads_policy": {"isolate", "share"}, "hw:cpu_sockets": nil, "hw:cpu_cores": nil, "hw:cpu_threads": nil,
	"hw:cpu_max_sockets": nil, "hw:cpu_max_cores": nil, "hw:cpu_max_threads": nil, "hw:cpu_realtime": nil,
	"hw:cpu_realtime_mask": nil, "hw:cpu_dedicated_mask": nil, "hw:mem_page_size": nil, "hw:pci_numa_affinity_policy": {"required", "preferred", "legacy", "socket"},
	"hw:serial_port_count": nil, "hw:watchdog_action": {"none", "pause", "poweroff", "reset", "disabled"}, "hw:boot_menu": nil,
	"hw:hide_hypervisor_id": nil, "hw:mem_encryption": nil, "hw:pmem": nil, "hw:vif_multiqueue_enabled": nil, "hw:tpm_model": nil,
	"hw:tpm_version": {"1.2", "2.0"}, "hw:video_ram": nil, "hw:viommu_model": nil, "hw:locked_memory": nil, "hw:ephemeral_encryption": nil,
	"hw:ephemeral_encryption_format": nil, "hw:maxphysaddr_mode": nil, "hw:maxphysaddr_bits": nil, "hw:cpu_realtime_policy": nil,
}

package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/compute/flavor"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// partRoutes are about a flavor's extra specs and about who may use it.
func (a *flavors) partRoutes() []httpx.Route {
	const base, policy = "/v2.1/flavors/{flavor_id}", "os_compute_api:"
	return []httpx.Route{
		{Method: "GET", Path: base + "/os-flavor-access", Policy: policy + "os-flavor-access", Handler: a.listAccess},
		{Method: "POST", Path: base + "/action", Action: "addTenantAccess", Policy: policy + "os-flavor-access:add_tenant_access", Handler: a.addAccess},
		{Method: "POST", Path: base + "/action", Action: "removeTenantAccess", Policy: policy + "os-flavor-access:remove_tenant_access", Handler: a.removeAccess},
		{Method: "GET", Path: base + "/os-extra_specs", Policy: policy + "os-flavor-extra-specs:index", Handler: a.listSpecs},
		{Method: "POST", Path: base + "/os-extra_specs", Policy: policy + "os-flavor-extra-specs:create", Handler: a.createSpecs},
		{Method: "GET", Path: base + "/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:show", Handler: a.showSpec},
		{Method: "PUT", Path: base + "/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:update", Handler: a.updateSpec},
		{Method: "DELETE", Path: base + "/os-extra_specs/{key}", Policy: policy + "os-flavor-extra-specs:delete", Handler: a.deleteSpec},
	}
}

// accessResponse answers with who may use a flavor, or with the error that came instead.
func accessResponse(list []*flavor.Access, err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("flavor_access", func() {
				for _, a := range list {
					w.Object("", func() {
						w.Text("flavor_id", a.FlavorID)
						w.Text("tenant_id", a.ProjectID)
					})
				}
			})
		})
	}), nil
}

func (a *flavors) listAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	return accessResponse(a.svc.Flavors.Access(ctx, r.Var("flavor_id")))
}

var (
	addAccessSchema    = fixed(wrapped("addTenantAccess", strict(list{"tenant"}, object{"tenant": projectType})))
	removeAccessSchema = fixed(wrapped("removeTenantAccess", strict(list{"tenant"}, object{"tenant": projectType})))
)

func (a *flavors) addAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ AddTenantAccess struct{ Tenant string } }](r, addAccessSchema)
	if err != nil {
		return nil, err
	}
	return accessResponse(a.svc.Flavors.AddAccess(ctx, r.Var("flavor_id"), b.AddTenantAccess.Tenant, !r.AtLeast(2, 7)))
}

func (a *flavors) removeAccess(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ RemoveTenantAccess struct{ Tenant string } }](r, removeAccessSchema)
	if err != nil {
		return nil, err
	}
	return accessResponse(a.svc.Flavors.RemoveAccess(ctx, r.Var("flavor_id"), b.RemoveTenantAccess.Tenant))
}

var (
	specValue   = object{"type": list{"string", "number"}, "minLength": 0, "maxLength": 255}
	specsType   = object{"type": "object", "propertyNames": object{"minLength": 1, "maxLength": 255, "pattern": `^[a-zA-Z0-9-_:. ]{1,255}$`}, "additionalProperties": specValue}
	specsSchema = fixed(wrapped("extra_specs", specsType))
	specSchema  = fixed(merged(specsType, object{"minProperties": 1, "maxProperties": 1}))
)

type specsBody struct {
	Specs map[string]rest.Text `json:"extra_specs"`
}

func (a *flavors) listSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	specs, err := a.svc.Flavors.ExtraSpecs(ctx, r.Var("flavor_id"))
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) { w.Object("", func() { w.TextMap("extra_specs", specs) }) }), nil
}

func textMap(in map[string]rest.Text) map[string]string {
	out := map[string]string{}
	for k, v := range in {
		out[k] = string(v)
	}
	return out
}

func (a *flavors) createSpecs(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[specsBody](r, specsSchema)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(r, b.Specs); err != nil {
		return nil, err
	}
	if err := a.svc.Flavors.CreateExtraSpecs(ctx, r.Var("flavor_id"), textMap(b.Specs)); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, b), nil
}

func (a *flavors) showSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	v, err := a.svc.Flavors.ExtraSpec(ctx, r.Var("flavor_id"), r.Var("key"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{r.Var("key"): v}), nil
}

func (a *flavors) updateSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[map[string]rest.Text](r, specSchema)
	if err != nil {
		return nil, err
	}
	v, same := b[r.Var("key")]
	if !same {
		return nil, bad("Request body and URI mismatch")
	}
	if err := checkSpecs(r, b); err != nil {
		return nil, err
	}
	if err := a.svc.Flavors.UpdateExtraSpec(ctx, r.Var("flavor_id"), r.Var("key"), string(v)); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, b), nil
}

func (a *flavors) deleteSpec(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Flavors.DeleteExtraSpec(ctx, r.Var("flavor_id"), r.Var("key")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusOK), nil
}

// checkSpecs validates the values of well known extra specs, as 2.86 does.
func checkSpecs(r *httpx.Request, specs map[string]rest.Text) error {
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

// Package api is placement's REST API, microversions 1.0 to 1.39. Handlers lift
// the body of any version to the service's newest request and lower the answer.
package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/placement"
)

// versions is what the API speaks.
var versions = micro.Range{Service: "placement", Min: micro.V(1, 0), Max: micro.V(1, 39)}

type api struct{ svc *placement.Service }

// New describes the API of a placement service.
func New(svc *placement.Service) *httpx.Service {
	a := &api{svc: svc}
	return &httpx.Service{
		Name: "placement", Type: "placement", Prefix: "/placement",
		Micro: &versions, Fault: fault, Routes: a.routes(),
	}
}

func (a *api) routes() []httpx.Route {
	const (
		providers   = "/resource_providers"
		provider    = "/resource_providers/{uuid}"
		inventories = provider + "/inventories"
		inventory   = inventories + "/{resource_class}"
		classes     = "/resource_classes"
		class       = "/resource_classes/{name}"
	)
	return []httpx.Route{
		{Method: "GET", Path: "/", Public: true, Handler: discovery},

		get(0, providers, "resource_providers:list", a.listProviders),
		post(0, providers, "resource_providers:create", a.createProvider),
		get(0, provider, "resource_providers:show", a.showProvider),
		put(0, provider, "resource_providers:update", a.updateProvider),
		del(0, provider, "resource_providers:delete", a.deleteProvider),
		get(1, provider+"/aggregates", "resource_providers:aggregates:list", a.listAggregates),
		put(1, provider+"/aggregates", "resource_providers:aggregates:update", a.setAggregates),
		get(6, provider+"/traits", "resource_providers:traits:list", a.listProviderTraits),
		put(6, provider+"/traits", "resource_providers:traits:update", a.setProviderTraits),
		del(6, provider+"/traits", "resource_providers:traits:delete", a.deleteProviderTraits),
		get(0, provider+"/usages", "resource_providers:usages", a.providerUsages),
		get(0, provider+"/allocations", "resource_providers:allocations:list", a.providerAllocations),

		get(0, inventories, "resource_providers:inventories:list", a.listInventories),
		post(0, inventories, "resource_providers:inventories:create", a.createInventory),
		put(0, inventories, "resource_providers:inventories:update", a.setInventories),
		del(5, inventories, "resource_providers:inventories:delete", a.deleteInventories),
		until(4, del(0, inventories, "resource_providers:inventories:delete", notYet)),
		get(0, inventory, "resource_providers:inventories:show", a.showInventory),
		put(0, inventory, "resource_providers:inventories:update", a.setInventory),
		del(0, inventory, "resource_providers:inventories:delete", a.deleteInventory),

		get(2, classes, "resource_classes:list", a.listClasses),
		post(2, classes, "resource_classes:create", a.createClass),
		get(2, class, "resource_classes:show", a.showClass),
		bare(7, "PUT", class, "resource_classes:update", a.ensureClass),
		variant("rename", until(6, put(2, class, "resource_classes:update", a.renameClass))),
		del(2, class, "resource_classes:delete", a.deleteClass),

		get(6, "/traits", "traits:list", a.listTraits),
		bare(6, "GET", "/traits/{name}", "traits:show", a.showTrait),
		bare(6, "PUT", "/traits/{name}", "traits:update", a.ensureTrait),
		del(6, "/traits/{name}", "traits:delete", a.deleteTrait),

		post(13, "/allocations", "allocations:manage", a.manageAllocations),
		get(0, "/allocations/{consumer_uuid}", "allocations:list", a.listAllocations),
		put(0, "/allocations/{consumer_uuid}", "allocations:update", a.setAllocations),
		del(0, "/allocations/{consumer_uuid}", "allocations:delete", a.deleteAllocations),

		get(10, "/allocation_candidates", "allocation_candidates:list", a.listCandidates),
		get(9, "/usages", "usages", a.usages),
		post(30, "/reshaper", "reshaper:reshape", a.reshape),
	}
}

func bare(minor int, method, path, rule string, h httpx.Handler) httpx.Route {
	r := httpx.Route{Method: method, Path: path, Policy: "placement:" + rule, Handler: h}
	if minor > 0 {
		r.Min = micro.V(1, minor)
	}
	return r
}

func get(minor int, path, rule string, h httpx.Handler) httpx.Route {
	return bare(minor, http.MethodGet, path, rule, wantsJSON(h))
}

func post(minor int, path, rule string, h httpx.Handler) httpx.Route {
	return bare(minor, http.MethodPost, path, rule, sendsJSON(h))
}

func put(minor int, path, rule string, h httpx.Handler) httpx.Route {
	return bare(minor, http.MethodPut, path, rule, sendsJSON(h))
}

func del(minor int, path, rule string, h httpx.Handler) httpx.Route {
	return bare(minor, http.MethodDelete, path, rule, h)
}

func until(minor int, r httpx.Route) httpx.Route {
	r.Max = micro.V(1, minor)
	return r
}

func variant(name string, r httpx.Route) httpx.Route {
	r.Variants = append(r.Variants, name)
	return r
}

// notYet answers for a method that the path gets in a later version.
func notYet(_ context.Context, r *httpx.Request) (*httpx.Response, error) {
	return nil, errs.New(errs.Method, "The method %s is not allowed for this resource in version %s.", r.HTTP.Method, r.Version)
}

func discovery(context.Context, *httpx.Request) (*httpx.Response, error) {
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("versions", func() {
				w.Object("", func() {
					w.Text("id", "v1.0")
					w.Text("status", "CURRENT")
					w.Text("min_version", versions.Min.String())
					w.Text("max_version", versions.Max.String())
					w.List("links", func() { w.Link("self", "") })
				})
			})
		})
	}), nil
}

package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
)

// routes are the resources below a server.
func (a *serverParts) routes() []httpx.Route {
	const base = "/v2.1/servers/{server_id}"
	var routes []httpx.Route
	add := func(method, path, policy string, h httpx.Handler) *httpx.Route {
		if policy != "" {
			policy = "os_compute_api:" + policy
		}
		routes = append(routes, httpx.Route{Method: method, Path: base + path, Policy: policy, Handler: h})
		return &routes[len(routes)-1]
	}
	add("GET", "/metadata", "server-metadata:index", a.metadata.list)
	add("POST", "/metadata", "server-metadata:create", a.metadata.put("server-metadata:create", false))
	add("PUT", "/metadata", "server-metadata:update_all", a.metadata.put("server-metadata:update_all", true))
	add("GET", "/metadata/{key}", "server-metadata:show", a.metadata.show)
	add("PUT", "/metadata/{key}", "server-metadata:update", a.metadata.putItem)
	add("DELETE", "/metadata/{key}", "server-metadata:delete", a.metadata.delete)
	for _, t := range []struct {
		method, path, policy string
		h                    httpx.Handler
	}{
		{"GET", "/tags", "os-server-tags:index", a.tags.list},
		{"PUT", "/tags", "os-server-tags:update_all", a.tags.replace},
		{"DELETE", "/tags", "os-server-tags:delete_all", a.tags.deleteAll},
		{"GET", "/tags/{tag}", "os-server-tags:show", a.tags.show},
		{"PUT", "/tags/{tag}", "os-server-tags:update", a.tags.add},
		{"DELETE", "/tags/{tag}", "os-server-tags:delete", a.tags.delete},
	} {
		add(t.method, t.path, t.policy, t.h).Min = micro.V(2, 26)
	}
	add("GET", "/ips", "ips:index", a.listAddresses)
	add("GET", "/ips/{network_label}", "ips:show", a.showAddresses)
	add("GET", "/os-interface", "os-attach-interfaces:list", a.interfaces.list)
	add("POST", "/os-interface", "os-attach-interfaces:create", a.interfaces.attach)
	add("GET", "/os-interface/{port_id}", "os-attach-interfaces:show", a.interfaces.show)
	add("DELETE", "/os-interface/{port_id}", "os-attach-interfaces:delete", a.interfaces.detach)
	add("GET", "/os-security-groups", "os-security-groups:list", a.listServerGroupsOfPorts)
	add("GET", "/diagnostics", "os-server-diagnostics", a.diagnostics)
	add("GET", "/topology", "server-topology:index", a.topology).Min = micro.V(2, 78)
	add("GET", "/os-server-password", "os-server-password:show", a.showPassword)
	add("DELETE", "/os-server-password", "os-server-password:clear", a.clearPassword)
	add("POST", "/remote-consoles", "os-remote-consoles", a.consoles.remoteConsole)
	last := &routes[len(routes)-1]
	last.Min, last.Variants = micro.V(2, 6), []string{"vnc", "spice", "serial", "rdp", "mks"}
	return slices.Concat(routes, a.historyRoutes(), a.attachments.routes())
}

func (a *serverParts) listAddresses(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, d, err := a.svc.Servers.Describe(ctx, r.Var("server_id"), "ips:index")
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { writeAddresses(w, "addresses", d.Addresses[d.Servers[0].ID], false) })
	return w.Response(http.StatusOK), nil
}

func (a *serverParts) showAddresses(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	_, d, err := a.svc.Servers.Describe(ctx, r.Var("server_id"), "ips:show")
	if err != nil {
		return nil, err
	}
	label := r.Var("network_label")
	w := rest.NewWriter()
	found := false
	w.Object("", func() {
		w.Key(label)
		w.List("", func() {
			for _, ad := range d.Addresses[d.Servers[0].ID] {
				if ad.Network == label {
					found = true
					writeAddress(w, ad, false)
				}
			}
		})
	})
	if !found {
		return nil, errs.New(errs.NotFound, "Instance is not a member of specified network")
	}
	return w.Response(http.StatusOK), nil
}

func (a *serverParts) listServerGroupsOfPorts(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	groups, err := a.svc.SecurityGroups.List(ctx, r.Var("server_id"))
	if err != nil {
		return nil, err
	}
	docs := make([]object, len(groups))
	for i, g := range groups {
		docs[i] = securityGroupDoc(g)
	}
	return httpx.JSON(http.StatusOK, object{"security_groups": docs}), nil
}

func (a *serverParts) showPassword(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "os-server-password:show")
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"password": s.GuestPassword()}), nil
}

func (a *serverParts) clearPassword(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Servers.ClearPassword(ctx, r.Var("server_id")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

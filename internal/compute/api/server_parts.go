package api

import (
	"context"
	"net/http"
	"net/netip"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/micro"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
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
	add("GET", "/metadata", "server-metadata:index", a.listMetadata)
	add("POST", "/metadata", "server-metadata:create", a.putMetadata("server-metadata:create", false))
	add("PUT", "/metadata", "server-metadata:update_all", a.putMetadata("server-metadata:update_all", true))
	add("GET", "/metadata/{key}", "server-metadata:show", a.showMetadata)
	add("PUT", "/metadata/{key}", "server-metadata:update", a.putMetadataItem)
	add("DELETE", "/metadata/{key}", "server-metadata:delete", a.deleteMetadata)
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
	add("GET", "/os-interface", "os-attach-interfaces:list", a.listInterfaces)
	add("POST", "/os-interface", "os-attach-interfaces:create", a.attachInterface)
	add("GET", "/os-interface/{port_id}", "os-attach-interfaces:show", a.showInterface)
	add("DELETE", "/os-interface/{port_id}", "os-attach-interfaces:delete", a.detachInterface)
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

var metadataSchema = fixed(wrapped("metadata", metaType))

type metadataBody struct {
	Metadata map[string]string `json:"metadata"`
}

func (a *serverParts) listMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "server-metadata:index")
	if err != nil {
		return nil, err
	}
	w := rest.NewWriter()
	w.Object("", func() { w.TextMap("metadata", s.Metadata) })
	return w.Response(http.StatusOK), nil
}

func (a *serverParts) putMetadata(rule string, replace bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		b, err := rest.Body[metadataBody](r, metadataSchema)
		if err != nil {
			return nil, err
		}
		all, err := a.svc.Servers.SetMetadata(ctx, r.Var("server_id"), rule, b.Metadata, replace)
		if err != nil {
			return nil, err
		}
		w := rest.NewWriter()
		w.Object("", func() { w.TextMap("metadata", all) })
		return w.Response(http.StatusOK), nil
	}
}

func (a *serverParts) showMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	s, err := a.svc.Servers.Show(ctx, r.Var("server_id"), "server-metadata:show")
	if err != nil {
		return nil, err
	}
	v, found := s.Metadata[r.Var("key")]
	if !found {
		return nil, errs.New(errs.NotFound, "Metadata item was not found")
	}
	return httpx.JSON(http.StatusOK, object{"meta": object{r.Var("key"): v}}), nil
}

var metaItemSchema = fixed(wrapped("meta", merged(metaType, object{"minProperties": 1, "maxProperties": 1})))

func (a *serverParts) putMetadataItem(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Meta map[string]string `json:"meta"`
	}](r, metaItemSchema)
	if err != nil {
		return nil, err
	}
	if _, same := b.Meta[r.Var("key")]; !same {
		return nil, bad("Request body and URI mismatch")
	}
	if _, err := a.svc.Servers.SetMetadata(ctx, r.Var("server_id"), "server-metadata:update", b.Meta, false); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"meta": b.Meta}), nil
}

func (a *serverParts) deleteMetadata(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Servers.DeleteMetadata(ctx, r.Var("server_id"), r.Var("key")); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
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

// interfaceDoc is a port as compute shows it.
func interfaceDoc(p *network.Port, tagged bool) object {
	ips := []object{}
	for _, ip := range p.FixedIPs {
		ips = append(ips, object{"subnet_id": ip.SubnetID, "ip_address": ip.IP.String()})
	}
	doc := object{"net_id": p.NetworkID, "port_id": p.ID, "mac_addr": p.MAC, "port_state": p.Status, "fixed_ips": ips}
	if tagged {
		doc["tag"] = any(nil)
		if p.Tag != "" {
			doc["tag"] = p.Tag
		}
	}
	return doc
}

func (a *serverParts) listInterfaces(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	ports, err := a.svc.Interfaces.List(ctx, r.Var("server_id"), "os-attach-interfaces:list")
	if err != nil {
		return nil, err
	}
	docs := make([]object, len(ports))
	for i, p := range ports {
		docs[i] = interfaceDoc(p, r.AtLeast(2, 70))
	}
	return httpx.JSON(http.StatusOK, object{"interfaceAttachments": docs}), nil
}

func (a *serverParts) showInterface(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	ports, err := a.svc.Interfaces.List(ctx, r.Var("server_id"), "os-attach-interfaces:show")
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		if p.ID == r.Var("port_id") {
			return httpx.JSON(http.StatusOK, object{"interfaceAttachment": interfaceDoc(p, r.AtLeast(2, 70))}), nil
		}
	}
	return nil, errs.New(errs.NotFound, "Instance %s does not have a port with id %s", r.Var("server_id"), r.Var("port_id"))
}

var attachSchema = perVersion(func(minor int) object {
	p := object{
		"net_id": uuidType, "port_id": uuidType,
		"fixed_ips": object{"type": "array", "minItems": 1, "maxItems": 1, "items": strict(list{"ip_address"}, object{"ip_address": anyIP})},
	}
	if minor >= 49 {
		p["tag"] = tagType
	}
	return object{"type": "object", "additionalProperties": false, "properties": object{"interfaceAttachment": strict(nil, p)}}
})

func (a *serverParts) attachInterface(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Attach struct {
			Network string `json:"net_id"`
			Port    string `json:"port_id"`
			Fixed   []struct {
				IP netip.Addr `json:"ip_address"`
			} `json:"fixed_ips"`
			Tag string `json:"tag"`
		} `json:"interfaceAttachment"`
	}](r, attachSchema)
	if err != nil {
		return nil, err
	}
	c := b.Attach
	want := network.RequestedNetwork{NetworkID: c.Network, PortID: c.Port, Tag: c.Tag}
	switch {
	case c.Network != "" && c.Port != "":
		return nil, bad("Must not input both network_id and port_id")
	case len(c.Fixed) > 0 && c.Network == "":
		return nil, bad("Must input network_id when request IP address")
	case len(c.Fixed) > 0:
		want.FixedIP = c.Fixed[0].IP.String()
	}
	port, err := a.svc.Interfaces.Attach(ctx, r.Var("server_id"), want)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"interfaceAttachment": interfaceDoc(port, r.AtLeast(2, 70))}), nil
}

func (a *serverParts) detachInterface(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Interfaces.Detach(ctx, r.Var("server_id"), r.Var("port_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
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

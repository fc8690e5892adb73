package api

import (
	"context"
	"net/http"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

func networkDoc(n *network.Network) object {
	doc := object{"id": n.ID, "label": n.Name, "cidr": nil}
	for _, k := range []string{
		"bridge", "bridge_interface", "broadcast", "cidr_v6", "created_at", "deleted", "deleted_at", "dhcp_server", "dhcp_start",
		"dns1", "dns2", "enable_dhcp", "gateway", "gateway_v6", "host", "injected", "mtu", "multi_host", "netmask", "netmask_v6",
		"priority", "project_id", "rxtx_base", "share_address", "updated_at", "vlan", "vpn_private_address", "vpn_public_address", "vpn_public_port",
	} {
		doc[k] = nil
	}
	return doc
}

func (a *networks) list(rule string) httpx.Handler {
	return func(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.Proxies.Network(ctx, rule)
		if err != nil {
			return nil, err
		}
		all, err := p.Networks.List(ctx, oldestFirst)
		if err != nil {
			return nil, err
		}
		docs := []object{}
		for _, n := range all.Rows {
			docs = append(docs, networkOf(rule, n))
		}
		return httpx.JSON(http.StatusOK, object{"networks": docs}), nil
	}
}

func networkOf(rule string, n *network.Network) object {
	if strings.HasPrefix(rule, "os-tenant") {
		return object{"id": n.ID, "label": n.Name, "cidr": "None"}
	}
	return networkDoc(n)
}

func (a *networks) show(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		p, err := a.svc.Proxies.Network(ctx, rule)
		if err != nil {
			return nil, err
		}
		n, err := p.Networks.Show(ctx, r.Var("network_id"))
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, object{"network": networkOf(rule, n)}), nil
	}
}

package api

import (
	"context"
	"net/http"
	"net/netip"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

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

func (a *interfaces) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
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

func (a *interfaces) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
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

func (a *interfaces) attach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
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

func (a *interfaces) detach(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if err := a.svc.Interfaces.Detach(ctx, r.Var("server_id"), r.Var("port_id")); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

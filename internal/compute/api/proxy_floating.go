package api

import (
	"context"
	"net/http"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

func (a *floatingIPs) listPools(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Network(ctx, "os-floating-ip-pools:list")
	if err != nil {
		return nil, err
	}
	all, err := p.Networks.List(ctx, oldestFirst)
	if err != nil {
		return nil, err
	}
	docs := []object{}
	for _, n := range all.Rows {
		if n.External {
			docs = append(docs, object{"name": n.Name})
		}
	}
	return httpx.JSON(http.StatusOK, object{"floating_ip_pools": docs}), nil
}

// floatingDoc is a floating IP with the server behind it, if there is one.
func floatingDoc(f *network.FloatingIP, pool, server string) object {
	doc := object{"id": f.ID, "ip": f.Address.String(), "pool": pool, "fixed_ip": nil, "instance_id": nil}
	if f.PortID != "" {
		doc["fixed_ip"] = f.FixedIP.String()
	}
	if server != "" {
		doc["instance_id"] = server
	}
	return doc
}

func (a *floatingIPs) docs(ctx context.Context, p *network.Service, list []*network.FloatingIP) ([]object, error) {
	nets, err := p.Networks.List(ctx, oldestFirst)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, n := range nets.Rows {
		names[n.ID] = n.Name
	}
	docs := []object{}
	for _, f := range list {
		server, err := a.svc.Proxies.ServerOfPort(ctx, f.PortID)
		if err != nil {
			return nil, err
		}
		docs = append(docs, floatingDoc(f, names[f.NetworkID], server))
	}
	return docs, nil
}

func (a *floatingIPs) list(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Network(ctx, "os-floating-ips:list")
	if err != nil {
		return nil, err
	}
	all, err := p.FloatingIPs.List(ctx, oldestFirst)
	if err != nil {
		return nil, err
	}
	docs, err := a.docs(ctx, p, all.Rows)
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"floating_ips": docs}), nil
}

func (a *floatingIPs) one(ctx context.Context, p *network.Service, f *network.FloatingIP) (*httpx.Response, error) {
	docs, err := a.docs(ctx, p, []*network.FloatingIP{f})
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"floating_ip": docs[0]}), nil
}

func (a *floatingIPs) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Network(ctx, "os-floating-ips:show")
	if err != nil {
		return nil, err
	}
	f, err := p.FloatingIPs.Show(ctx, r.Var("floating_ip_id"))
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "Floating IP not found for ID %s", r.Var("floating_ip_id"))
	}
	if err != nil {
		return nil, err
	}
	return a.one(ctx, p, f)
}

func (a *floatingIPs) create(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	var b struct{ Pool string }
	if raw, err := r.Body(); err != nil {
		return nil, err
	} else if len(raw) > 0 {
		if err := r.Decode(&b); err != nil {
			return nil, err
		}
	}
	p, err := a.svc.Proxies.Network(ctx, "os-floating-ips:create")
	if err != nil {
		return nil, err
	}
	nets, err := p.Networks.List(ctx, oldestFirst)
	if err != nil {
		return nil, err
	}
	for _, n := range nets.Rows {
		if !n.External || b.Pool != "" && n.Name != b.Pool && n.ID != b.Pool {
			continue
		}
		f, err := p.FloatingIPs.Create(ctx, change.New(func(f *network.NewFloatingIP) { f.NetworkID = n.ID }))
		if err != nil {
			return nil, err
		}
		return a.one(ctx, p, f)
	}
	return nil, errs.New(errs.NotFound, "Floating IP pool not found.")
}

func (a *floatingIPs) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	p, err := a.svc.Proxies.Network(ctx, "os-floating-ips:delete")
	if err == nil {
		err = p.FloatingIPs.Delete(ctx, r.Var("floating_ip_id"))
	}
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "Floating IP not found for ID %s", r.Var("floating_ip_id"))
	}
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var addFloatingIPSchema = fixed(wrapped("addFloatingIp", strict(list{"address"}, object{"address": anyIP, "fixed_address": anyIP})))

func (a *floatingIPs) add(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Add struct {
			Address string
			Fixed   string `json:"fixed_address"`
		} `json:"addFloatingIp"`
	}](r, addFloatingIPSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Proxies.AddFloatingIP(ctx, r.Var("server_id"), b.Add.Address, b.Add.Fixed); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var removeFloatingIPSchema = fixed(wrapped("removeFloatingIp", strict(list{"address"}, object{"address": anyIP})))

func (a *floatingIPs) remove(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Remove struct{ Address string } `json:"removeFloatingIp"`
	}](r, removeFloatingIPSchema)
	if err != nil {
		return nil, err
	}
	if err := a.svc.Proxies.RemoveFloatingIP(ctx, r.Var("server_id"), b.Remove.Address); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var addFixedIPSchema = fixed(wrapped("addFixedIp", strict(list{"networkId"}, object{"networkId": object{"type": list{"string", "integer"}, "minLength": 1}})))

// addFixedIP gives a server an address more on a network, by a port more.
func (a *floatingIPs) addFixedIP(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Add struct {
			Network rest.Text `json:"networkId"`
		} `json:"addFixedIp"`
	}](r, addFixedIPSchema)
	if err != nil {
		return nil, err
	}
	if _, err := a.svc.Interfaces.Attach(ctx, r.Var("server_id"), network.RequestedNetwork{NetworkID: string(b.Add.Network)}); err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

var removeFixedIPSchema = fixed(wrapped("removeFixedIp", strict(list{"address"}, object{"address": anyIP})))

func (a *floatingIPs) removeFixedIP(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Remove struct{ Address string } `json:"removeFixedIp"`
	}](r, removeFixedIPSchema)
	if err != nil {
		return nil, err
	}
	ports, err := a.svc.Interfaces.List(ctx, r.Var("server_id"), "os-multinic:remove")
	if err != nil {
		return nil, err
	}
	for _, p := range ports {
		for _, ip := range p.FixedIPs {
			if ip.IP.String() == b.Remove.Address {
				if err := a.svc.Interfaces.Detach(ctx, r.Var("server_id"), p.ID); err != nil {
					return nil, err
				}
				return httpx.Empty(http.StatusAccepted), nil
			}
		}
	}
	return nil, bad("Fixed IP %s is not of instance %s.", b.Remove.Address, r.Var("server_id"))
}

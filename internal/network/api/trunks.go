package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// trunkResource is /v2.0/trunks.
func trunkResource(s *network.Service) *resource[network.Trunk, network.Trunk] {
	type T = network.Trunk
	std := func(t *T) *network.Standard { return &t.Standard }
	attrs := standard(std, std, "name", "description", "tags")
	attrs = append(attrs,
		field("port_id", post, unset, toUUID, func(t *T) *string { return &t.PortID }, func(t *T) any { return t.PortID }).needed().indexed("port_id"),
		field("admin_state_up", post|put, true, toBool, func(t *T) *bool { return &t.AdminStateUp }, func(t *T) any { return t.AdminStateUp }),
		field("sub_ports", post, unset, toSubPorts, func(t *T) *[]network.SubPort { return &t.SubPorts }, func(t *T) any { return subPortList(t.SubPorts, false) }).unfiltered(),
		shown[T]("status", func(t *T) any { return t.Status }),
	)
	return &resource[T, T]{
		member: "trunk", collection: "trunks", path: "/v2.0/trunks", attrs: attrs, createBulk: true,
		id: func(t *T) string { return t.ID }, tags: func(t *T) []string { return t.Tags },
		begin: func() *T { return &T{AdminStateUp: true} },
		list:  s.Trunks, paged: true, show: s.Trunk,
		create: func(ctx context.Context, tx *store.Tx, t *T, c network.Change) (*T, error) {
			return t, s.CreateTrunk(ctx, tx, t, c)
		},
		update: s.UpdateTrunk, remove: s.DeleteTrunk,
	}
}

func toSubPort(v any) (network.SubPort, error) {
	var p network.SubPort
	m, err := object(v, "port_id", "segmentation_id", "segmentation_type")
	if err != nil {
		return p, err
	}
	if p.PortID, err = toUUID(m["port_id"]); err != nil {
		return p, err
	}
	switch kind := m["segmentation_type"]; {
	case kind == "inherit":
		return p, nil
	case kind == nil:
		err = errors.New("segmentation_type is missing")
	case kind == "vlan":
		p.Segment, err = toInt(1, 4094)(m["segmentation_id"])
	default:
		err = fmt.Errorf("'%v' is not in ['vlan', 'inherit']", show(kind))
	}
	return p, err
}

// toSubPorts reads a list in which no port and no VLAN stands twice.
func toSubPorts(v any) ([]network.SubPort, error) {
	list, err := listOf(toSubPort)(v)
	if err != nil {
		return nil, err
	}
	ports, vlans := map[string]bool{}, map[int]bool{}
	for _, p := range list {
		if ports[p.PortID] {
			return nil, fmt.Errorf("port_id '%s' is there twice", p.PortID)
		}
		if p.Segment != 0 && vlans[p.Segment] {
			return nil, fmt.Errorf("segmentation_id '%d' is there twice", p.Segment)
		}
		ports[p.PortID], vlans[p.Segment] = true, true
	}
	return list, nil
}

func subPortList(subs []network.SubPort, mac bool) []map[string]any {
	out := make([]map[string]any, len(subs))
	for i, p := range subs {
		out[i] = map[string]any{"port_id": p.PortID, "segmentation_id": p.Segment, "segmentation_type": "vlan"}
		if mac {
			out[i]["mac_address"] = p.MAC
		}
	}
	return out
}

// trunkDetails is what a parent port says of its trunk.
func trunkDetails(p *network.Port) any {
	if p.Trunk == nil {
		return nil
	}
	return map[string]any{"trunk_id": p.Trunk.ID, "sub_ports": subPortList(p.Trunk.SubPorts, true)}
}

// trunkActions are the member actions of trunks.
func (a *api) trunkActions(r *resource[network.Trunk, network.Trunk]) []httpx.Route {
	h := &handlers[network.Trunk, network.Trunk]{a, r}
	change := func(read func(any) (func(context.Context, *store.Tx, string) (*network.Trunk, error), error)) httpx.Handler {
		return func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
			list, err := listIn(req, "trunk", "sub_ports")
			if err != nil {
				return nil, err
			}
			do, err := read(list)
			if err != nil {
				return nil, badRequest("Invalid input for sub_ports. Reason: %s.", err)
			}
			var t *network.Trunk
			if err := a.db.Write(ctx, func(tx *store.Tx) (err error) {
				t, err = do(ctx, tx, req.Var("trunk_id"))
				return err
			}); err != nil {
				return nil, err
			}
			views, err := h.views(ctx, []*network.Trunk{t}, nil)
			if err != nil {
				return nil, err
			}
			return httpx.JSON(http.StatusOK, views[0]), nil // as Neutron: not wrapped
		}
	}
	add := change(func(v any) (func(context.Context, *store.Tx, string) (*network.Trunk, error), error) {
		subs, err := toSubPorts(v)
		return func(ctx context.Context, tx *store.Tx, id string) (*network.Trunk, error) {
			return a.svc.AddSubPorts(ctx, tx, id, subs)
		}, err
	})
	remove := change(func(v any) (func(context.Context, *store.Tx, string) (*network.Trunk, error), error) {
		subs, err := listOf(func(v any) (string, error) {
			m, err := object(v, "port_id", "segmentation_id", "segmentation_type")
			if err != nil {
				return "", err
			}
			return toUUID(m["port_id"])
		})(v)
		return func(ctx context.Context, tx *store.Tx, id string) (*network.Trunk, error) {
			return a.svc.RemoveSubPorts(ctx, tx, id, subs)
		}, err
	})
	get := func(ctx context.Context, req *httpx.Request) (*httpx.Response, error) {
		t, err := a.svc.Trunk(ctx, req.Var("trunk_id"))
		if err != nil {
			return nil, err
		}
		return httpx.JSON(http.StatusOK, map[string]any{"sub_ports": subPortList(t.SubPorts, false)}), nil
	}
	base := "/v2.0/trunks/{trunk_id}/"
	return []httpx.Route{
		{Method: http.MethodGet, Path: base + "get_subports", Policy: "get_subports", Handler: get},
		{Method: http.MethodPut, Path: base + "add_subports", Policy: "add_subports", Handler: add},
		{Method: http.MethodPut, Path: base + "remove_subports", Policy: "remove_subports", Handler: remove},
	}
}

package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// trunks is /v2.0/trunks.
func (a *api) trunks() []httpx.Route {
	type T = network.Trunk
	s, std := a.svc.Trunks, func(v *T) *network.Standard { return &v.Standard }
	c := &rest.Resource[T, change.Patch[T], change.Patch[T]]{
		Path: "/v2.0/trunks", One: "trunk", Many: "trunks", ID: func(v *T) string { return v.ID },
		List: s.List, Show: s.Show, Create: s.Create, CreateMany: s.CreateMany, Update: s.Update, Delete: s.Delete,
	}
	out := collection(a, c, rest.NewAttributes(slices.Concat(own(std, std), described(std, std), []rest.Attribute[T, T]{
		rest.Attr("port_id", rest.Post, rest.Unset, toUUID, func(v *T) *string { return &v.PortID }).Needed().By("port_id"),
		rest.Attr("admin_state_up", rest.Both, true, toBool, func(v *T) *bool { return &v.AdminStateUp }).By("admin_state_up"),
		rest.Asked("sub_ports", rest.Post, rest.Unset, toSubPorts, func(v *T) *[]network.SubPort { return &v.SubPorts },
			func(w *rest.Writer, key string, v *T) { writeSubPorts(w, key, v.SubPorts, false) }),
		rest.ReadOnly[T]("status", func(w *rest.Writer, key string, v *T) { w.Text(key, v.Status) }).By("status"),
	})...))
	bare := *c // actions answer with the trunk alone
	bare.One = ""
	return append(out, a.subPorts(&bare)...)
}

// subPorts are the actions on the ports that a trunk carries.
func (a *api) subPorts(c *rest.Resource[network.Trunk, change.Patch[network.Trunk], change.Patch[network.Trunk]]) []httpx.Route {
	s := a.svc.Trunks
	get := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		t, err := s.Show(ctx, r.Var("trunk_id"))
		if err != nil {
			return nil, err
		}
		return rest.Answer(http.StatusOK, func(w *rest.Writer) {
			w.Object("", func() { writeSubPorts(w, "sub_ports", t.SubPorts, false) })
		}), nil
	}
	add := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		more, err := subPortsIn(r, toSubPorts)
		if err != nil {
			return nil, err
		}
		t, err := s.AddSubPorts(ctx, r.Var("trunk_id"), more)
		return c.Answer(ctx, r, http.StatusOK, t, err)
	}
	remove := func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		ports, err := subPortsIn(r, listOf(toPortOf))
		if err != nil {
			return nil, err
		}
		t, err := s.RemoveSubPorts(ctx, r.Var("trunk_id"), ports)
		return c.Answer(ctx, r, http.StatusOK, t, err)
	}
	base := "/v2.0/trunks/{trunk_id}/"
	return []httpx.Route{
		{Method: http.MethodGet, Path: base + "get_subports", Policy: "get_subports", Handler: get},
		{Method: http.MethodPut, Path: base + "add_subports", Policy: "add_subports", Handler: add},
		{Method: http.MethodPut, Path: base + "remove_subports", Policy: "remove_subports", Handler: remove},
	}
}

// subPortsIn reads the sub-ports that an action names.
func subPortsIn[E any](r *httpx.Request, read func(any) ([]E, error)) ([]E, error) {
	list, err := listIn(r, "trunk", "sub_ports")
	if err != nil {
		return nil, err
	}
	out, err := read(list)
	if err != nil {
		return nil, badRequest("Invalid input for sub_ports. Reason: %s.", err)
	}
	return out, nil
}

// toPortOf reads which port a sub-port is.
func toPortOf(v any) (string, error) {
	m, err := toObject(v, "port_id", "segmentation_id", "segmentation_type")
	if err != nil {
		return "", err
	}
	return toUUID(m["port_id"])
}

func toSubPort(v any) (network.SubPort, error) {
	var p network.SubPort
	m, err := toObject(v, "port_id", "segmentation_id", "segmentation_type")
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

func writeSubPorts(w *rest.Writer, key string, subs []network.SubPort, mac bool) {
	w.List(key, func() {
		for _, p := range subs {
			w.Object("", func() {
				w.Text("port_id", p.PortID)
				w.Int("segmentation_id", int64(p.Segment))
				w.Text("segmentation_type", "vlan")
				if mac {
					w.Text("mac_address", p.MAC)
				}
			})
		}
	})
}

// writeTrunkDetails writes what a parent port says of its trunk.
func writeTrunkDetails(w *rest.Writer, key string, p *network.Port) {
	if p.Trunk == nil {
		w.Null(key)
		return
	}
	w.Object(key, func() {
		w.Text("trunk_id", p.Trunk.ID)
		writeSubPorts(w, "sub_ports", p.Trunk.SubPorts, true)
	})
}

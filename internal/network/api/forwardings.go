package api

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// forwardings is /v2.0/floatingips/{floatingip_id}/port_forwardings.
func (a *api) forwardings() []httpx.Route {
	type F = network.PortForwarding
	attrs := []rest.Attribute[F, F]{
		rest.ReadOnly[F]("id", func(w *rest.Writer, key string, f *F) { w.Text(key, f.ID) }).By("id"),
		rest.Attr("internal_port_id", rest.Both, rest.Unset, toUUID, func(f *F) *string { return &f.PortID }).Needed().By("port_id"),
		matching(rest.Asked("internal_ip_address", rest.Both, rest.Unset, toAddr, func(f *F) *netip.Addr { return &f.InternalIP },
			func(w *rest.Writer, key string, f *F) { w.Text(key, f.InternalIP.String()) }), "internal_ip", wanted(toAddr)),
		rest.Attr("protocol", rest.Both, rest.Unset, toChoice("tcp", "udp", "sctp"), func(f *F) *string { return &f.Protocol }).Needed().By("protocol"),
		matching(rest.Attr("description", rest.Both, "", toText(255), func(f *F) *string { return &f.Description }), "description", nil),
		rest.Asked[F, F]("project_id", rest.Post, rest.Unset, toText(255), func(f *F) *string { return &f.ProjectID }, nil),
		rest.Asked[F, F]("tenant_id", rest.Post, rest.Unset, toText(255), func(f *F) *string { return &f.ProjectID }, nil),
		rest.ReadOnly[F]("revision_number", func(w *rest.Writer, key string, f *F) { w.Int(key, f.Revision) }).By("revision").Whole(),
	}
	for _, s := range sides() {
		attrs = append(attrs, s.one(), s.several())
	}
	c := &rest.Resource[F, change.Patch[F], change.Patch[F]]{
		Path: "/v2.0/floatingips/{floatingip_id}/port_forwardings", One: "port_forwarding", Many: "port_forwardings",
		ID:    func(f *F) string { return f.ID },
		Rule:  rules("floatingip_port_forwarding"),
		Verbs: "list show create update delete",
		Bind: func(c *rest.Resource[F, change.Patch[F], change.Patch[F]], r *httpx.Request) {
			of := a.svc.Forwardings.Of(r.Var("floatingip_id"))
			c.List, c.Show, c.Create, c.Update, c.Delete = of.List, of.Show, of.Create, of.Update, of.Delete
		},
	}
	out := collection(a, c, rest.NewAttributes(attrs...))
	create, update := c.ReadNew, c.ReadPatch
	c.ReadNew = func(r *httpx.Request) (change.Patch[F], error) {
		p, err := create(r)
		if err == nil {
			err = oneForm(p)
		}
		if err != nil {
			return p, err
		}
		var f F
		if err := p.To(&f); err != nil {
			return p, err
		}
		if f.InternalPort == 0 || f.ExternalPort == 0 {
			return p, badRequest("Invalid input for operation: internal_port and external_port are needed.")
		}
		return p, nil
	}
	c.ReadPatch = func(r *httpx.Request) (change.Patch[F], error) {
		p, err := update(r)
		if err == nil {
			err = oneForm(p)
		}
		return p, err
	}
	return out
}

// side is one side of a forwarding: one port, or a range of them.
type side struct {
	name string // "internal"
	at   func(f *network.PortForwarding) (first, last *int)
}

func sides() []side {
	return []side{
		{"internal", func(f *network.PortForwarding) (*int, *int) { return &f.InternalPort, &f.InternalLast }},
		{"external", func(f *network.PortForwarding) (*int, *int) { return &f.ExternalPort, &f.ExternalLast }},
	}
}

// write writes both attributes; the single port is null where there is a range.
func (s side) write(w *rest.Writer, f *network.PortForwarding) {
	s.writeOne(w, s.name+"_port", f)
	s.writeRange(w, s.name+"_port_range", f)
}

func (s side) writeOne(w *rest.Writer, key string, f *network.PortForwarding) {
	if first, last := s.at(f); *last <= *first {
		w.Int(key, int64(*first))
		return
	}
	w.Null(key)
}

func (s side) writeRange(w *rest.Writer, key string, f *network.PortForwarding) {
	first, last := s.at(f)
	w.Text(key, strconv.Itoa(*first)+":"+strconv.Itoa(max(*first, *last)))
}

func (s side) one() rest.Attribute[network.PortForwarding, network.PortForwarding] {
	return rest.Set(s.name+"_port", rest.Both, rest.Unset, func(f *network.PortForwarding, v any) error {
		n, err := toInt(1, 65535)(v)
		first, last := s.at(f)
		*first, *last = n, 0
		return err
	}, s.writeOne).By(s.name + "_port").Filtered(func(values []string) ([]store.Cond, error) {
		var ports []int
		for _, text := range values {
			n, err := toInt(1, 65535)(text)
			if err != nil {
				return nil, badRequest("Invalid input for %s_port. Reason: %s.", s.name, err)
			}
			ports = append(ports, n)
		}
		return []store.Cond{store.In(s.name+"_port", ports), store.Eq(s.name+"_last", 0)}, nil
	})
}

func (s side) several() rest.Attribute[network.PortForwarding, network.PortForwarding] {
	return rest.Set(s.name+"_port_range", rest.Both, rest.Unset, func(f *network.PortForwarding, v any) error {
		first, last := s.at(f)
		var err error
		if *first, *last, err = toRange(show(v)); *first == *last {
			*last = 0
		}
		return err
	}, s.writeRange).Filtered(func(values []string) ([]store.Cond, error) {
		from, to, err := toRange(values[0])
		switch {
		case err != nil:
			return []store.Cond{none}, nil
		case from == to:
			to = 0
		}
		return []store.Cond{store.Eq(s.name+"_port", from), store.Eq(s.name+"_last", to)}, nil
	})
}

// toRange reads "FIRST:LAST", or one port.
func toRange(text string) (from, to int, err error) {
	low, high, isRange := strings.Cut(text, ":")
	if !isRange {
		high = low
	}
	from, err = toInt(1, 65535)(low)
	to, err2 := toInt(1, 65535)(high)
	if err != nil || err2 != nil || from > to {
		return 0, 0, fmt.Errorf("'%s' is not a valid port range", text)
	}
	return from, to, nil
}

// oneForm refuses a port and a range of it in one request.
func oneForm(p change.Patch[network.PortForwarding]) error {
	for _, s := range sides() {
		if p.Has(s.name+"_port") && p.Has(s.name+"_port_range") {
			return badRequest("Invalid input for operation: %s_port and %s_port_range cannot both be given.", s.name, s.name)
		}
	}
	return nil
}

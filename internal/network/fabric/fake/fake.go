// Package fake is a fabric in memory. It behaves like a real one as far as the
// service can see: a guest's port comes up as soon as it is bound to a host,
// goes down when it is not, and a full statement removes what it does not name.
// It can be told to fail, to forget everything, and shows what it was told.
package fake

import (
	"context"
	"slices"
	"strings"
	"sync"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/network/fabric"
)

// Fabric is the fake. The zero value is ready to use.
type Fabric struct {
	mu        sync.Mutex
	notify    func(fabric.Event)
	networks  map[string]fabric.Network
	ports     map[string]fabric.Port
	groups    map[string]fabric.Group
	addresses map[string]fabric.Addresses
	routers   map[string]fabric.Router
	up        map[string]bool
	chassis   []fabric.Chassis
	fail      error
	held      bool
	applied   int
}

// New returns an empty fabric with one chassis.
func New() *Fabric {
	f := &Fabric{chassis: []fabric.Chassis{{ID: "fake", Host: "fake", Mappings: map[string]string{"outside": "br-kumoi"}, Encaps: []string{"geneve"}}}}
	f.reset()
	return f
}

func (f *Fabric) reset() {
	f.networks, f.ports, f.groups = map[string]fabric.Network{}, map[string]fabric.Port{}, map[string]fabric.Group{}
	f.addresses, f.routers, f.up = map[string]fabric.Addresses{}, map[string]fabric.Router{}, map[string]bool{}
}

// Start takes the listener.
func (f *Fabric) Start(_ context.Context, notify func(fabric.Event)) error {
	f.mu.Lock()
	f.notify = notify
	f.mu.Unlock()
	notify(fabric.Event{Kind: fabric.Resync})
	return nil
}

// Stop drops the listener.
func (f *Fabric) Stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notify = nil
}

// Apply makes the statement so.
func (f *Fabric) Apply(_ context.Context, s fabric.Statement) error {
	f.mu.Lock()
	if f.fail != nil {
		defer f.mu.Unlock()
		return errs.Wrap(errs.Unavailable, f.fail, "The fabric is away.")
	}
	stated := map[string]bool{}
	for _, n := range s.Networks {
		stated[n.ID] = true
	}
	for _, p := range s.Ports {
		_, there := f.networks[p.NetworkID]
		if !stated[p.NetworkID] && (!there || s.Full) {
			f.mu.Unlock()
			return errs.New(errs.Conflict, "Port %s is on network %s, which the fabric was not told of.", p.ID, p.NetworkID)
		}
	}
	f.applied++
	if s.Full {
		up := f.up
		f.reset()
		f.up = up
	}
	for _, k := range s.Gone {
		switch k.Kind {
		case fabric.KindNetwork:
			delete(f.networks, k.ID)
		case fabric.KindPort:
			delete(f.ports, k.ID)
		case fabric.KindGroup:
			delete(f.groups, k.ID)
		case fabric.KindAddresses:
			delete(f.addresses, k.ID)
		case fabric.KindRouter:
			delete(f.routers, k.ID)
		}
	}
	for _, n := range s.Networks {
		f.networks[n.ID] = n
	}
	for _, p := range s.Ports {
		f.ports[p.ID] = p
	}
	for _, g := range s.Groups {
		f.groups[g.ID] = g
	}
	for _, a := range s.Addresses {
		f.addresses[a.ID] = a
	}
	for _, r := range s.Routers {
		f.routers[r.ID] = r
	}
	events, notify := f.plug(), f.notify
	f.mu.Unlock()
	if notify != nil {
		for _, e := range events {
			notify(e)
		}
	}
	return nil
}

// plug brings ports up or down as they are bound.
func (f *Fabric) plug() []fabric.Event {
	var out []fabric.Event
	for id, p := range f.ports {
		plugged := strings.HasPrefix(p.DeviceOwner, "compute:") || p.Parent != ""
		want := p.Role == fabric.RoleGuest && p.Host != "" && plugged && !f.held
		if want && !f.up[id] {
			f.up[id] = true
			out = append(out, fabric.Event{Kind: fabric.PortUp, PortID: id, Host: p.Host})
		} else if !want && f.up[id] && p.Host == "" {
			delete(f.up, id)
			out = append(out, fabric.Event{Kind: fabric.PortDown, PortID: id})
		}
	}
	for id := range f.up {
		if _, ok := f.ports[id]; !ok {
			delete(f.up, id)
		}
	}
	return out
}

// Chassis lists the hosts set with SetChassis.
func (f *Fabric) Chassis(context.Context) ([]fabric.Chassis, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.chassis), nil
}

// SetChassis replaces the list of hosts.
func (f *Fabric) SetChassis(cs ...fabric.Chassis) {
	f.mu.Lock()
	f.chassis = cs
	notify := f.notify
	f.mu.Unlock()
	if notify != nil {
		notify(fabric.Event{Kind: fabric.ChassisNews})
	}
}

// Fail makes every Apply fail until it is called with nil; then the fabric is
// back and asks for everything.
func (f *Fabric) Fail(err error) {
	f.mu.Lock()
	back := f.fail != nil && err == nil
	f.fail = err
	notify := f.notify
	f.mu.Unlock()
	if back && notify != nil {
		notify(fabric.Event{Kind: fabric.Resync})
	}
}

// Hold keeps ports from coming up until it is called with false.
func (f *Fabric) Hold(held bool) {
	f.mu.Lock()
	f.held = held
	events, notify := f.plug(), f.notify
	f.mu.Unlock()
	if notify != nil {
		for _, e := range events {
			notify(e)
		}
	}
}

// Forget loses everything, as a fabric whose database was deleted.
func (f *Fabric) Forget() {
	f.mu.Lock()
	f.reset()
	notify := f.notify
	f.mu.Unlock()
	if notify != nil {
		notify(fabric.Event{Kind: fabric.Resync})
	}
}

// Applied counts the statements so far.
func (f *Fabric) Applied() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applied
}

// Network shows what the fabric was told of a network.
func (f *Fabric) Network(id string) (fabric.Network, bool) { return get(f, &f.networks, id) }

// Port shows what the fabric was told of a port.
func (f *Fabric) Port(id string) (fabric.Port, bool) { return get(f, &f.ports, id) }

// Group shows what the fabric was told of a security group.
func (f *Fabric) Group(id string) (fabric.Group, bool) { return get(f, &f.groups, id) }

// Addresses shows what the fabric was told of an address group.
func (f *Fabric) Addresses(id string) (fabric.Addresses, bool) { return get(f, &f.addresses, id) }

// Router shows what the fabric was told of a router.
func (f *Fabric) Router(id string) (fabric.Router, bool) { return get(f, &f.routers, id) }

// Len counts networks, ports, groups and routers.
func (f *Fabric) Len() (networks, ports, groups, routers int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.networks), len(f.ports), len(f.groups), len(f.routers)
}

func get[T any](f *Fabric, m *map[string]T, id string) (T, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v, ok := (*m)[id]
	return v, ok
}

package ovn

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/ovn-kubernetes/libovsdb/cache"
	"github.com/ovn-kubernetes/libovsdb/model"

	"kumoi/internal/network/fabric"
)

// events follows the southbound database and tells what changed. It looks at
// how things are, not at what is said to have happened, so that news which
// arrive late or twice do no harm.
type events struct {
	mu     sync.Mutex // held while news are told, which keeps them in order
	notify func(fabric.Event)
	from   *cache.TableCache
	ports  map[string]portState

	hostsMu sync.Mutex
	known   bool
	chassis []fabric.Chassis
}

type portState struct {
	up   bool
	host string
}

func (e *events) start(notify func(fabric.Event)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify, e.ports = notify, map[string]portState{}
}

func (e *events) send(ev fabric.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notify(ev)
}

// hosts lists the chassis as last seen; false if none were seen yet.
func (e *events) hosts() ([]fabric.Chassis, bool) {
	e.hostsMu.Lock()
	defer e.hostsMu.Unlock()
	return slices.Clone(e.chassis), e.known
}

func (e *events) ready() bool {
	_, ok := e.hosts()
	return ok
}

// follow begins to report from a new copy of the database: first whatever
// differs from the one before.
func (e *events) follow(from *cache.TableCache) {
	if from == nil {
		return
	}
	from.AddEventHandler(&cache.EventHandlerFuncs{
		AddFunc:    func(table string, m model.Model) { e.look(from, table, m) },
		UpdateFunc: func(table string, _, m model.Model) { e.look(from, table, m) },
		DeleteFunc: func(table string, m model.Model) { e.look(from, table, m) },
	})
	e.mu.Lock()
	defer e.mu.Unlock()
	e.from = from
	e.lookHosts()
	gone := map[string]bool{}
	for id := range e.ports {
		gone[id] = true
	}
	for _, m := range from.Table(tableBinding).RowsShallow() {
		if b, ok := m.(*portBinding); ok && b.Type == "" {
			delete(gone, b.LogicalPort)
			e.lookPort(b.LogicalPort)
		}
	}
	for id := range gone {
		e.lookPort(id)
	}
}

func (e *events) look(from *cache.TableCache, table string, m model.Model) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.from != from {
		return // of a connection that is no more
	}
	switch table {
	case tableBinding:
		if b, ok := m.(*portBinding); ok && b.Type == "" {
			e.lookPort(b.LogicalPort)
		}
	case tableChassis, tableEncap:
		e.lookHosts()
	}
}

// lookPort reports the port if it is not as last told.
func (e *events) lookPort(id string) {
	now, there := e.port(id)
	old, told := e.ports[id]
	if there {
		e.ports[id] = now
	} else {
		delete(e.ports, id)
	}
	switch {
	case told && now == old, !told && !there:
	case now.up:
		e.notify(fabric.Event{Kind: fabric.PortUp, PortID: id, Host: now.host})
	case old.up || !told:
		e.notify(fabric.Event{Kind: fabric.PortDown, PortID: id})
	}
}

func (e *events) port(id string) (portState, bool) {
	_, m, err := e.from.Table(tableBinding).RowByModel(&portBinding{LogicalPort: id})
	b, ok := m.(*portBinding)
	if err != nil || !ok {
		return portState{}, false
	}
	if b.Chassis == nil || b.Up == nil || !*b.Up {
		return portState{}, true
	}
	c, ok := e.from.Table(tableChassis).Row(*b.Chassis).(*chassis)
	if !ok {
		return portState{}, true
	}
	return portState{up: true, host: c.Hostname}, true
}

// lookHosts reports that the list of chassis changed, if it did.
func (e *events) lookHosts() {
	var now []fabric.Chassis
	for _, m := range e.from.Table(tableChassis).RowsShallow() {
		if c, ok := m.(*chassis); ok {
			now = append(now, e.host(c))
		}
	}
	slices.SortFunc(now, func(a, b fabric.Chassis) int {
		return cmp.Or(strings.Compare(a.Host, b.Host), strings.Compare(a.ID, b.ID))
	})
	e.hostsMu.Lock()
	first, old := !e.known, e.chassis
	e.known, e.chassis = true, now
	e.hostsMu.Unlock()
	if first || !reflect.DeepEqual(old, now) {
		e.notify(fabric.Event{Kind: fabric.ChassisNews})
	}
}

func (e *events) host(c *chassis) fabric.Chassis {
	out := fabric.Chassis{ID: c.Name, Host: c.Hostname, Mappings: map[string]string{}}
	for pair := range strings.SplitSeq(c.OtherConfig["ovn-bridge-mappings"], ",") {
		if physical, bridge, ok := strings.Cut(strings.TrimSpace(pair), ":"); ok {
			out.Mappings[physical] = bridge
		}
	}
	for _, id := range c.Encaps {
		if t, ok := e.from.Table(tableEncap).Row(id).(*encap); ok && !slices.Contains(out.Encaps, t.Type) {
			out.Encaps = append(out.Encaps, t.Type)
		}
	}
	slices.Sort(out.Encaps)
	return out
}

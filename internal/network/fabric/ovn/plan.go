package ovn

import (
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/network/fabric"
)

// known is the northbound database as it is.
type known interface {
	row(table, uuid string) row                     // nil if there is none
	has(table, uuid string) bool                    // cheaper
	owned(table, kind, id string) []row             // the rows of a resource
	each(table string, fn func(uuid string, r row)) // all rows; fn must not keep them
}

type rowKey struct{ table, uuid string }

// set is a column whose members are changed one by one.
type set struct {
	rowKey
	column string
}

// plan is what a statement comes to.
type plan struct {
	known known
	hosts []fabric.Chassis

	rows   map[rowKey]row // as they should be
	ensure map[rowKey]row // there must be one; how it is, is another statement's matter
	enter  map[set]map[string]bool
	leave  map[set]map[string]bool
	drop   map[rowKey]bool
	// relet are networks whose leases are stated while their ports may not be.
	relet []string
}

func newPlan(k known, hosts []fabric.Chassis) *plan {
	return &plan{
		known: k, hosts: hosts, rows: map[rowKey]row{}, ensure: map[rowKey]row{},
		enter: map[set]map[string]bool{}, leave: map[set]map[string]bool{}, drop: map[rowKey]bool{},
	}
}

// state takes the statement in.
func (p *plan) state(s fabric.Statement) error {
	keys := slices.Clone(s.Gone)
	add := func(kind, id string, rows []row) {
		for _, r := range rows {
			p.rows[rowKey{r.table(), r.key()}] = r
		}
		keys = append(keys, fabric.Key{Kind: kind, ID: id})
	}
	for _, n := range s.Networks {
		add(fabric.KindNetwork, n.ID, networkRows(n))
		p.relet = append(p.relet, n.ID)
	}
	for _, a := range s.Addresses {
		add(fabric.KindAddresses, a.ID, addressesRows(a))
	}
	for _, g := range s.Groups {
		add(fabric.KindGroup, g.ID, groupRows(g))
	}
	for _, r := range s.Routers {
		add(fabric.KindRouter, r.ID, routerRows(r, p.hosts))
	}
	for _, port := range s.Ports {
		ls := switchOf(port.NetworkID)
		if p.rows[rowKey{tableSwitch, ls}] == nil && !p.known.has(tableSwitch, ls) {
			return errs.New(errs.Conflict, "Port %s is on network %s, which OVN was not told of.", port.ID, port.NetworkID)
		}
		add(fabric.KindPort, port.ID, portRows(port, p.lease))
	}
	if s.Full {
		for _, r := range commonRows() {
			p.rows[rowKey{r.table(), r.key()}] = r
		}
	}
	p.named(s.Groups)
	p.members()
	if s.Full {
		p.strangers()
	} else {
		for _, k := range keys {
			p.leftovers(k)
		}
		p.reletPorts()
	}
	return nil
}

// lease is the subnet's as stated now, or as it was.
func (p *plan) lease(subnet string) *lease {
	k := rowKey{tableLease, leaseOf(subnet)}
	if l, ok := p.rows[k].(*lease); ok {
		return l
	}
	if l, ok := p.known.row(k.table, k.uuid).(*lease); ok && !slices.Contains(p.relet, l.ExternalIDs[idKey]) {
		return l
	}
	return nil
}

// named makes sure of the sets that rules name: OVN ignores a rule that names
// one which is not there.
func (p *plan) named(groups []fabric.Group) {
	for _, g := range groups {
		for _, r := range g.Rules {
			if r.RemoteGroup != "" {
				p.sure(emptyGroup(r.RemoteGroup))
			}
			if r.RemoteAddresses != "" {
				p.sure(emptyAddresses(r.RemoteAddresses, r.IPv6))
			}
		}
	}
}

func (p *plan) sure(r row) {
	p.ensure[rowKey{r.table(), r.key()}] = r
}

// members puts switch ports into their switch and groups, and names into their network.
func (p *plan) members() {
	for k, r := range p.rows {
		switch r := r.(type) {
		case *dnsRecords:
			p.change(p.enter, tableSwitch, switchOf(r.ExternalIDs[networkKey]), "dns_records", k.uuid)
		case *qosRule:
			p.change(p.enter, tableSwitch, switchOf(r.ExternalIDs[networkKey]), "qos_rules", k.uuid)
		case *switchPort:
			p.change(p.enter, tableSwitch, switchOf(r.ExternalIDs[networkKey]), "ports", k.uuid)
			groups := strings.Fields(r.ExternalIDs[groupsKey])
			for _, g := range groups {
				p.change(p.enter, tablePortGroup, p.group(g), "ports", k.uuid)
			}
			old, ok := p.known.row(k.table, k.uuid).(*switchPort)
			if !ok {
				continue
			}
			for _, g := range strings.Fields(old.ExternalIDs[groupsKey]) {
				if !slices.Contains(groups, g) {
					p.change(p.leave, tablePortGroup, groupUUID(g), "ports", k.uuid)
				}
			}
		}
	}
}

func groupUUID(name string) string {
	if name == commonGroup {
		return commonUUID()
	}
	return groupOf(name)
}

// group makes sure of a group that a port is in.
func (p *plan) group(name string) string {
	if name != commonGroup {
		p.sure(emptyGroup(name))
		return groupOf(name)
	}
	if !p.known.has(tablePortGroup, commonUUID()) {
		for _, r := range commonRows() {
			p.sure(r)
		}
	}
	return commonUUID()
}

func (p *plan) change(in map[set]map[string]bool, table, uuid, column, member string) {
	k := set{rowKey{table, uuid}, column}
	if in[k] == nil {
		in[k] = map[string]bool{}
	}
	in[k][member] = true
}

// wanted tells whether the row is part of what should be.
func (p *plan) wanted(k rowKey) bool {
	return p.rows[k] != nil || p.ensure[k] != nil
}

// leftovers removes what the fabric has of a resource beside what is stated.
func (p *plan) leftovers(k fabric.Key) {
	for _, table := range ownedTables() {
		for _, r := range p.known.owned(table, k.Kind, k.ID) {
			p.remove(r)
		}
	}
}

// strangers removes whatever of ours is not stated.
func (p *plan) strangers() {
	for _, table := range ownedTables() {
		p.known.each(table, func(_ string, r row) {
			if r.ids()[kindKey] != "" {
				p.remove(r)
			}
		})
	}
	p.known.each(tablePortGroup, func(uuid string, r row) {
		pg, ok := r.(*portGroup)
		if !ok || pg.ExternalIDs[kindKey] == "" {
			return
		}
		for _, port := range pg.Ports {
			if !p.enter[set{rowKey{tablePortGroup, uuid}, "ports"}][port] {
				p.change(p.leave, tablePortGroup, uuid, "ports", port)
			}
		}
	})
}

// remove lets a row go, unless it is wanted.
func (p *plan) remove(r row) {
	k := rowKey{r.table(), r.key()}
	if p.wanted(k) {
		return
	}
	switch r := r.(type) {
	case *switchPort:
		// It goes when its switch lets it go; its memberships go with it.
		p.change(p.leave, tableSwitch, switchOf(r.ExternalIDs[networkKey]), "ports", k.uuid)
		return
	case *qosRule:
		p.change(p.leave, tableSwitch, switchOf(r.ExternalIDs[networkKey]), "qos_rules", k.uuid)
		return
	}
	p.drop[k] = true
}

// reletPorts refers the ports of networks stated without them to the leases as
// they are now.
func (p *plan) reletPorts() {
	for _, network := range p.relet {
		if !p.leasesChanged(network) {
			continue
		}
		ls, ok := p.known.row(tableSwitch, switchOf(network)).(*logicalSwitch)
		if !ok {
			continue
		}
		for _, uuid := range ls.Ports {
			k := rowKey{tableSwitchPort, uuid}
			port, ok := p.known.row(k.table, uuid).(*switchPort)
			if !ok || p.rows[k] != nil || port.ExternalIDs[kindKey] != fabric.KindPort || port.ExternalIDs[subnetsKey] == "" {
				continue
			}
			id := port.ExternalIDs[idKey]
			if p.leaving(network, uuid) {
				continue
			}
			for _, own := range applyLease(port, id, p.lease) {
				p.rows[rowKey{own.table(), own.key()}] = own
			}
			p.rows[k] = port
			for _, l := range p.known.owned(tableLease, fabric.KindPort, id) {
				p.remove(l)
			}
		}
	}
}

func (p *plan) leaving(network, port string) bool {
	return p.leave[set{rowKey{tableSwitch, switchOf(network)}, "ports"}][port]
}

func (p *plan) leasesChanged(network string) bool {
	seen := 0
	for _, r := range p.known.owned(tableLease, fabric.KindNetwork, network) {
		now := p.rows[rowKey{tableLease, r.key()}]
		if now == nil || len(changed(r, now)) > 0 {
			return true
		}
		seen++
	}
	for _, r := range p.rows {
		if l, ok := r.(*lease); ok && l.ExternalIDs[kindKey] == fabric.KindNetwork && l.ExternalIDs[idKey] == network {
			seen--
		}
	}
	return seen != 0
}

package network

import (
	"context"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// A transaction says what it touched; once committed, the projector states it
// to the fabric.

func (p *projector) touch(tx *store.Tx, kind, id string) {
	if id != "" {
		tx.AfterCommit(func() { p.mark(fabric.Key{Kind: kind, ID: id}) })
	}
}

func (p *projector) touchNetwork(tx *store.Tx, id string)   { p.touch(tx, fabric.KindNetwork, id) }
func (p *projector) touchRouter(tx *store.Tx, id string)    { p.touch(tx, fabric.KindRouter, id) }
func (p *projector) touchGroup(tx *store.Tx, id string)     { p.touch(tx, fabric.KindGroup, id) }
func (p *projector) touchAddresses(tx *store.Tx, id string) { p.touch(tx, fabric.KindAddresses, id) }

// touchPort marks a port, and what its role makes depend on it.
func (p *projector) touchPort(tx *store.Tx, port *Port) {
	p.touch(tx, fabric.KindPort, port.ID)
	switch {
	case port.HeldAs == OwnerDistributed:
		p.touchNetwork(tx, port.NetworkID) // leases name the metadata address
	case port.router() != "":
		p.touchRouter(tx, port.router())
	}
}

// touchRoutersOf marks the routers that have an interface on the network.
func (p *projector) touchRoutersOf(ctx context.Context, tx *store.Tx, networkID string) error {
	ps, err := p.s.Ports.table.All(ctx, tx, store.Eq("network_id", networkID), store.In("held_as", routerOwners))
	for _, port := range ps {
		p.touchRouter(tx, port.HeldBy)
	}
	return err
}

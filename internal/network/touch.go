package network

import (
	"context"

	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// A transaction says what it touched; once committed, the projector states it
// to the fabric.

func (s *Service) touch(tx *store.Tx, kind, id string) {
	if id != "" {
		tx.AfterCommit(func() { s.projector.mark(fabric.Key{Kind: kind, ID: id}) })
	}
}

func (s *Service) touchNetwork(tx *store.Tx, id string)   { s.touch(tx, fabric.KindNetwork, id) }
func (s *Service) touchRouter(tx *store.Tx, id string)    { s.touch(tx, fabric.KindRouter, id) }
func (s *Service) touchGroup(tx *store.Tx, id string)     { s.touch(tx, fabric.KindGroup, id) }
func (s *Service) touchAddresses(tx *store.Tx, id string) { s.touch(tx, fabric.KindAddresses, id) }

// touchPort marks a port, and what its role makes depend on it.
func (s *Service) touchPort(tx *store.Tx, p *Port) {
	s.touch(tx, fabric.KindPort, p.ID)
	switch {
	case p.HeldAs == OwnerDistributed:
		s.touchNetwork(tx, p.NetworkID) // leases name the metadata address
	case p.router() != "":
		s.touchRouter(tx, p.router())
	}
}

// touchRoutersOfNetwork marks the routers that have an interface on the network.
func (s *Service) touchRoutersOfNetwork(ctx context.Context, tx *store.Tx, networkID string) error {
	ps, err := s.Ports.table.All(ctx, tx, store.Eq("network_id", networkID), store.In("held_as", routerOwners))
	for _, p := range ps {
		s.touchRouter(tx, p.HeldBy)
	}
	return err
}

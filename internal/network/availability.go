package network

import (
	"context"
	"math/big"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// IPAvailability counts the addresses of a network.
type IPAvailability struct {
	Network *Network
	Total   *big.Int
	Used    int64
	Subnets []SubnetAvailability
}

// SubnetAvailability counts the addresses of a subnet.
type SubnetAvailability struct {
	Subnet *Subnet
	Total  *big.Int
	Used   int64
}

// IPAvailabilities counts addresses in the networks; an id narrows it to one.
func (s *Service) IPAvailabilities(ctx context.Context, id string) ([]*IPAvailability, error) {
	if err := s.check(ctx, "get_network_ip_availability", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return nil, err
	}
	var out []*IPAvailability
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		out = nil
		q := store.Query{Sort: oldestFirst}
		if id != "" {
			q = q.Filter(store.Eq("id", id))
		}
		ns, err := s.Networks.listTx(ctx, tx, q)
		if err != nil {
			return err
		}
		if id != "" && len(ns.Rows) == 0 {
			return s.Networks.notFound(id)
		}
		for _, n := range ns.Rows {
			a, err := s.countAddresses(ctx, tx, n)
			if err != nil {
				return err
			}
			out = append(out, a)
		}
		return nil
	})
	return out, err
}

func (s *Service) countAddresses(ctx context.Context, tx *store.Tx, n *Network) (*IPAvailability, error) {
	subs, err := s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
	if err != nil {
		return nil, err
	}
	slices.SortFunc(subs, func(a, b *Subnet) int { return a.CreatedAt.Compare(b.CreatedAt) })
	a := &IPAvailability{Network: n, Total: new(big.Int)}
	for _, sub := range subs {
		c := SubnetAvailability{Subnet: sub, Total: new(big.Int)}
		for _, p := range sub.Pools {
			c.Total.Add(c.Total, distance(p.Start, p.End))
		}
		if c.Used, err = s.allocations.Count(ctx, tx, store.Eq("subnet_id", sub.ID)); err != nil {
			return nil, err
		}
		a.Total.Add(a.Total, c.Total)
		a.Used += c.Used
		a.Subnets = append(a.Subnets, c)
	}
	return a, nil
}

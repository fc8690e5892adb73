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
		f := Filter{}
		if id != "" {
			f.IDs = []string{id}
		}
		ns, err := networks.list(ctx, s, tx, f)
		if err != nil {
			return err
		}
		if id != "" && len(ns) == 0 {
			return networks.notFound(id)
		}
		for _, n := range ns {
			a, err := countAddresses(ctx, tx, n)
			if err != nil {
				return err
			}
			out = append(out, a)
		}
		return nil
	})
	return out, err
}

func countAddresses(ctx context.Context, tx *store.Tx, n *Network) (*IPAvailability, error) {
	subs, err := subnetTable.Where(ctx, tx, "network_id", n.ID)
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
		if c.Used, err = store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM network_ip_allocation WHERE subnet_id = ?", sub.ID); err != nil {
			return nil, err
		}
		a.Total.Add(a.Total, c.Total)
		a.Used += c.Used
		a.Subnets = append(a.Subnets, c)
	}
	return a, nil
}

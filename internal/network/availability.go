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

// IPAvailabilities tell how many addresses networks have, and have given.
type IPAvailabilities struct{ s *Service }

// List counts addresses in networks.
func (f *IPAvailabilities) List(ctx context.Context, q store.Query) (page store.Page[IPAvailability], err error) {
	if err := f.s.Access.check(ctx, "get_network_ip_availability", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return page, err
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) error {
		page = store.Page[IPAvailability]{Rows: []*IPAvailability{}}
		ns, err := f.s.Networks.listTx(ctx, tx, q)
		page.More, page.Truncated = ns.More, ns.Truncated
		for _, n := range ns.Rows {
			a, err := f.count(ctx, tx, n)
			if err != nil {
				return err
			}
			page.Rows = append(page.Rows, a)
		}
		return err
	})
	return page, err
}

// Show counts addresses in one network.
func (f *IPAvailabilities) Show(ctx context.Context, networkID string) (*IPAvailability, error) {
	page, err := f.List(ctx, store.Query{Where: []store.Cond{store.Eq("id", networkID)}})
	if err != nil {
		return nil, err
	}
	if len(page.Rows) == 0 {
		return nil, f.s.Networks.notFound(networkID)
	}
	return page.Rows[0], nil
}

func (f *IPAvailabilities) count(ctx context.Context, tx *store.Tx, n *Network) (*IPAvailability, error) {
	subs, err := f.s.Subnets.table.All(ctx, tx, store.Eq("network_id", n.ID))
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
		if c.Used, err = f.s.ipam.allocations.Count(ctx, tx, store.Eq("subnet_id", sub.ID)); err != nil {
			return nil, err
		}
		a.Total.Add(a.Total, c.Total)
		a.Used += c.Used
		a.Subnets = append(a.Subnets, c)
	}
	return a, nil
}

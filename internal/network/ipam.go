package network

import (
	"context"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Allocation says that a port has an address. IP is ipKey's text.
type Allocation struct{ SubnetID, IP, PortID string }

// ipam gives addresses of subnets to ports, and takes them back.
type ipam struct {
	allocations *store.Table[Allocation]
	ports       *store.Table[Port]
	subnets     *Subnets
}

// reserve writes an allocation. The table's key makes it impossible to give
// an address twice; losing a race runs the transaction again.
func (f *ipam) reserve(ctx context.Context, tx *store.Tx, subnetID string, ip netip.Addr, portID string) error {
	err := f.allocations.Insert(ctx, tx, &Allocation{subnetID, ipKey(ip), portID})
	if store.Duplicate(err) {
		return fmt.Errorf("address %s: %w", ip, store.ErrAgain)
	}
	return err
}

// taken tells which port has the address.
func (f *ipam) taken(ctx context.Context, tx *store.Tx, subnetID string, ip netip.Addr) (string, error) {
	a, err := f.allocations.Get(ctx, tx, subnetID, ipKey(ip))
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return a.PortID, nil
}

// reserveThis reserves the address that a request names.
func (f *ipam) reserveThis(ctx context.Context, tx *store.Tx, sub *Subnet, ip netip.Addr, portID string) error {
	owner, err := f.taken(ctx, tx, sub.ID, ip)
	if err != nil {
		return err
	}
	if owner == portID {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Duplicated address in fixed_ips: %s.", ip)
	}
	if owner != "" {
		return fault(errs.Conflict, "IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", ip, sub.ID)
	}
	return f.reserve(ctx, tx, sub.ID, ip, portID)
}

// window is how many addresses are looked at in one query.
const window = 256

// freeAddress finds an address of the subnet's pools that nobody has: one
// above all that are given, which is found at once and leaves returned
// addresses alone for a while, or else the first hole.
func (f *ipam) freeAddress(ctx context.Context, tx *store.Tx, sub *Subnet) (netip.Addr, error) {
	for _, pool := range sub.Pools {
		a, err := f.aboveAll(ctx, tx, sub, pool)
		if err != nil || a.IsValid() {
			return a, err
		}
	}
	for _, pool := range sub.Pools {
		for start := pool.Start; start.IsValid() && start.Compare(pool.End) <= 0; {
			end := addTo(start, window-1)
			if !end.IsValid() || end.Compare(pool.End) > 0 {
				end = pool.End
			}
			given, err := f.allocations.All(ctx, tx, within(sub, start, end)...)
			if err != nil {
				return netip.Addr{}, err
			}
			used := make([]string, len(given))
			for i, a := range given {
				used[i] = a.IP
			}
			if free := freeBetween(start, end, sub.Gateway, used, spread(tx)); len(free) > 0 {
				return free[mrand.IntN(len(free))], nil
			}
			start = end.Next()
		}
	}
	return netip.Addr{}, nil
}

// within are the subnet's addresses from first to last.
func within(sub *Subnet, first, last netip.Addr) []store.Cond {
	return []store.Cond{
		store.Eq("subnet_id", sub.ID),
		{Field: "ip", Op: store.GreaterEq, Value: ipKey(first)},
		{Field: "ip", Op: store.LessEqual, Value: ipKey(last)},
	}
}

// aboveAll finds an address of the pool above every given one.
func (f *ipam) aboveAll(ctx context.Context, tx *store.Tx, sub *Subnet, pool Pool) (netip.Addr, error) {
	last, err := f.allocations.List(ctx, tx, store.Query{
		Where: within(sub, pool.Start, pool.End), Sort: []store.Sort{{Field: "subnet_id", Desc: true}, {Field: "ip", Desc: true}}, Limit: 1,
	})
	if err != nil {
		return netip.Addr{}, err
	}
	start := pool.Start
	if len(last.Rows) > 0 {
		start = keyIP(last.Rows[0].IP).Next()
	}
	if !start.IsValid() || start.Compare(pool.End) > 0 {
		return netip.Addr{}, nil
	}
	free := freeBetween(start, pool.End, sub.Gateway, nil, spread(tx))
	if len(free) == 0 {
		return netip.Addr{}, nil
	}
	return free[mrand.IntN(len(free))], nil
}

// spread is among how many free addresses one is chosen. Where transactions
// run side by side, a choice keeps them from meeting at the same address.
func spread(tx *store.Tx) int {
	if tx.Dialect() == store.Postgres {
		return 16
	}
	return 1
}

// freeBetween lists the first addresses that are not used; used is sorted.
func freeBetween(start, end, gateway netip.Addr, used []string, most int) []netip.Addr {
	var free []netip.Addr
	for a := start; a.IsValid() && a.Compare(end) <= 0 && len(free) < most; a = a.Next() {
		if len(used) > 0 && used[0] == ipKey(a) {
			used = used[1:]
			continue
		}
		if a != gateway {
			free = append(free, a)
		}
	}
	return free
}

// release frees addresses of the port.
func (f *ipam) release(ctx context.Context, tx *store.Tx, portID string, ips ...FixedIP) error {
	for _, fixed := range ips {
		if _, err := f.allocations.DeleteWhere(ctx, tx, store.Eq("subnet_id", fixed.SubnetID), store.Eq("ip", ipKey(fixed.IP)), store.Eq("port_id", portID)); err != nil {
			return err
		}
	}
	return nil
}

package network

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Allocation says that a port has an address. IP is ipKey's text.
type Allocation struct{ SubnetID, IP, PortID string }

// ipKey is an address as its table keeps it: text order is address order.
func ipKey(a netip.Addr) string {
	b := a.As16()
	return hex.EncodeToString(b[:])
}

// keyIP is the inverse of ipKey.
func keyIP(key string) netip.Addr {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) != 16 {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

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

// addTo is a + n, or the zero address when there is none.
func addTo(a netip.Addr, n uint64) netip.Addr {
	b := new(big.Int).SetBytes(a.AsSlice())
	b.Add(b, new(big.Int).SetUint64(n))
	out := b.Bytes()
	size := a.BitLen() / 8
	if len(out) > size {
		return netip.Addr{}
	}
	buf := make([]byte, size)
	copy(buf[size-len(out):], out)
	r, _ := netip.AddrFromSlice(buf)
	return r
}

// distance is how many addresses lie from a to b, both counted.
func distance(a, b netip.Addr) *big.Int {
	d := new(big.Int).Sub(new(big.Int).SetBytes(b.AsSlice()), new(big.Int).SetBytes(a.AsSlice()))
	return d.Add(d, big.NewInt(1))
}

// lastAddr is the highest address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// eui64 is the address that a SLAAC guest gives itself.
func eui64(prefix netip.Prefix, mac string) netip.Addr {
	hw, err := net.ParseMAC(mac)
	if err != nil || len(hw) != 6 {
		return netip.Addr{}
	}
	b := prefix.Masked().Addr().As16()
	copy(b[8:], []byte{hw[0] ^ 2, hw[1], hw[2], 0xff, 0xfe, hw[3], hw[4], hw[5]})
	return netip.AddrFrom16(b)
}

// freeMAC makes a MAC address that the network does not have.
func (f *ipam) freeMAC(ctx context.Context, tx *store.Tx, networkID string) (string, error) {
	for {
		var b [4]byte
		_, _ = rand.Read(b[:])
		v := binary.BigEndian.Uint32(b[:])
		mac := fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", byte(v>>16), byte(v>>8), byte(v))
		used, err := f.ports.Any(ctx, tx, store.Eq("network_id", networkID), store.Eq("mac", mac))
		if err != nil || !used {
			return mac, err
		}
	}
}

// allocate gives the port its addresses: those it asks for in want, or one of
// each IP version that the network has. given tells whether it asks at all.
func (f *ipam) allocate(ctx context.Context, tx *store.Tx, p *Port, want []FixedIP, given bool) error {
	subs, err := f.subnets.table.All(ctx, tx, store.Eq("network_id", p.NetworkID))
	if err != nil {
		return err
	}
	slices.SortFunc(subs, func(a, b *Subnet) int {
		if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
			return c
		}
		return compareText(a.ID, b.ID)
	})
	if given {
		for _, w := range want {
			if err := f.allocateOne(ctx, tx, p, subs, w); err != nil {
				return err
			}
		}
		if len(want) == 0 || p.NetworkOwned() {
			return nil
		}
		// A guest hears the advertisements of every such subnet and takes an address.
		return f.allocateSLAAC(ctx, tx, p, subs)
	}
	usable := slices.DeleteFunc(slices.Clone(subs), func(sub *Subnet) bool { return !serves(sub, p.DeviceOwner, subs) })
	var choices [2][]*Subnet // by version: 4, 6
	for _, sub := range usable {
		switch {
		case sub.Version() == 4:
			choices[0] = append(choices[0], sub)
		case !sub.SLAAC():
			choices[1] = append(choices[1], sub)
		}
	}
	for _, choice := range choices {
		if len(choice) == 0 {
			continue
		}
		found := false
		for _, sub := range choice {
			ip, err := f.freeAddress(ctx, tx, sub)
			if err != nil {
				return err
			}
			if !ip.IsValid() {
				continue
			}
			if err := f.reserve(ctx, tx, sub.ID, ip, p.ID); err != nil {
				return err
			}
			p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
			found = true
			break
		}
		if !found {
			return fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", p.NetworkID)
		}
	}
	if p.NetworkOwned() {
		return nil
	}
	return f.allocateSLAAC(ctx, tx, p, usable)
}

// serves tells whether the subnet gives addresses to ports of this owner:
// subnets with service types only to those, others only if none names it.
func serves(sub *Subnet, owner string, all []*Subnet) bool {
	matches := func(o *Subnet) bool {
		return slices.ContainsFunc(o.ServiceTypes, func(t string) bool {
			return owner == t || t == OwnerComputePrefix+"nova" && strings.HasPrefix(owner, OwnerComputePrefix)
		})
	}
	if len(sub.ServiceTypes) > 0 {
		return matches(sub)
	}
	return !slices.ContainsFunc(all, func(o *Subnet) bool { return o.Version() == sub.Version() && matches(o) })
}

func (f *ipam) allocateSLAAC(ctx context.Context, tx *store.Tx, p *Port, subs []*Subnet) error {
	for _, sub := range subs {
		if !sub.SLAAC() || p.hasSubnet(sub.ID) {
			continue
		}
		ip := eui64(sub.CIDR, p.MAC)
		if err := f.reserveThis(ctx, tx, sub, ip, p.ID); err != nil {
			return err
		}
		p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	}
	return nil
}

func (p *Port) hasSubnet(id string) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f FixedIP) bool { return f.SubnetID == id })
}

// allocateOne gives the port one address that it asks for.
func (f *ipam) allocateOne(ctx context.Context, tx *store.Tx, p *Port, subs []*Subnet, w FixedIP) error {
	sub, err := f.chooseSubnet(ctx, tx, p.NetworkID, subs, w)
	if err != nil {
		return err
	}
	ip := w.IP
	switch {
	case sub.SLAAC() && !p.NetworkOwned():
		auto := eui64(sub.CIDR, p.MAC)
		if ip.IsValid() && ip != auto {
			return fault(errs.Invalid, "AllocationOnAutoAddressSubnet",
				"IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses", ip, sub.ID)
		}
		if p.hasSubnet(sub.ID) {
			return nil
		}
		ip = auto
		err = f.reserveThis(ctx, tx, sub, ip, p.ID)
	case ip.IsValid():
		err = f.reserveThis(ctx, tx, sub, ip, p.ID)
	default:
		ip, err = f.freeAddress(ctx, tx, sub)
		if err == nil && !ip.IsValid() {
			err = fault(errs.Conflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", p.NetworkID)
		}
		if err == nil {
			err = f.reserve(ctx, tx, sub.ID, ip, p.ID)
		}
	}
	if err != nil {
		return err
	}
	p.FixedIPs = append(p.FixedIPs, FixedIP{sub.ID, ip})
	return nil
}

func (f *ipam) chooseSubnet(ctx context.Context, tx *store.Tx, networkID string, subs []*Subnet, w FixedIP) (*Subnet, error) {
	if w.SubnetID != "" {
		i := slices.IndexFunc(subs, func(x *Subnet) bool { return x.ID == w.SubnetID })
		if i < 0 {
			if _, err := f.subnets.visible(ctx, tx, w.SubnetID); err != nil {
				return nil, err
			}
			return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Failed to create port on network %s, because fixed_ips included invalid subnet %s.", networkID, w.SubnetID)
		}
		if w.IP.IsValid() && !usableIn(subs[i].CIDR, w.IP) {
			return nil, fault(errs.Invalid, "InvalidIpForSubnet", "IP address %s is not a valid IP for the specified subnet.", w.IP)
		}
		return subs[i], nil
	}
	if !w.IP.IsValid() {
		return nil, fault(errs.Invalid, "InvalidInput", "Invalid input for operation: IP allocation requires subnet_id or ip_address.")
	}
	for _, sub := range subs {
		if usableIn(sub.CIDR, w.IP) {
			return sub, nil
		}
	}
	return nil, fault(errs.Invalid, "InvalidIpForNetwork", "IP address %s is not a valid IP for any of the subnets on the specified network.", w.IP)
}

// usableIn tells whether a host may have the address: inside the prefix, and of
// IPv4 neither its first nor its last where those mean something.
func usableIn(cidr netip.Prefix, ip netip.Addr) bool {
	if !cidr.Contains(ip) {
		return false
	}
	if cidr.Bits() >= ip.BitLen()-1 {
		return true
	}
	if ip == cidr.Masked().Addr() {
		return false
	}
	return !ip.Is4() || ip != lastAddr(cidr)
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

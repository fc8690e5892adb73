package app

import "net/netip"

// OutsideRange splits the outside network: the gateway (this machine's own
// address, the first), and the first and last address to give out. The lowest
// few stay free for the operator.
func OutsideRange(p netip.Prefix) (gateway, first, last netip.Addr) {
	base := p.Masked().Addr().As4()
	n := uint32(base[0])<<24 | uint32(base[1])<<16 | uint32(base[2])<<8 | uint32(base[3])
	size := uint32(1) << (32 - p.Bits())
	addr := func(v uint32) netip.Addr {
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	lowest := uint32(2)
	if size >= 64 {
		lowest = 10
	}
	return addr(n + 1), addr(n + lowest), addr(n + size - 2)
}

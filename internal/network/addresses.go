package network

import (
	"encoding/hex"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
)

// This file reads addresses in every form that people write, into the one that is
// stored, compared and shown.

// ParseAddr reads an IP address.
func ParseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("'%s' is not a valid IP address", text)
	}
	return a.Unmap(), nil
}

// ParsePrefix reads a prefix, whose length may be written as a netmask, or a single
// address. The bits behind the length stay as they are.
func ParsePrefix(text string) (netip.Prefix, error) {
	address, length, found := strings.Cut(text, "/")
	bad := fmt.Errorf("'%s' is not a valid IP subnet", text)
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, bad
	}
	if !found {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	if mask, err := netip.ParseAddr(length); err == nil && mask.BitLen() == a.BitLen() {
		bits, ok := maskBits(mask)
		if !ok {
			return netip.Prefix{}, bad
		}
		return netip.PrefixFrom(a, bits), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, bad
	}
	return p, nil
}

// maskBits is the length of the prefix that a netmask (255.255.255.0), or its
// inverse (0.0.0.255), stands for.
func maskBits(mask netip.Addr) (int, bool) {
	zero := netip.PrefixFrom(mask, 0).Masked()
	for bits := range mask.BitLen() + 1 {
		ones, _ := lastAddr(zero).Prefix(bits)
		hosts := lastAddr(netip.PrefixFrom(zero.Addr(), bits))
		if mask == ones.Addr() || mask == hosts && bits > 0 && bits < mask.BitLen() {
			return bits, true
		}
	}
	return 0, false
}

// macForms are the ways to group a MAC's digits: how many groups, of at least and
// at most how many digits each, and what may stand between.
var macForms = []struct {
	groups, least, most int
	separators          string
}{{6, 1, 2, ":-"}, {3, 1, 4, ":-."}, {2, 5, 6, ":-"}, {1, 11, 12, ""}}

// ParseMAC reads a MAC address: fa:16:3e:11:22:33, fa-16-3e-11-22-33, fa16.3e11.2233,
// fa163e-112233, fa163e112233, with or without leading zeros in a group.
func ParseMAC(text string) (string, error) {
	bad := fmt.Errorf("'%s' is not a valid MAC address", text)
	groups := []string{text}
	separator := ""
	if i := strings.IndexAny(text, ":-."); i >= 0 {
		separator = text[i : i+1]
		groups = strings.Split(text, separator)
	}
	for _, f := range macForms {
		if len(groups) != f.groups || separator != "" && !strings.Contains(f.separators, separator) {
			continue
		}
		digits := ""
		for _, g := range groups {
			if len(g) < f.least || len(g) > f.most {
				return "", bad
			}
			digits += strings.Repeat("0", f.most-len(g)) + g
		}
		digits = strings.ToLower(digits)
		if strings.Trim(digits, "0123456789abcdef") != "" || strings.Trim(digits, "0") == "" {
			return "", bad
		}
		pairs := make([]string, 6)
		for i := range pairs {
			pairs[i] = digits[2*i : 2*i+2]
		}
		return strings.Join(pairs, ":"), nil
	}
	return "", bad
}

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

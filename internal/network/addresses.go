package network

import (
	"fmt"
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

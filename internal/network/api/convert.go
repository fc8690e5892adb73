package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/network"
)

// The converters read one JSON value (numbers as json.Number) and say what is
// wrong with it in a few words; the caller adds which attribute it was.

func toText(maxLen int) func(any) (string, error) {
	return func(v any) (string, error) {
		if v == nil {
			return "", nil
		}
		s, ok := v.(string)
		if !ok {
			return "", fmt.Errorf("'%v' is not a valid string", show(v))
		}
		if len([]rune(s)) > maxLen {
			return "", fmt.Errorf("'%s' exceeds maximum length of %d", s, maxLen)
		}
		if strings.ContainsRune(s, 0) {
			return "", fmt.Errorf("null bytes are not allowed")
		}
		return s, nil
	}
}

func toBool(v any) (bool, error) {
	switch x := v.(type) {
	case bool:
		return x, nil
	case string:
		if b, ok := httpx.ParseBool(x); ok {
			return b, nil
		}
	case json.Number:
		if x == "0" || x == "1" {
			return x == "1", nil
		}
	}
	return false, fmt.Errorf("'%v' cannot be converted to boolean", show(v))
}

func toInt(low, high int) func(any) (int, error) {
	return func(v any) (int, error) {
		text := ""
		switch x := v.(type) {
		case json.Number:
			text = x.String()
		case string:
			text = x
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("'%v' is not an integer", show(v))
		}
		if n < low || n > high {
			return 0, fmt.Errorf("'%d' is not in the valid range [%d, %d]", n, low, high)
		}
		return n, nil
	}
}

func toUUID(v any) (string, error) {
	s, ok := v.(string)
	if !ok || !ids.IsUUID(s) {
		return "", fmt.Errorf("'%v' is not a valid UUID", show(v))
	}
	return s, nil
}

func toUUIDOrNone(v any) (string, error) {
	if v == nil || v == "" {
		return "", nil
	}
	return toUUID(v)
}

func toChoice(choices ...string) func(any) (string, error) {
	return func(v any) (string, error) {
		if s, ok := v.(string); ok && slices.Contains(choices, s) {
			return s, nil
		}
		return "", fmt.Errorf("'%v' is not in %v", show(v), "['"+strings.Join(choices, "', '")+"']")
	}
}

func toChoiceOrNone(choices ...string) func(any) (string, error) {
	return func(v any) (string, error) {
		if v == nil {
			return "", nil
		}
		return toChoice(choices...)(v)
	}
}

func toAddr(v any) (netip.Addr, error) {
	s, ok := v.(string)
	if !ok {
		return netip.Addr{}, fmt.Errorf("'%v' is not a valid IP address", show(v))
	}
	return network.ParseAddr(s)
}

func toAddrOrNone(v any) (netip.Addr, error) {
	if v == nil || v == "" {
		return netip.Addr{}, nil
	}
	return toAddr(v)
}

func toPrefix(v any) (netip.Prefix, error) {
	s, ok := v.(string)
	if !ok || !strings.Contains(s, "/") {
		return netip.Prefix{}, fmt.Errorf("'%v' is not a valid IP subnet", show(v))
	}
	return network.ParsePrefix(s)
}

func toMaskedPrefix(v any) (netip.Prefix, error) {
	p, err := toPrefix(v)
	return p.Masked(), err
}

func toAddrOrPrefix(v any) (netip.Prefix, error) {
	if a, err := toAddr(v); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return toPrefix(v)
}

func toMAC(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("'%v' is not a valid MAC address", show(v))
	}
	return network.ParseMAC(s)
}

// toMACOrAny reads a MAC address; null asks for one to be made.
func toMACOrAny(v any) (string, error) {
	if v == nil {
		return "", nil
	}
	return toMAC(v)
}

// toRemotePrefix reads the prefix or address of a rule as it is shown.
func toRemotePrefix(v any) (string, error) {
	s, err := toText(64)(v)
	if err != nil || s == "" {
		return s, err
	}
	p, err := network.ParsePrefix(s)
	if err != nil {
		return "", fmt.Errorf("'%s' is neither a valid IP address, nor is it a valid IP subnet", s)
	}
	return p.String(), nil
}

// listOf reads a list; null counts as an empty one.
func listOf[E any](one func(any) (E, error)) func(any) ([]E, error) {
	return func(v any) ([]E, error) {
		if v == nil || v == "" {
			return []E{}, nil
		}
		raw, ok := v.([]any)
		if !ok {
			return nil, fmt.Errorf("'%v' is not a list", show(v))
		}
		out := make([]E, 0, len(raw))
		for _, x := range raw {
			e, err := one(x)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	}
}

// uniqueListOf is listOf without repetitions.
func uniqueListOf[E comparable](one func(any) (E, error)) func(any) ([]E, error) {
	return func(v any) ([]E, error) {
		out, err := listOf(one)(v)
		seen := map[E]bool{}
		for _, e := range out {
			if seen[e] {
				return nil, fmt.Errorf("Duplicate items in the list: '%v'", e) //nolint:staticcheck // Neutron's words
			}
			seen[e] = true
		}
		return out, err
	}
}

// toObject reads a JSON object with known keys.
func toObject(v any, keys ...string) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("'%v' is not a dictionary", show(v))
	}
	for k := range m {
		if !slices.Contains(keys, k) {
			return nil, fmt.Errorf("Unexpected key '%s'; expected are %v", k, keys) //nolint:staticcheck // Neutron's words
		}
	}
	return m, nil
}

func toRoute(v any) (network.Route, error) {
	var r network.Route
	m, err := toObject(v, "destination", "nexthop")
	if err != nil {
		return r, err
	}
	if len(m) != 2 {
		return r, fmt.Errorf("Invalid input for a route: destination and nexthop are needed") //nolint:staticcheck // Neutron's words
	}
	if r.Destination, err = toPrefix(m["destination"]); err != nil {
		return r, err
	}
	r.Destination = r.Destination.Masked()
	r.NextHop, err = toAddr(m["nexthop"])
	return r, err
}

func toPool(v any) (network.Pool, error) {
	var p network.Pool
	m, err := toObject(v, "start", "end")
	if err != nil {
		return p, err
	}
	if p.Start, err = toAddr(m["start"]); err != nil {
		return p, err
	}
	p.End, err = toAddr(m["end"])
	return p, err
}

func toFixedIP(v any) (network.FixedIP, error) {
	var f network.FixedIP
	m, err := toObject(v, "subnet_id", "ip_address")
	if err != nil {
		return f, err
	}
	if x, ok := m["subnet_id"]; ok && x != nil {
		if f.SubnetID, err = toUUID(x); err != nil {
			return f, err
		}
	}
	if x, ok := m["ip_address"]; ok && x != nil {
		f.IP, err = toAddr(x)
	}
	return f, err
}

func toFixedIPs(v any) ([]network.FixedIP, error) {
	out, err := listOf(toFixedIP)(v)
	seen := map[netip.Addr]bool{}
	for _, f := range out {
		if f.IP.IsValid() && seen[f.IP] {
			return nil, fmt.Errorf("Duplicate IP address '%s'", f.IP) //nolint:staticcheck // Neutron's words
		}
		seen[f.IP] = true
	}
	return out, err
}

func toPair(v any) (network.AddressPair, error) {
	var p network.AddressPair
	m, err := toObject(v, "mac_address", "ip_address", "active")
	if err != nil {
		return p, err
	}
	if x := m["mac_address"]; x != nil {
		if p.MAC, err = toMAC(x); err != nil {
			return p, err
		}
	}
	if m["ip_address"] == nil {
		return p, fmt.Errorf("AllowedAddressPair must contain ip_address")
	}
	p.IP, err = toAddrOrPrefix(m["ip_address"])
	return p, err
}

func toDHCPOption(v any) (network.DHCPOption, error) {
	o := network.DHCPOption{IPVersion: 4}
	m, err := toObject(v, "opt_name", "opt_value", "ip_version")
	if err != nil {
		return o, err
	}
	if o.Name, err = toText(64)(m["opt_name"]); err != nil {
		return o, err
	}
	if o.Name == "" {
		return o, fmt.Errorf("ExtraDhcpOpt opt_name must not be blank")
	}
	if o.Value, err = toText(255)(m["opt_value"]); err != nil {
		return o, err
	}
	if strings.ContainsFunc(o.Name+o.Value, unicode.IsControl) { // an option is one line
		return o, fmt.Errorf("ExtraDhcpOpt '%s' must not have control characters", strings.Map(printable, o.Name))
	}
	if x := m["ip_version"]; x != nil {
		o.IPVersion, err = toInt(4, 6)(x)
	}
	return o, err
}

func printable(r rune) rune {
	if unicode.IsControl(r) {
		return -1
	}
	return r
}

// show is a JSON value in an error message.
func show(v any) string {
	if v == nil {
		return "None"
	}
	if s, ok := v.(string); ok {
		return s
	}
	b, _ := json.Marshal(v)
	if len(b) > 200 {
		b = b[:200]
	}
	return string(b)
}

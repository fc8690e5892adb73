package ovn

import (
	"net/netip"
	"strconv"
	"strings"
)

// option is a DHCP option as OVN knows it.
type option struct {
	name string
	kind optionKind
}

type optionKind int

const (
	optionText optionKind = iota
	optionNumber
	optionBool
	optionAddresses
	optionRoutes
	optionHost // an address or a name
)

// value writes the option's value in OVN's language; false if it makes no sense there.
func (o option) value(v string) (string, bool) {
	v = strings.TrimSpace(v)
	switch o.kind {
	case optionText:
		return quote(strings.Trim(v, `"`)), v != ""
	case optionHost:
		v = strings.Trim(v, `"`)
		if _, err := netip.ParseAddr(v); err == nil {
			return v, true
		}
		return quote(v), v != ""
	case optionNumber:
		n, err := strconv.ParseUint(v, 10, 32)
		return strconv.FormatUint(n, 10), err == nil
	case optionBool:
		switch strings.ToLower(v) {
		case "1", "true", "yes", "on":
			return "1", true
		case "0", "false", "no", "off":
			return "0", true
		}
		return "", false
	case optionAddresses:
		return addresses(v)
	case optionRoutes:
		return routes(v)
	}
	return "", false
}

func split(v string) []string {
	return strings.FieldsFunc(strings.Trim(v, "{}"), func(r rune) bool { return r == ',' || r == ' ' || r == ';' })
}

func addresses(v string) (string, bool) {
	parts := split(v)
	for _, p := range parts {
		if _, err := netip.ParseAddr(p); err != nil {
			return "", false
		}
	}
	if len(parts) == 1 {
		return parts[0], true
	}
	return "{" + strings.Join(parts, ", ") + "}", len(parts) > 0
}

func routes(v string) (string, bool) {
	parts := split(v)
	if len(parts) == 0 || len(parts)%2 != 0 {
		return "", false
	}
	var out []string
	for i := 0; i < len(parts); i += 2 {
		to, err := netip.ParsePrefix(parts[i])
		if err != nil {
			return "", false
		}
		via, err := netip.ParseAddr(parts[i+1])
		if err != nil {
			return "", false
		}
		out = append(out, to.String()+","+via.String())
	}
	return "{" + strings.Join(out, ", ") + "}", true
}

// optionsV4 maps the names and numbers that users give, dashes as underscores,
// to OVN's options.
func optionsV4() map[string]option {
	out := map[string]option{}
	add := func(kind optionKind, name string, also ...string) {
		out[name] = option{name, kind}
		for _, a := range also {
			out[a] = option{name, kind}
		}
	}
	add(optionAddresses, "netmask", "1", "subnet_mask")
	add(optionAddresses, "router", "3")
	add(optionAddresses, "dns_server", "6", "domain_name_servers")
	add(optionAddresses, "log_server", "7", "log_servers")
	add(optionAddresses, "lpr_server", "9", "lpr_servers")
	add(optionText, "hostname", "12", "host_name")
	add(optionText, "domain_name", "15")
	add(optionAddresses, "swap_server", "16")
	add(optionBool, "ip_forward_enable", "19")
	add(optionAddresses, "policy_filter", "21")
	add(optionNumber, "default_ttl", "23")
	add(optionNumber, "mtu", "26", "interface_mtu")
	add(optionAddresses, "broadcast_address", "28")
	add(optionBool, "router_discovery", "31")
	add(optionAddresses, "router_solicitation", "32")
	add(optionNumber, "arp_cache_timeout", "35", "arp_timeout")
	add(optionBool, "ethernet_encap", "36")
	add(optionNumber, "tcp_ttl", "37")
	add(optionNumber, "tcp_keepalive_interval", "38", "tcp_keepalive")
	add(optionAddresses, "nis_server", "41", "nis_servers")
	add(optionAddresses, "ntp_server", "42", "ntp_servers")
	add(optionAddresses, "netbios_name_server", "44")
	add(optionNumber, "netbios_node_type", "46")
	add(optionNumber, "lease_time", "51")
	add(optionAddresses, "server_id", "54")
	add(optionNumber, "T1", "58", "t1")
	add(optionNumber, "T2", "59", "t2")
	add(optionHost, "tftp_server", "66", "tftp_server_name")
	add(optionText, "bootfile_name", "67")
	add(optionText, "domain_search_list", "119", "domain_search")
	add(optionRoutes, "classless_static_route", "121", "classless_static_routes")
	add(optionAddresses, "tftp_server_address", "150")
	add(optionText, "path_prefix", "210")
	add(optionRoutes, "ms_classless_static_route", "249")
	add(optionText, "wpad", "252")
	add(optionAddresses, "next_server", "253", "server_ip_address", "siaddr")
	add(optionText, "bootfile_name_alt", "254")
	return out
}

// optionsV6 is optionsV4 for DHCPv6.
func optionsV6() map[string]option {
	dns, search := option{"dns_server", optionAddresses}, option{"domain_search", optionText}
	return map[string]option{
		"dns_server": dns, "23": dns, "domain_search": search, "24": search,
	}
}

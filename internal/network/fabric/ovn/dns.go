package ovn

import (
	"fmt"
	"net/netip"
	"strings"

	"kumoi/internal/network/fabric"
)

// portNames are the port's records on its own network, forward and reverse, or
// nil if it has no name. OVN answers for them itself, on every host.
func portNames(p fabric.Port) *dnsRecords {
	if p.DNSName == "" || len(p.IPs) == 0 {
		return nil
	}
	var addrs []string
	for _, a := range p.IPs {
		addrs = append(addrs, a.IP.String())
	}
	name := strings.ToLower(p.DNSName)
	full := name
	if domain := strings.Trim(strings.ToLower(p.DNSDomain), "."); domain != "" {
		full += "." + domain
	}
	records := map[string]string{name: strings.Join(addrs, " "), full: strings.Join(addrs, " ")}
	for _, a := range p.IPs {
		records[reverseName(a.IP)] = full
	}
	return &dnsRecords{
		UUID: partOf(fabric.KindPort, p.ID, "dns"), Records: records,
		ExternalIDs: owner(fabric.KindPort, p.ID, networkKey, p.NetworkID),
	}
}

// reverseName is the name under which an address is looked up.
func reverseName(ip netip.Addr) string {
	var b strings.Builder
	if ip.Is4() {
		a := ip.As4()
		return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa", a[3], a[2], a[1], a[0])
	}
	a := ip.As16()
	for i := len(a) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "%x.%x.", a[i]&15, a[i]>>4)
	}
	return b.String() + "ip6.arpa"
}

package metadata

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"kumoi/internal/agent/layout"
	"kumoi/internal/hostapi"
)

// Versions of OpenStack's metadata, oldest first.
var Versions = []string{
	"2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15", "2016-06-30",
	"2016-10-06", "2017-02-22", "2018-08-27", "2020-10-14", "latest",
}

// Documents gives the files below "openstack/VERSION/" that a server has, by
// name, and those of "openstack/content/".
func Documents(spec Guest, version string) map[string][]byte {
	docs := map[string][]byte{"meta_data.json": metaData(spec, version)}
	if len(spec.Metadata.UserData) > 0 {
		docs["user_data"] = spec.Metadata.UserData
	}
	if version >= "2013-10-17" {
		docs["vendor_data.json"] = []byte("{}")
	}
	if version >= "2015-10-15" {
		docs["network_data.json"] = networkData(spec)
	}
	if version >= "2016-10-06" {
		docs["vendor_data2.json"] = []byte(`{"static": {}}`)
	}
	return docs
}

// Content gives the files that meta_data.json refers to, by name.
func Content(spec Guest) map[string][]byte {
	out := map[string][]byte{}
	for i, f := range spec.Metadata.Files {
		out[fmt.Sprintf("%04d", i)] = f.Content
	}
	return out
}

type key struct {
	Name string `json:"name"`
	Type string `json:"type"`
	Data string `json:"data"`
}

type fileRef struct {
	ContentPath string `json:"content_path"`
	Path        string `json:"path"`
}

type device struct {
	Type    string   `json:"type"`
	Bus     string   `json:"bus"`
	Address string   `json:"address"`
	MAC     string   `json:"mac,omitempty"`
	Serial  string   `json:"serial,omitempty"`
	Path    string   `json:"path,omitempty"`
	Tags    []string `json:"tags"`
}

func metaData(spec Guest, version string) []byte {
	m := spec.Metadata
	doc := map[string]any{
		"uuid":              spec.ID,
		"name":              spec.Name,
		"hostname":          hostname(spec),
		"launch_index":      m.LaunchIndex,
		"availability_zone": m.AvailabilityZone,
	}
	if len(m.Meta) > 0 {
		doc["meta"] = m.Meta
	}
	if m.PublicKey != "" {
		doc["public_keys"] = map[string]string{m.KeyName: m.PublicKey}
		kind := m.KeyType
		if kind == "" {
			kind = "ssh"
		}
		doc["keys"] = []key{{m.KeyName, kind, m.PublicKey}}
	}
	var files []fileRef
	for i, f := range m.Files {
		files = append(files, fileRef{fmt.Sprintf("/content/%04d", i), f.Path})
	}
	if files != nil {
		doc["files"] = files
	}
	if m.AdminPass != "" {
		doc["admin_pass"] = m.AdminPass
	}
	if version >= "2013-04-04" && len(m.RandomSeed) > 0 {
		doc["random_seed"] = base64.StdEncoding.EncodeToString(m.RandomSeed)
	}
	if version >= "2015-10-15" {
		doc["project_id"] = spec.ProjectID
	}
	if version >= "2016-06-30" {
		doc["devices"] = devices(spec)
	}
	if version >= "2020-10-14" {
		doc["dedicated_cpus"] = []int{}
	}
	return encode(doc)
}

// devices lists what its owner has given a tag to.
func devices(spec Guest) []device {
	out := []device{}
	for _, n := range spec.NICs {
		if n.Tag != "" {
			out = append(out, device{Type: "nic", Bus: "none", Address: "none", MAC: n.MAC, Tags: []string{n.Tag}})
		}
	}
	for _, d := range spec.Disks {
		if d.Tag == "" {
			continue
		}
		tagged := device{Type: "disk", Bus: "none", Address: "none", Path: "/dev/" + d.Device, Tags: []string{d.Tag}}
		if d.Kind == layout.Volume {
			tagged.Serial = spec.Volumes[d.Index].ID
		}
		out = append(out, tagged)
	}
	return out
}

func hostname(spec Guest) string {
	if spec.Hostname != "" {
		return spec.Hostname
	}
	return spec.Name
}

type link struct {
	ID   string `json:"id"`
	VIF  string `json:"vif_id"`
	Type string `json:"type"`
	MTU  int    `json:"mtu,omitempty"`
	MAC  string `json:"ethernet_mac_address"`
}

type address struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	Link      string    `json:"link"`
	NetworkID string    `json:"network_id"`
	Address   string    `json:"ip_address,omitempty"`
	Netmask   string    `json:"netmask,omitempty"`
	Routes    []route   `json:"routes,omitempty"`
	Services  []service `json:"services,omitempty"`
}

type route struct {
	Network string `json:"network"`
	Netmask string `json:"netmask"`
	Gateway string `json:"gateway"`
}

type service struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

func networkData(spec Guest) []byte {
	links, addresses, services := []link{}, []address{}, []service{}
	for _, n := range spec.NICs {
		id := "tap" + n.PortID[:min(11, len(n.PortID))]
		links = append(links, link{ID: id, VIF: n.PortID, Type: "ovs", MTU: n.MTU, MAC: n.MAC})
		for _, ip := range n.FixedIPs {
			a := address{ID: fmt.Sprintf("network%d", len(addresses)), Link: id, NetworkID: n.NetworkID}
			for _, s := range n.Subnets {
				if s.CIDR.Contains(ip) {
					describe(&a, ip, s)
				}
			}
			for _, s := range a.Services {
				if !slices.Contains(services, s) {
					services = append(services, s)
				}
			}
			addresses = append(addresses, a)
		}
	}
	return encode(map[string]any{"links": links, "networks": addresses, "services": services})
}

// describe fills in what the guest must set up itself: nothing more than the
// kind where the network tells it the rest.
func describe(a *address, ip netip.Addr, s hostapi.Subnet) {
	for _, dns := range s.DNS {
		a.Services = append(a.Services, service{"dns", dns.String()})
	}
	family := "ipv4"
	if ip.Is6() {
		family = "ipv6"
	}
	a.Type = family
	switch {
	case ip.Is4() && s.DHCP:
		a.Type = "ipv4_dhcp"
		return
	case ip.Is6() && s.IPv6 != "":
		a.Type = "ipv6_" + s.IPv6
	}
	a.Address, a.Netmask = ip.String(), netmask(s.CIDR)
	if s.Gateway.IsValid() && !s.Gateway.IsUnspecified() {
		zero := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if ip.Is6() {
			zero = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		a.Routes = append(a.Routes, route{zero.Addr().String(), netmask(zero), s.Gateway.String()})
	}
	for _, r := range s.Routes {
		a.Routes = append(a.Routes, route{r.Destination.Addr().String(), netmask(r.Destination), r.NextHop.String()})
	}
}

func netmask(p netip.Prefix) string {
	return net.IP(net.CIDRMask(p.Bits(), p.Addr().BitLen())).String()
}

func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil { // maps of strings and numbers always marshal
		panic(err)
	}
	return data
}

// listing is how both services answer for a directory.
func listing(names []string) []byte { return []byte(strings.Join(names, "\n")) }

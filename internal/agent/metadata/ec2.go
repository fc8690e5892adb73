package metadata

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/agent/layout"
)

// EC2Versions of the metadata, oldest first. All give the same.
var EC2Versions = []string{
	"1.0", "2007-01-19", "2007-03-01", "2007-08-29", "2007-10-10", "2007-12-15",
	"2008-02-01", "2008-09-01", "2009-04-04", "latest",
}

// tree is a directory of strings and trees.
type tree map[string]any

// ec2 is what is below a version of EC2's metadata.
func ec2(spec Guest) tree {
	m := spec.Metadata
	meta := tree{
		"instance-id":          ec2ID("i-", spec.ID),
		"ami-id":               ec2ID("ami-", m.ImageID),
		"ami-launch-index":     strconv.Itoa(m.LaunchIndex),
		"ami-manifest-path":    "FIXME", // what OpenStack answers, and images expect
		"instance-type":        spec.FlavorName,
		"instance-action":      "none",
		"hostname":             hostname(spec),
		"local-hostname":       hostname(spec),
		"public-hostname":      hostname(spec),
		"local-ipv4":           firstIPv4(spec),
		"public-ipv4":          "",
		"reservation-id":       m.ReservationID,
		"security-groups":      strings.Join(m.SecurityGroups, "\n"),
		"placement":            tree{"availability-zone": m.AvailabilityZone},
		"block-device-mapping": mapping(spec),
	}
	for _, ip := range m.PublicIPs {
		if ip.Is4() {
			meta["public-ipv4"] = ip.String()
			break
		}
	}
	if m.PublicKey != "" {
		meta["public-keys"] = tree{"0": tree{"openssh-key": m.PublicKey}}
	}
	top := tree{"meta-data": meta}
	if len(m.UserData) > 0 {
		top["user-data"] = string(m.UserData)
	}
	return top
}

// mapping names the guest's disks as EC2 does: what it boots from, and what is
// blank.
func mapping(spec Guest) tree {
	out := tree{}
	for _, d := range spec.Disks {
		device := "/dev/" + d.Device
		switch {
		case d.Order > 0 && !d.CDROM:
			out["ami"], out["root"] = d.Device, device
		case d.Kind == layout.Ephemeral:
			out[fmt.Sprintf("ephemeral%d", d.Index)] = device
		case d.Kind == layout.Swap:
			out["swap"] = device
		}
	}
	return out
}

// EC2Document is the JSON form that config drives carry.
func EC2Document(spec Guest) []byte {
	meta, _ := ec2(spec)["meta-data"].(tree)
	doc := map[string]any{}
	for k, v := range meta {
		doc[k] = v
	}
	doc["security-groups"] = spec.Metadata.SecurityGroups
	return encode(doc)
}

// at answers a path below a version: a value, or a directory's names.
func (t tree) at(spec Guest, path []string) ([]byte, bool) {
	var node any = t
	for _, name := range path {
		dir, ok := node.(tree)
		if !ok {
			return nil, false
		}
		if node, ok = dir[name]; !ok {
			return nil, false
		}
	}
	switch v := node.(type) {
	case string:
		return []byte(v), true
	case tree:
		keys := len(path) > 0 && path[len(path)-1] == "public-keys"
		var names []string
		for name, child := range v {
			switch _, dir := child.(tree); {
			case keys: // the one directory that tells what its children are
				name += "=" + spec.Metadata.KeyName
			case dir:
				name += "/"
			}
			names = append(names, name)
		}
		slices.Sort(names)
		return listing(names), true
	}
	return nil, false
}

// ec2ID makes a short id, as EC2 has them, from a long one.
func ec2ID(prefix, id string) string {
	id = strings.ReplaceAll(id, "-", "")
	return fmt.Sprintf("%s%08s", prefix, id[:min(8, len(id))])
}

func firstIPv4(spec Guest) string {
	for _, n := range spec.NICs {
		if i := slices.IndexFunc(n.FixedIPs, netip.Addr.Is4); i >= 0 {
			return n.FixedIPs[i].String()
		}
	}
	return ""
}

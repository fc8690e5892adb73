package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/network"
)

// rootDevice is what every server's root disk is called.
const rootDevice = "/dev/vda"

// serverView writes servers for one request: what the version and the
// actor's rights have to do with it is settled once.
type serverView struct {
	r          *httpx.Request
	minor      int
	details    *compute.Details
	admin      bool // extended attributes
	hostStatus bool
	specs      bool // extra specs of the flavor
	faults     bool // details of internal faults
	groups     bool // server_groups, not in lists
	full       bool // all that a GET shows; PUT and rebuild show less before 2.75
	rebuild    bool // the answer to a rebuild, which has user data under a name of its own
}

func (a *api) serverView(ctx context.Context, r *httpx.Request, d *compute.Details) *serverView {
	return &serverView{
		r: r, minor: r.Version.Minor, details: d, full: true,
		admin:      a.svc.Allowed(ctx, "os-extended-server-attributes"),
		hostStatus: a.svc.Allowed(ctx, "servers:show:host_status"),
		specs:      a.svc.Allowed(ctx, "servers:show:flavor-extra-specs"),
		faults:     a.svc.Allowed(ctx, "os-extended-server-attributes"),
	}
}

func writeLinks(w *writer, r *httpx.Request, path string) {
	w.list("links", func() {
		w.link("self", r.Endpoint+"/v2.1"+path)
		w.link("bookmark", r.Endpoint+path)
	})
}

// brief is an item of GET /servers.
func (v *serverView) brief(w *writer, s *compute.Server) {
	w.object("", func() {
		w.str("id", s.ID)
		w.str("name", s.Name)
		writeLinks(w, v.r, "/servers/"+s.ID)
	})
}

// detail is a server as GET shows it.
func (v *serverView) detail(w *writer, s *compute.Server) {
	w.object("", func() { v.fields(w, s) })
}

func (v *serverView) fields(w *writer, s *compute.Server) {
	status := s.Status()
	w.str("id", s.ID)
	w.str("name", s.Name)
	w.str("status", status)
	w.str("tenant_id", s.ProjectID)
	w.str("user_id", s.UserID)
	w.strings("metadata", s.Metadata)
	w.str("hostId", hostID(s.ProjectID, s.Host))
	v.image(w, s)
	v.flavor(w, s.Flavor)
	w.when("created", s.CreatedAt, stampLayout)
	w.when("updated", s.UpdatedAt, stampLayout)
	writeAddresses(w, "addresses", v.details.Addresses[s.ID], v.full || v.minor >= 75)
	w.str("accessIPv4", s.AccessIPv4)
	w.str("accessIPv6", s.AccessIPv6)
	writeLinks(w, v.r, "/servers/"+s.ID)
	w.str("OS-DCF:diskConfig", s.DiskConfig)
	switch status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		w.num("progress", s.Progress)
	}
	if s.Fault != nil && (status == "ERROR" || status == "DELETED") {
		v.fault(w, s.Fault)
	}
	if v.minor >= 9 {
		w.bool("locked", s.Locked)
	}
	if v.minor >= 19 {
		w.strOrNull("description", s.Description)
	}
	if v.minor >= 26 {
		w.list("tags", func() {
			for _, t := range s.Tags {
				w.text(t)
			}
		})
	}
	if v.minor >= 63 {
		w.null("trusted_image_certificates")
	}
	if v.minor >= 71 && v.groups {
		w.list("server_groups", func() {
			if s.GroupID != "" {
				w.text(s.GroupID)
			}
		})
	}
	if v.minor >= 73 {
		w.strOrNull("locked_reason", s.LockReason)
	}
	if v.minor >= 96 {
		w.nonEmpty("pinned_availability_zone", s.PinnedZone)
	}
	if v.minor >= 100 {
		w.object("scheduler_hints", func() {
			for _, k := range sorted(s.Hints) {
				w.list(k, func() {
					for _, h := range s.Hints[k] {
						w.text(h)
					}
				})
			}
		})
	}
	if v.full || v.minor >= 75 {
		v.extended(w, s)
	}
}

// extended are the keys that came as extensions, once.
func (v *serverView) extended(w *writer, s *compute.Server) {
	config := ""
	if s.ConfigDrive {
		config = "True"
	}
	w.str("config_drive", config)
	zone := s.AvailabilityZone
	if h := v.details.Hosts[s.Host]; h != nil { // a host may be given to another zone
		zone = h.Zone
	}
	w.str("OS-EXT-AZ:availability_zone", zone)
	w.nonEmpty("key_name", s.KeyName)
	w.when("OS-SRV-USG:launched_at", s.LaunchedAt, microsLayout)
	w.when("OS-SRV-USG:terminated_at", s.TerminatedAt, microsLayout)
	v.securityGroups(w, s)
	w.nonEmpty("OS-EXT-STS:task_state", string(s.TaskState))
	w.str("OS-EXT-STS:vm_state", string(s.VMState))
	w.num("OS-EXT-STS:power_state", int(s.PowerState))
	w.list("os-extended-volumes:volumes_attached", func() {})
	if v.admin {
		w.nonEmpty("OS-EXT-SRV-ATTR:host", s.Host)
		w.str("OS-EXT-SRV-ATTR:instance_name", s.InstanceName())
		w.nonEmpty("OS-EXT-SRV-ATTR:hypervisor_hostname", s.Host)
	}
	if v.minor >= 3 && v.admin {
		w.str("OS-EXT-SRV-ATTR:reservation_id", s.ReservationID)
		w.num("OS-EXT-SRV-ATTR:launch_index", s.LaunchIndex)
		w.str("OS-EXT-SRV-ATTR:kernel_id", s.ImageProps["kernel_id"])
		w.str("OS-EXT-SRV-ATTR:ramdisk_id", s.ImageProps["ramdisk_id"])
		w.str("OS-EXT-SRV-ATTR:root_device_name", rootDevice)
		if !v.rebuild {
			w.nonEmpty("OS-EXT-SRV-ATTR:user_data", s.UserData)
		}
	}
	if v.minor >= 90 || v.minor >= 3 && v.admin {
		w.str("OS-EXT-SRV-ATTR:hostname", s.Hostname)
	}
	if v.minor >= 16 && v.hostStatus {
		w.str("host_status", compute.HostStatus(v.details.Hosts[s.Host]))
	}
}

func (v *serverView) image(w *writer, s *compute.Server) {
	if s.ImageID == "" {
		w.str("image", "")
		return
	}
	w.object("image", func() {
		w.str("id", s.ImageID)
		w.list("links", func() { w.link("bookmark", v.r.Endpoint+"/images/"+s.ImageID) })
		if v.minor >= 98 {
			w.strings("properties", s.ImageProps)
		}
	})
}

func (v *serverView) flavor(w *writer, f *compute.Flavor) {
	w.object("flavor", func() {
		if v.minor < 47 {
			w.str("id", f.ID)
			w.list("links", func() { w.link("bookmark", v.r.Endpoint+"/flavors/"+f.ID) })
			return
		}
		w.num("vcpus", f.VCPUs)
		w.num("ram", f.RAM)
		w.num("disk", f.Disk)
		w.num("ephemeral", f.Ephemeral)
		w.num("swap", f.Swap)
		w.str("original_name", f.Name)
		if v.specs {
			w.strings("extra_specs", f.ExtraSpecs)
		}
	})
}

func (v *serverView) fault(w *writer, f *compute.Fault) {
	w.object("fault", func() {
		w.num("code", f.Code)
		w.str("created", stamp(f.Created))
		w.str("message", f.Message)
		if f.Details != "" && v.faults { // they name the host
			w.str("details", f.Details)
		}
	})
}

func (v *serverView) securityGroups(w *writer, s *compute.Server) {
	groups := v.details.Groups[s.ID]
	if len(groups) == 0 {
		return
	}
	w.list("security_groups", func() {
		for _, g := range groups {
			w.object("", func() { w.str("name", g.Name) })
		}
	})
}

// writeAddresses groups addresses by network, in the order they come.
func writeAddresses(w *writer, key string, addresses []network.ServerAddress, extended bool) {
	w.object(key, func() {
		var done []string
		for i, first := range addresses {
			if contains(done, first.Network) {
				continue
			}
			done = append(done, first.Network)
			w.comma()
			w.text(first.Network)
			w.b = append(w.b, ':')
			w.list("", func() {
				for _, ad := range addresses[i:] {
					if ad.Network == first.Network {
						writeAddress(w, ad, extended)
					}
				}
			})
		}
	})
}

func contains(list []string, s string) bool {
	for _, l := range list {
		if l == s {
			return true
		}
	}
	return false
}

func writeAddress(w *writer, ad network.ServerAddress, extended bool) {
	w.object("", func() {
		version := 4
		if ad.IP.Is6() {
			version = 6
		}
		w.num("version", version)
		w.str("addr", ad.IP.String())
		if !extended {
			return
		}
		kind := "fixed"
		if ad.Floating {
			kind = "floating"
		}
		w.str("OS-EXT-IPS:type", kind)
		w.str("OS-EXT-IPS-MAC:mac_addr", ad.MAC)
	})
}

var hostIDs sync.Map // project and host → the hash of both

// hostID tells a project's owner whether two servers share a host without
// naming it.
func hostID(project, host string) string {
	if host == "" {
		return ""
	}
	k := project + "\x00" + host
	if v, ok := hostIDs.Load(k); ok {
		return v.(string)
	}
	sum := sha256.Sum224([]byte(project + host))
	v := hex.EncodeToString(sum[:])
	hostIDs.Store(k, v)
	return v
}

// nextLink writes the "…_links" of a page behind which another follows.
func nextLink(w *writer, key string, r *httpx.Request, marker string) {
	w.list(key, func() {
		w.link("next", r.PageURL(map[string]string{"marker": marker}))
	})
}

package api

import (
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
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

func newServerView(r *httpx.Request, d *compute.Details) *serverView {
	return &serverView{
		r: r, minor: r.Version.Minor, details: d, full: true,
		admin: d.Shown.Attributes, hostStatus: d.Shown.HostStatus, specs: d.Shown.Specs, faults: d.Shown.Attributes,
	}
}

func writeLinks(w *rest.Writer, r *httpx.Request, path string) {
	w.List("links", func() {
		w.Link("self", r.Endpoint+"/v2.1"+path)
		w.Link("bookmark", r.Endpoint+path)
	})
}

// brief is an item of GET /servers.
func (v *serverView) brief(w *rest.Writer, s *compute.Server) {
	w.Object("", func() {
		w.Text("id", s.ID)
		w.Text("name", s.Name)
		writeLinks(w, v.r, "/servers/"+s.ID)
	})
}

// detail is a server as GET shows it.
func (v *serverView) detail(w *rest.Writer, s *compute.Server) {
	w.Object("", func() { v.fields(w, s) })
}

func (v *serverView) fields(w *rest.Writer, s *compute.Server) {
	status := s.Status()
	w.Text("id", s.ID)
	w.Text("name", s.Name)
	w.Text("status", status)
	w.Text("tenant_id", s.ProjectID)
	w.Text("user_id", s.UserID)
	w.TextMap("metadata", s.Metadata)
	w.Text("hostId", hostID(s.ProjectID, s.Host))
	v.image(w, s)
	v.flavor(w, s.Flavor)
	w.Time("created", s.CreatedAt, rest.Seconds)
	w.Time("updated", s.UpdatedAt, rest.Seconds)
	writeAddresses(w, "addresses", v.details.Addresses[s.ID], v.full || v.minor >= 75)
	w.Text("accessIPv4", s.AccessIPv4)
	w.Text("accessIPv6", s.AccessIPv6)
	writeLinks(w, v.r, "/servers/"+s.ID)
	w.Text("OS-DCF:diskConfig", s.DiskConfig)
	switch status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		w.Int("progress", int64(s.Progress))
	}
	if s.Fault != nil && (status == "ERROR" || status == "DELETED") {
		v.fault(w, s.Fault)
	}
	if v.minor >= 9 {
		w.Bool("locked", s.Locked)
	}
	if v.minor >= 19 {
		w.TextPointer("description", s.Description)
	}
	if v.minor >= 26 {
		w.List("tags", func() {
			for _, t := range s.Tags {
				w.Text("", t)
			}
		})
	}
	if v.minor >= 63 {
		w.Null("trusted_image_certificates")
	}
	if v.minor >= 71 && v.groups {
		w.List("server_groups", func() {
			if s.GroupID != "" {
				w.Text("", s.GroupID)
			}
		})
	}
	if v.minor >= 73 {
		w.TextPointer("locked_reason", s.LockReason)
	}
	if v.minor >= 96 {
		w.TextOrNull("pinned_availability_zone", s.PinnedZone)
	}
	if v.minor >= 100 {
		w.Object("scheduler_hints", func() {
			for _, k := range sorted(s.Hints) {
				w.List(k, func() {
					for _, h := range s.Hints[k] {
						w.Text("", h)
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
func (v *serverView) extended(w *rest.Writer, s *compute.Server) {
	config := ""
	if s.ConfigDrive {
		config = "True"
	}
	w.Text("config_drive", config)
	zone := s.AvailabilityZone
	if h := v.details.Hosts[s.Host]; h != nil { // a host may be given to another zone
		zone = h.Zone
	}
	w.Text("OS-EXT-AZ:availability_zone", zone)
	w.TextOrNull("key_name", s.KeyName)
	w.Time("OS-SRV-USG:launched_at", s.LaunchedAt, rest.Micros)
	w.Time("OS-SRV-USG:terminated_at", s.TerminatedAt, rest.Micros)
	v.securityGroups(w, s)
	w.TextOrNull("OS-EXT-STS:task_state", string(s.TaskState))
	w.Text("OS-EXT-STS:vm_state", string(s.VMState))
	w.Int("OS-EXT-STS:power_state", int64(s.PowerState))
	w.List("os-extended-volumes:volumes_attached", func() {
		for _, d := range v.details.Volumes[s.ID] {
			w.Object("", func() {
				w.Text("id", d.VolumeID)
				if v.minor >= 3 {
					w.Bool("delete_on_termination", d.DeleteOnTermination)
				}
			})
		}
	})
	if v.admin {
		w.TextOrNull("OS-EXT-SRV-ATTR:host", s.Host)
		w.Text("OS-EXT-SRV-ATTR:instance_name", s.InstanceName())
		w.TextOrNull("OS-EXT-SRV-ATTR:hypervisor_hostname", s.Host)
	}
	if v.minor >= 3 && v.admin {
		w.Text("OS-EXT-SRV-ATTR:reservation_id", s.ReservationID)
		w.Int("OS-EXT-SRV-ATTR:launch_index", int64(s.LaunchIndex))
		w.Text("OS-EXT-SRV-ATTR:kernel_id", s.ImageProps["kernel_id"])
		w.Text("OS-EXT-SRV-ATTR:ramdisk_id", s.ImageProps["ramdisk_id"])
		w.Text("OS-EXT-SRV-ATTR:root_device_name", rootDevice)
		if !v.rebuild {
			w.TextOrNull("OS-EXT-SRV-ATTR:user_data", s.UserData)
		}
	}
	if v.minor >= 90 || v.minor >= 3 && v.admin {
		w.Text("OS-EXT-SRV-ATTR:hostname", s.Hostname)
	}
	if v.minor >= 16 && v.hostStatus {
		w.Text("host_status", compute.HostStatus(v.details.Hosts[s.Host]))
	}
}

func (v *serverView) image(w *rest.Writer, s *compute.Server) {
	if s.ImageID == "" {
		w.Text("image", "")
		return
	}
	w.Object("image", func() {
		w.Text("id", s.ImageID)
		w.List("links", func() { w.Link("bookmark", v.r.Endpoint+"/images/"+s.ImageID) })
		if v.minor >= 98 {
			w.TextMap("properties", s.ImageProps)
		}
	})
}

func (v *serverView) flavor(w *rest.Writer, f *compute.Flavor) {
	w.Object("flavor", func() {
		if v.minor < 47 {
			w.Text("id", f.ID)
			w.List("links", func() { w.Link("bookmark", v.r.Endpoint+"/flavors/"+f.ID) })
			return
		}
		w.Int("vcpus", int64(f.VCPUs))
		w.Int("ram", int64(f.RAM))
		w.Int("disk", int64(f.Disk))
		w.Int("ephemeral", int64(f.Ephemeral))
		w.Int("swap", int64(f.Swap))
		w.Text("original_name", f.Name)
		if v.specs {
			w.TextMap("extra_specs", f.ExtraSpecs)
		}
	})
}

func (v *serverView) fault(w *rest.Writer, f *compute.Fault) {
	w.Object("fault", func() {
		w.Int("code", int64(f.Code))
		w.Time("created", f.Created, rest.Seconds)
		w.Text("message", f.Message)
		if f.Details != "" && v.faults { // they name the host
			w.Text("details", f.Details)
		}
	})
}

func (v *serverView) securityGroups(w *rest.Writer, s *compute.Server) {
	groups := v.details.Groups[s.ID]
	if len(groups) == 0 {
		return
	}
	w.List("security_groups", func() {
		for _, g := range groups {
			w.Object("", func() { w.Text("name", g.Name) })
		}
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

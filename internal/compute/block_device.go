package compute

import (
	"context"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// VolumeDevice is a volume among a server's block devices. Its disks on the
// host are in the server itself: Root and Local.
type VolumeDevice struct {
	ID           string // bdm_uuid
	ServerID     string
	Number       int    // in the order of the request
	VolumeID     string // known from the start, also of one that is still being made
	AttachmentID string // the volume service knows the server by this one alone

	Source     string // volume, or what the volume was made from: snapshot, image, blank
	SourceID   string
	SizeGiB    int
	VolumeType string

	BootIndex           int    // -1: not booted from; 0: the root disk
	Name                string // /dev/vdb
	Bus, Type, Tag      string
	DeleteOnTermination bool
	Multiattach         bool
	State               DeviceState
	CreatedAt           time.Time
}

// DeviceState is how far a device is between its server and its volume.
type DeviceState string

// The states of a device.
const (
	DeviceMaking    DeviceState = "making"    // its volume is being made, and not yet reserved
	DeviceReserved  DeviceState = "reserved"  // the volume is the server's, which has no guest that uses it
	DeviceAttached  DeviceState = "attached"  // the guest has it
	DeviceDetaching DeviceState = "detaching" // the guest must not have it any more
)

// root tells whether the server boots from the device.
func (d *VolumeDevice) root() bool { return d.BootIndex == 0 }

// made tells whether the volume was made for the server.
func (d *VolumeDevice) made() bool { return d.Source != "volume" }

// of reads a server's volumes in their order.
func (s *connections) of(ctx context.Context, tx *store.Tx, serverID string) ([]*VolumeDevice, error) {
	if s.volumes == nil {
		return nil, nil
	}
	page, err := s.devices.List(ctx, tx, store.Query{
		Where: []store.Cond{store.Eq("server_id", serverID)}, Sort: []store.Sort{{Field: "number"}},
	})
	return page.Rows, err
}

// ofServers reads the volumes of several servers, by server.
func (s *connections) ofServers(ctx context.Context, tx *store.Tx, servers []*Server) (map[string][]*VolumeDevice, error) {
	out := map[string][]*VolumeDevice{}
	if s.volumes == nil || len(servers) == 0 {
		return out, nil
	}
	ids := make([]string, len(servers))
	for i, srv := range servers {
		ids[i] = srv.ID
	}
	page, err := s.devices.List(ctx, tx, store.Query{
		Where: []store.Cond{store.In("server_id", ids)}, Sort: []store.Sort{{Field: "number"}},
	})
	for _, d := range page.Rows {
		out[d.ServerID] = append(out[d.ServerID], d)
	}
	return out, err
}

// one finds the device that a volume is of a server.
func (s *connections) one(ctx context.Context, tx *store.Tx, serverID, volumeID string) (*VolumeDevice, error) {
	list, err := s.of(ctx, tx, serverID)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.VolumeID == volumeID {
			return d, nil
		}
	}
	return nil, errs.New(errs.NotFound, "Instance %s is not attached to volume %s", serverID, volumeID)
}

// How the names of devices begin on each bus.
var devicePrefixes = map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "ide": "hd", "usb": "sd"}

// maxDevices is how many names a bus has.
const maxDevices = 26

// nameDevice names a device: as asked for, if that is a name on its bus, else
// by the first letter that is free. Guests number their disks by themselves;
// hosts heed the letter where they can.
func (srv *Server) nameDevice(d *VolumeDevice, asked string, others []*VolumeDevice) error {
	prefix := devicePrefixes[srv.busOf(d.Bus)]
	if d.root() {
		d.Name = "/dev/" + prefix + "a"
		return nil
	}
	taken := srv.localNames()
	for _, o := range others {
		taken = append(taken, strings.TrimPrefix(o.Name, "/dev/"))
	}
	if short := strings.TrimPrefix(asked, "/dev/"); strings.HasPrefix(short, prefix) && len(short) == len(prefix)+1 {
		if slices.Contains(taken, short) {
			return errs.New(errs.Invalid, "The supplied device path (%s) is in use.", asked)
		}
		d.Name = "/dev/" + short
		return nil
	}
	name, ok := freeName(prefix, taken)
	if !ok {
		return errs.New(errs.Forbidden, "The maximum allowed number of disk devices (%d) to attach to a single instance has been exceeded.", maxDevices)
	}
	d.Name = "/dev/" + name
	return nil
}

func freeName(prefix string, taken []string) (string, bool) {
	for i := range maxDevices {
		if name := prefix + string(rune('a'+i)); !slices.Contains(taken, name) {
			return name, true
		}
	}
	return "", false
}

// busOf is the bus of a disk that asks for one, or for none.
func (srv *Server) busOf(bus string) string {
	if devicePrefixes[bus] == "" {
		bus = srv.ImageProps["hw_disk_bus"]
	}
	if devicePrefixes[bus] == "" {
		bus = "virtio"
	}
	return bus
}

// localNames are the names that the server's disks on the host have.
func (srv *Server) localNames() []string {
	var out []string
	add := func(bus string) {
		if name, ok := freeName(devicePrefixes[srv.busOf(bus)], out); ok {
			out = append(out, name)
		}
	}
	add(srv.Root.Bus) // the boot volume's, if there is one
	for _, d := range srv.ephemeral() {
		add(d.Bus)
	}
	if swap := srv.swap(); swap != nil {
		add(swap.Bus)
	}
	return out
}

package compute

import (
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// LocalDisks are the blank disks that a server was ordered with. Where it was
// ordered with none, it has those of its flavor.
type LocalDisks struct {
	Ephemeral []hostapi.LocalDisk `json:"ephemeral,omitempty"`
	Swap      *hostapi.LocalDisk  `json:"swap,omitempty"`
	// Rebuild is the rebuild that made the ephemeral disks anew.
	Rebuild int64 `json:"rebuild,omitempty"`
	// Carriers are the images that carry the ephemeral disks to another host,
	// one each, while the server moves.
	Carriers []string `json:"carriers,omitempty"`
}

// ephemeral lists the server's blank disks: those it was ordered with, or one as
// large as its flavor says.
func (srv *Server) ephemeral() []hostapi.LocalDisk {
	out := slices.Clone(srv.Local.Ephemeral)
	if len(out) == 0 && srv.Flavor.Ephemeral > 0 {
		out = []hostapi.LocalDisk{{SizeMiB: srv.Flavor.Ephemeral << 10}}
	}
	for i := range out {
		out[i].Rebuild = srv.Local.Rebuild
	}
	return out
}

// carries tells whether an image holds a disk that the server's host writes or
// reads just now.
func (srv *Server) carries(image string) bool {
	return srv.SnapshotImageID == image || slices.Contains(srv.Local.Carriers, image)
}

// swap is the server's swap disk; nil if it has none.
func (srv *Server) swap() *hostapi.LocalDisk {
	switch {
	case srv.Local.Swap != nil:
		return srv.Local.Swap
	case srv.Flavor.Swap > 0:
		return &hostapi.LocalDisk{SizeMiB: srv.Flavor.Swap}
	}
	return nil
}

// maxLocalDisks is how many disks on the host an order may name, as in Nova.
const maxLocalDisks = 3

// What a local disk may be asked to be.
var (
	diskBuses   = []string{"", "virtio", "scsi", "sata", "ide", "usb"}
	fileSystems = []string{"", "ext2", "ext3", "ext4", "vfat", "xfs", "ntfs"}
)

func badDevices(format string, args ...any) error {
	return errs.New(errs.Invalid, "Block Device Mapping is Invalid: "+format, args...)
}

// checkDevices judges the list of devices by itself: what it names is looked for
// when the server is made.
func (s *orders) checkDevices(r *CreateServer) error {
	locals, swaps := 0, 0
	for _, d := range r.Devices {
		if !slices.Contains(diskBuses, d.Bus) {
			return badDevices("disk_bus %q is not supported; virtio, scsi, sata, ide and usb are.", d.Bus)
		}
		if d.DeviceType != "" && d.DeviceType != "disk" {
			return badDevices("device_type %q is not supported; disk is.", d.DeviceType)
		}
		if d.toVolume() {
			if err := s.checkVolumeDevice(r, d); err != nil {
				return err
			}
			continue
		}
		locals++
		swap, err := checkLocalDevice(r, d)
		if err != nil {
			return err
		}
		if swap {
			swaps++
		}
	}
	switch {
	case swaps > 1:
		return badDevices("More than one swap drive requested.")
	case locals > maxLocalDisks:
		return badDevices("You specified more local devices than the limit allows")
	}
	return r.checkBootOrder()
}

// checkLocalDevice judges a disk on the host, and tells whether it is swap.
func checkLocalDevice(r *CreateServer, d BlockDevice) (swap bool, err error) {
	switch {
	case d.SourceType != "image" && d.SourceType != "blank":
		return false, badDevices("a %s cannot become a local disk; say destination_type volume.", d.SourceType)
	case d.VolumeType != "":
		return false, badDevices("Specifying a volume_type with destination_type=local is not supported.")
	case d.SourceType == "image":
		if r.ImageID != "" && d.ID != r.ImageID {
			return false, badDevices("it names image %s, but the server boots from %s.", d.ID, r.ImageID)
		}
		if d.BootIndex == nil || *d.BootIndex != 0 {
			return false, badDevices("Mapping image to local is not supported.")
		}
		r.ImageID = d.ID
	case d.ID != "":
		return false, badDevices("Invalid device UUID.")
	case d.BootIndex != nil && *d.BootIndex >= 0:
		return false, badBootOrder()
	case d.GuestFormat == "swap":
		return true, nil
	case !slices.Contains(fileSystems, d.GuestFormat):
		return false, badDevices("guest_format %q is not supported; swap, ext2, ext3, ext4, vfat, xfs and ntfs are.", d.GuestFormat)
	}
	return false, nil
}

// localDisks lifts the blank devices of an order, within what the flavor has.
func (r *CreateServer) localDisks(f *Flavor) (LocalDisks, error) {
	var out LocalDisks
	total := 0
	for _, d := range r.Devices {
		if d.toVolume() {
			continue
		}
		if d.SourceType != "blank" {
			if d.SizeGiB != 0 && d.SizeGiB != f.Disk {
				return out, badDevices("volume_size %d of the disk that the server boots from is not supported: a local one has the %d GiB of flavor %s.", d.SizeGiB, f.Disk, f.Name)
			}
			continue
		}
		disk := hostapi.LocalDisk{Bus: d.Bus, Tag: d.Tag}
		if d.GuestFormat == "swap" {
			if d.SizeGiB > f.Swap {
				return out, errs.New(errs.Invalid, "Swap drive requested is larger than instance type allows.")
			}
			if disk.SizeMiB = d.SizeGiB; disk.SizeMiB == 0 { // MiB, for swap
				disk.SizeMiB = f.Swap
			}
			if disk.SizeMiB == 0 {
				return out, badDevices("flavor %s has no swap.", f.Name)
			}
			out.Swap = &disk
			continue
		}
		size := d.SizeGiB
		if size == 0 {
			size = f.Ephemeral
		}
		if size == 0 {
			return out, badDevices("flavor %s has no ephemeral disk.", f.Name)
		}
		total += size
		disk.SizeMiB, disk.Format = size<<10, d.GuestFormat
		out.Ephemeral = append(out.Ephemeral, disk)
	}
	if total > f.Ephemeral {
		return out, errs.New(errs.Invalid, "Ephemeral disks requested are larger than the instance type allows. If no size is given in one block device mapping, flavor ephemeral size will be used.")
	}
	return out, nil
}

// rootDisk is the disk made from the image, as the order would have it.
func (r *CreateServer) rootDisk(image *Image, sizeGiB int) hostapi.RootDisk {
	root := rootDisk(image, sizeGiB)
	for _, d := range r.Devices {
		if d.SourceType == "image" && !d.toVolume() {
			root.Bus, root.Tag = d.Bus, d.Tag
		}
	}
	return root
}

// carriedBy is the disk as it is made from another image.
func carriedBy(image *Image, old hostapi.RootDisk) hostapi.RootDisk {
	root := rootDisk(image, old.SizeGiB)
	root.Bus, root.Tag = old.Bus, old.Tag
	return root
}

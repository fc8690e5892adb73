package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/imagecache"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// A server's files. Those of the root disk carry the number of the rebuild
// that made them, so that a new disk never meets an old one's remains:
//
//	root-N       the disk that the guest writes to: qcow2 over base-N
//	base-N       the image, a link into the cache
//	base-N.json  what the image is
//	rescue       and rescue-base: the same for a rescue image, while there is one
//	ephemeral-I  blank disks
//	swap         swap space
//	config.iso   the config drive
const (
	rescueName     = "rescue"
	rescueBaseName = "rescue-base"
)

func rootName(rebuild int64) string { return fmt.Sprintf("root-%d", rebuild) }
func baseName(rebuild int64) string { return fmt.Sprintf("base-%d", rebuild) }

// ensureDisks makes the disks that are missing, lets those of a guest that is
// off grow with its flavor, and removes those of earlier rebuilds and rescues.
// What is on a disk that the guest has written to is never touched.
func (a *Agent) ensureDisks(ctx context.Context, s *server, spec *hostapi.ServerSpec, off bool) error {
	if spec.Root.ImageID != "" {
		if err := a.ensureRoot(ctx, s, spec.Root, rootName(spec.Rebuild), baseName(spec.Rebuild)); err != nil {
			return err
		}
		if off && spec.Root.SizeGiB > 0 {
			layers, err := s.layers(rootName(spec.Rebuild), baseName(spec.Rebuild))
			if err != nil {
				return err
			}
			if err := disk.Grow(ctx, layers, int64(spec.Root.SizeGiB)<<30); err != nil {
				return err
			}
		}
	}
	if spec.Rescue != nil {
		if err := a.ensureRoot(ctx, s, *spec.Rescue, rescueName, rescueBaseName); err != nil {
			return err
		}
	}
	for i, gib := range spec.Ephemeral {
		if err := missing(s.path(fmt.Sprintf("ephemeral-%d", i)), func(path string) error {
			return createEphemeral(ctx, path, i, gib)
		}); err != nil {
			return err
		}
	}
	if err := s.ensureSwap(int64(spec.SwapMiB)<<20, off); err != nil {
		return err
	}
	if spec.ConfigDrive {
		if err := writeConfigDrive(s.path("config.iso"), spec); err != nil {
			return err
		}
	}
	return s.dropOldRoots(spec)
}

// ensureRoot makes a disk to boot from: an overlay as large as the flavor says
// on a link to the cached image.
func (a *Agent) ensureRoot(ctx context.Context, s *server, want hostapi.RootDisk, rootName, baseName string) error {
	base, root := s.path(baseName), s.path(rootName)
	if _, err := os.Lstat(root); err == nil {
		return nil
	}
	image, err := a.images.Link(ctx, want, base)
	if err != nil {
		return err
	}
	size := int64(want.SizeGiB) << 30
	switch {
	case size == 0:
		size = image.VirtualSize
	case size < image.VirtualSize && !image.CDROM:
		return errs.New(errs.Invalid, "Flavor's disk is too small for requested image. Flavor disk is %d bytes, image is %d bytes.", size, image.VirtualSize)
	}
	if err := saveJSON(base+".json", image, false); err != nil {
		return fmt.Errorf("describe image: %w", err)
	}
	if image.CDROM { // an installer boots from the image and writes to a blank disk
		return disk.CreateOverlay(root, size, "", "")
	}
	return disk.CreateOverlay(root, size, base, image.Format)
}

// layers are the files of a disk to boot from, as we made them.
func (s *server) layers(rootName, baseName string) ([]diskimage.Layer, error) {
	image := imagecache.Image{}
	if err := loadJSON(s.path(baseName)+".json", &image); err != nil {
		return nil, fmt.Errorf("image of server %s: %w", s.id, err)
	}
	layers := []diskimage.Layer{{Path: s.path(rootName), Format: "qcow2"}}
	if !image.CDROM {
		layers = append(layers, diskimage.Layer{Path: s.path(baseName), Format: image.Format})
	}
	return layers, nil
}

// ensureSwap makes the swap disk, anew if its size is another now: nobody
// expects to find anything in it after the guest was off.
func (s *server) ensureSwap(size int64, off bool) error {
	path := s.path("swap")
	info, err := os.Lstat(path)
	switch {
	case err == nil && (!off || info.Size() == size):
		return nil
	case err == nil && size == 0:
		return os.Remove(path)
	case size == 0:
		return nil
	}
	return disk.CreateSwap(path, size)
}

func createEphemeral(ctx context.Context, path string, i, gib int) error {
	part := filepath.Join(filepath.Dir(path), ".part-"+filepath.Base(path))
	if err := disk.CreateBlank(part, int64(gib)<<30); err != nil {
		return err
	}
	if err := disk.Format(ctx, part, "ext4", fmt.Sprintf("ephemeral%d", i), int64(gib)<<30); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, path)
}

// missing calls make if there is no such file.
func missing(path string, make func(string) error) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	return make(path)
}

// dropOldRoots removes disks of earlier rebuilds and of a rescue that is over.
func (s *server) dropOldRoots(spec *hostapi.ServerSpec) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("disks of server %s: %w", s.id, err)
	}
	keep := []string{rootName(spec.Rebuild), baseName(spec.Rebuild), baseName(spec.Rebuild) + ".json"}
	if spec.Rescue != nil {
		keep = append(keep, rescueName, rescueBaseName, rescueBaseName+".json")
	}
	for _, e := range entries {
		name := e.Name()
		old := strings.HasPrefix(name, "root-") || strings.HasPrefix(name, "base-") || strings.HasPrefix(name, "rescue")
		if !old || slices.Contains(keep, name) {
			continue
		}
		if err := os.Remove(s.path(name)); err != nil {
			return fmt.Errorf("remove old disk: %w", err)
		}
	}
	return nil
}

// disks lists the guest's disks, in the order in which it sees them.
func (s *server) disks(spec *hostapi.ServerSpec) ([]hypervisor.Disk, error) {
	l := layout{bus: busOf(spec.Hints), cdrom: cdromBusOf(spec.Hints, runtime.GOARCH)}
	first := 1 // what is booted from is what is added first
	if spec.Rescue != nil {
		if err := s.addRoot(&l, rescueName, rescueBaseName, first); err != nil {
			return nil, err
		}
		first = 0
	}
	if spec.Root.ImageID != "" {
		if err := s.addRoot(&l, rootName(spec.Rebuild), baseName(spec.Rebuild), first); err != nil {
			return nil, err
		}
	}
	for _, v := range spec.Volumes {
		if v.Boot {
			d := volume(v)
			d.BootOrder = first
			l.add(d)
		}
	}
	for i := range spec.Ephemeral {
		l.add(hypervisor.Disk{Format: "raw", Path: s.path(fmt.Sprintf("ephemeral-%d", i))})
	}
	if spec.SwapMiB > 0 {
		l.add(hypervisor.Disk{Format: "raw", Path: s.path("swap")})
	}
	for _, v := range spec.Volumes {
		if !v.Boot {
			l.add(volume(v))
		}
	}
	if spec.ConfigDrive {
		l.add(hypervisor.Disk{Format: "raw", Path: s.path("config.iso"), CDROM: true})
	}
	return l.disks, nil
}

// addRoot adds a disk to boot from, if order is not zero, with the image that it
// is based on.
func (s *server) addRoot(l *layout, rootName, baseName string, order int) error {
	base := s.path(baseName)
	image := imagecache.Image{}
	if err := loadJSON(base+".json", &image); err != nil {
		return fmt.Errorf("image of server %s: %w", s.id, err)
	}
	root := hypervisor.Disk{Format: "qcow2", Path: s.path(rootName), BootOrder: order}
	if image.CDROM {
		l.add(hypervisor.Disk{Format: image.Format, Path: base, CDROM: true, BootOrder: order})
		if order > 0 {
			root.BootOrder = order + 1
		}
	} else {
		root.Backing = []hypervisor.Backing{{Path: base, Format: image.Format}}
	}
	l.add(root)
	return nil
}

// volume is an attached volume as a disk. Its serial is how a guest finds it
// again under /dev/disk/by-id.
func volume(v hostapi.Volume) hypervisor.Disk {
	d := hypervisor.Disk{
		Device: strings.TrimPrefix(v.Device, "/dev/"), Driver: v.Driver, Source: v.Source,
		Format: v.Source["format"], Serial: v.ID, Direct: true,
	}
	if d.Format == "" {
		d.Format = "raw"
	}
	return d
}

// layout gives disks their names: the one asked for, or the first that is free.
type layout struct {
	bus   string
	cdrom string // bus of optical drives
	disks []hypervisor.Disk
}

var prefixes = map[string]string{"virtio": "vd", "scsi": "sd", "sata": "sd", "ide": "hd", "usb": "sd"}

func busOf(hints map[string]string) string {
	if b := hints["hw_disk_bus"]; prefixes[b] != "" {
		return b
	}
	return "virtio"
}

// cdromBusOf finds a bus that the machine has and its firmware can boot from.
func cdromBusOf(hints map[string]string, arch string) string {
	switch b := hints["hw_cdrom_bus"]; {
	case prefixes[b] != "" && b != "virtio":
		return b
	case arch != "amd64":
		return "scsi"
	case strings.Contains(hints["hw_machine_type"], "q35"):
		return "sata"
	}
	return "ide"
}

func (l *layout) add(d hypervisor.Disk) {
	d.Bus = l.bus
	if d.CDROM {
		d.Bus = l.cdrom
	}
	if d.Device == "" || l.taken(d.Device) || !strings.HasPrefix(d.Device, prefixes[d.Bus]) {
		for i := 'a'; i <= 'z'; i++ {
			if d.Device = prefixes[d.Bus] + string(i); !l.taken(d.Device) {
				break
			}
		}
	}
	l.disks = append(l.disks, d)
}

func (l *layout) taken(device string) bool {
	return slices.ContainsFunc(l.disks, func(d hypervisor.Disk) bool { return d.Device == device })
}

// removeFiles removes the server's directory, the spec last of all: as long as
// it is there, a removal that was cut short can be done again.
func (s *server) removeFiles() error {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "spec.json" {
			if err := os.RemoveAll(s.path(e.Name())); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(s.dir)
}

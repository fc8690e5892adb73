package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/imagecache"
	"kumoi/internal/agent/layout"
	"kumoi/internal/agent/metadata"
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
//	ephemeral-I  blank disks; ephemeral-I-N those of rebuild N
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
	if err := a.ensureEphemeral(ctx, s, spec, off); err != nil {
		return err
	}
	if err := s.ensureSwap(spec.Swap, off); err != nil {
		return err
	}
	if spec.ConfigDrive {
		if err := writeConfigDrive(s.path("config.iso"), s.guest(spec)); err != nil {
			return err
		}
	}
	return s.dropOldDisks(spec)
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

// dropOldDisks removes disks of earlier rebuilds and of a rescue that is over.
func (s *server) dropOldDisks(spec *hostapi.ServerSpec) error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("disks of server %s: %w", s.id, err)
	}
	keep := []string{rootName(spec.Rebuild), baseName(spec.Rebuild), baseName(spec.Rebuild) + ".json"}
	if spec.Rescue != nil {
		keep = append(keep, rescueName, rescueBaseName, rescueBaseName+".json")
	}
	for i, d := range spec.Ephemeral {
		keep = append(keep, ephemeralName(i, d.Rebuild))
	}
	for _, e := range entries {
		name := e.Name()
		// A spec that knows no ephemeral disk says nothing about old ones.
		old := len(spec.Ephemeral) > 0 && strings.HasPrefix(name, "ephemeral-") || strings.HasPrefix(name, "root-") || strings.HasPrefix(name, "base-") || strings.HasPrefix(name, "rescue")
		if !old || slices.Contains(keep, name) {
			continue
		}
		if err := os.Remove(s.path(name)); err != nil {
			return fmt.Errorf("remove old disk: %w", err)
		}
	}
	return nil
}

// optical tells which images the server boots from are optical disks: what we
// found when we fetched them, or what is claimed of them until then.
func (s *server) optical(spec *hostapi.ServerSpec) layout.Optical {
	o := layout.Claimed(spec)
	image := imagecache.Image{}
	if loadJSON(s.path(baseName(spec.Rebuild))+".json", &image) == nil {
		o.Root = image.CDROM
	}
	image = imagecache.Image{}
	if loadJSON(s.path(rescueBaseName)+".json", &image) == nil {
		o.Rescue = image.CDROM
	}
	return o
}

// guest is the server as its guest is told about it.
func (s *server) guest(spec *hostapi.ServerSpec) metadata.Guest {
	return metadata.Guest{ServerSpec: spec, Disks: layout.Disks(spec, s.optical(spec))}
}

// disks lists the guest's disks, in the order in which it sees them.
func (s *server) disks(spec *hostapi.ServerSpec) ([]hypervisor.Disk, error) {
	var out []hypervisor.Disk
	for _, place := range layout.Disks(spec, s.optical(spec)) {
		d := hypervisor.Disk{Format: "raw"}
		var err error
		switch place.Kind {
		case layout.Root:
			d, err = s.bootDisk(rootName(spec.Rebuild), baseName(spec.Rebuild))
		case layout.Rescue:
			d, err = s.bootDisk(rescueName, rescueBaseName)
		case layout.Image:
			d.Path, d.Format, err = s.image(baseName(spec.Rebuild))
		case layout.RescueCD:
			d.Path, d.Format, err = s.image(rescueBaseName)
		case layout.Ephemeral:
			d.Path = s.path(ephemeralName(place.Index, spec.Ephemeral[place.Index].Rebuild))
		case layout.Swap:
			d.Path = s.path("swap")
		case layout.Config:
			d.Path = s.path("config.iso")
		case layout.Volume:
			d = s.volume(spec.Volumes[place.Index])
		}
		if err != nil {
			return nil, err
		}
		d.Device, d.Bus, d.CDROM, d.BootOrder = place.Device, place.Bus, place.CDROM, place.Order
		out = append(out, d)
	}
	return out, nil
}

// bootDisk is a disk to boot from, with the image that it is based on.
func (s *server) bootDisk(rootName, baseName string) (hypervisor.Disk, error) {
	layers, err := s.layers(rootName, baseName)
	if err != nil {
		return hypervisor.Disk{}, err
	}
	d := hypervisor.Disk{Format: layers[0].Format, Path: layers[0].Path}
	for _, l := range layers[1:] {
		d.Backing = append(d.Backing, hypervisor.Backing{Path: l.Path, Format: l.Format})
	}
	return d, nil
}

// image is an image that a disk is based on.
func (s *server) image(baseName string) (path, format string, err error) {
	image := imagecache.Image{}
	if err := loadJSON(s.path(baseName)+".json", &image); err != nil {
		return "", "", fmt.Errorf("image of server %s: %w", s.id, err)
	}
	return s.path(baseName), image.Format, nil
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

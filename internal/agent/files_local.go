package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kumoi/internal/agent/disk"
	"kumoi/internal/hostapi"
)

func ephemeralName(i int, rebuild int64) string {
	if rebuild == 0 {
		return fmt.Sprintf("ephemeral-%d", i)
	}
	return fmt.Sprintf("ephemeral-%d-%d", i, rebuild)
}

// ensureEphemeral makes the blank disks that are missing, and lets those of a
// guest that is off grow with its flavor. Their file systems are the guest's.
func (a *Agent) ensureEphemeral(ctx context.Context, s *server, spec *hostapi.ServerSpec, off bool) error {
	for i, want := range spec.Ephemeral {
		path, size := s.path(ephemeralName(i, want.Rebuild)), int64(want.SizeMiB)<<20
		_, err := os.Lstat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = a.createEphemeral(ctx, path, fmt.Sprintf("ephemeral%d", i), want, spec.Hints["os_type"])
		case err == nil && off:
			err = disk.GrowBlank(path, size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// createEphemeral makes a disk, with a file system or with the content that it
// had on another host, under its name only when it is complete.
func (a *Agent) createEphemeral(ctx context.Context, path, label string, want hostapi.LocalDisk, osType string) (err error) {
	part, size := filepath.Join(filepath.Dir(path), ".part-"+filepath.Base(path)), int64(want.SizeMiB)<<20
	if want.From != nil {
		if err = a.images.Extract(ctx, *want.From, part); err == nil {
			err = disk.GrowBlank(part, size)
		}
	} else if err = disk.CreateBlank(part, size); err == nil {
		err = disk.Format(ctx, part, fileSystem(want.Format, osType), label, size)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(part))
	}
	return os.Rename(part, path)
}

// fileSystem is what a blank disk is formatted with: what was ordered, or what
// Nova gives to the guests of such images.
func fileSystem(ordered, osType string) string {
	switch {
	case ordered != "":
		return ordered
	case osType == "linux":
		return "ext4"
	case osType == "windows":
		return "ntfs"
	}
	return "vfat"
}

// ensureSwap makes the swap disk, anew if its size is another now: nobody
// expects to find anything in it after the guest was off.
func (s *server) ensureSwap(want *hostapi.LocalDisk, off bool) error {
	path, size := s.path("swap"), int64(0)
	if want != nil {
		size = int64(want.SizeMiB) << 20
	}
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

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
func (s *server) ensureEphemeral(ctx context.Context, spec *hostapi.ServerSpec, off bool) error {
	for i, want := range spec.Ephemeral {
		path, size := s.path(ephemeralName(i, want.Rebuild)), int64(want.SizeMiB)<<20
		_, err := os.Lstat(path)
		switch {
		case errors.Is(err, os.ErrNotExist):
			err = createEphemeral(ctx, path, i, want)
		case err == nil && off:
			err = disk.GrowBlank(path, size)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// createEphemeral makes a disk with a file system, under its name only when it
// is complete.
func createEphemeral(ctx context.Context, path string, i int, want hostapi.LocalDisk) error {
	part, size := filepath.Join(filepath.Dir(path), ".part-"+filepath.Base(path)), int64(want.SizeMiB)<<20
	if err := disk.CreateBlank(part, size); err != nil {
		return err
	}
	fs := want.Format
	if fs == "" {
		fs = "ext4"
	}
	if err := disk.Format(ctx, part, fs, fmt.Sprintf("ephemeral%d", i), size); err != nil {
		return errors.Join(err, os.Remove(part))
	}
	return os.Rename(part, path)
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

package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"kumoi/internal/diskimage"
	"kumoi/internal/kernel/errs"
)

// limits are those of a tool that works on a disk of size bytes: a file that
// holds one takes a little more.
func limits(size int64) diskimage.Limits {
	l := diskimage.DefaultLimits()
	l.Size = size + size/8 + 64<<20
	return l
}

// Convert writes a disk of size bytes as a qcow2 file that stands alone.
func Convert(ctx context.Context, from []diskimage.Layer, size int64, to string) error {
	return Full(diskimage.Convert(ctx, from, diskimage.Layer{Path: to, Format: "qcow2"}, limits(size)))
}

// Extract writes a disk of size bytes as a raw file.
func Extract(ctx context.Context, from diskimage.Layer, size int64, to string) error {
	return Full(diskimage.Convert(ctx, []diskimage.Layer{from}, diskimage.Layer{Path: to, Format: "raw"}, limits(size)))
}

// Size reads the size of one of our qcow2 disks from its header, which no
// guest can write to.
func Size(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close() //nolint:errcheck // only read
	header := make([]byte, 32)
	if _, err := f.ReadAt(header, 0); err != nil {
		return 0, fmt.Errorf("size of disk %s: %w", path, err)
	}
	return int64(binary.BigEndian.Uint64(header[24:])), nil
}

// Grow makes one of our qcow2 disks at least size bytes large. Its guest must
// be off. A disk never shrinks.
func Grow(ctx context.Context, disk []diskimage.Layer, size int64) error {
	have, err := Size(disk[0].Path)
	if err != nil || have >= size {
		return err
	}
	if err := diskimage.Resize(ctx, disk, size, limits(size)); err != nil {
		return Full(fmt.Errorf("grow disk: %w", err))
	}
	return nil
}

// GrowBlank makes a raw disk at least size bytes large. What is on it stays.
func GrowBlank(path string, size int64) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() >= size {
		return err
	}
	if err := os.Truncate(path, size); err != nil {
		return Full(fmt.Errorf("grow disk: %w", err))
	}
	return nil
}

// Format puts an empty file system on a blank disk.
func Format(ctx context.Context, path, fs, label string, size int64) error {
	return Full(diskimage.Format(ctx, path, fs, label, limits(size)))
}

// Full names a full disk, which another host may not have.
func Full(err error) error {
	if kind := errs.KindOf(err); err != nil && (kind == errs.TooLarge || kind == errs.Internal && isNoSpace(err)) {
		return errs.Wrap(errs.NoCapacity, err, "The host's disk is full.")
	}
	return err
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || strings.Contains(err.Error(), "No space left")
}

package disk

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"kumoi/internal/kernel/errs"
)

const (
	clusterBits = 16
	cluster     = 1 << clusterBits
	perL2       = cluster / 8 // clusters that one L2 table maps

	// maxVirtualSize is more than any disk and small enough that sums do not overflow.
	maxVirtualSize = 1 << 50

	extensionBackingFormat = 0xE2792ACA
)

// CreateOverlay makes a qcow2 disk of size bytes that shows backing's content
// until it is written to. The backing file's name is kept as it is given; a
// relative one is looked for beside the overlay. The file appears whole.
func CreateOverlay(path string, size int64, backing, backingFormat string) error {
	if size <= 0 || size > maxVirtualSize {
		return errs.New(errs.Invalid, "A disk cannot have %d bytes.", size)
	}
	if len(backing) > 1023 {
		return errs.New(errs.Invalid, "The path %s is too long for a disk to refer to.", backing)
	}
	return create(path, func(f *os.File) error { return writeOverlay(f, size, backing, backingFormat) })
}

// writeOverlay lays the file out: header, refcount table, one refcount block,
// L1 table. Everything else is allocated as the guest writes.
func writeOverlay(f *os.File, size int64, backing, backingFormat string) error {
	size = (size + 511) &^ 511
	l1Entries := (size + cluster*perL2 - 1) / (cluster * perL2)
	l1Clusters := (l1Entries*8 + cluster - 1) / cluster
	const refTable, refBlock, l1 = 1, 2, 3 // clusters
	used := l1 + l1Clusters
	if used > cluster/2 {
		return errs.New(errs.Invalid, "A disk cannot have %d bytes.", size)
	}

	be := binary.BigEndian
	h := make([]byte, 112, 4096)
	copy(h, "QFI\xfb")
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], clusterBits)
	be.PutUint64(h[24:], uint64(size))
	be.PutUint32(h[36:], uint32(l1Entries))
	be.PutUint64(h[40:], l1*cluster)
	be.PutUint64(h[48:], refTable*cluster)
	be.PutUint32(h[56:], 1)
	be.PutUint32(h[96:], 4) // refcounts of 16 bits
	be.PutUint32(h[100:], 112)
	if backing != "" {
		h = be.AppendUint32(h, extensionBackingFormat)
		h = be.AppendUint32(h, uint32(len(backingFormat)))
		h = append(h, backingFormat...)
		for len(h)%8 != 0 {
			h = append(h, 0)
		}
	}
	h = be.AppendUint64(h, 0) // end of the extensions
	if backing != "" {
		be.PutUint64(h[8:], uint64(len(h)))
		be.PutUint32(h[16:], uint32(len(backing)))
		h = append(h, backing...)
	}
	table := be.AppendUint64(nil, refBlock*cluster)
	var counts []byte
	for range used {
		counts = be.AppendUint16(counts, 1)
	}
	for _, part := range []struct {
		at   int64
		data []byte
	}{{0, h}, {refTable * cluster, table}, {refBlock * cluster, counts}} {
		if _, err := f.WriteAt(part.data, part.at); err != nil {
			return err
		}
	}
	return f.Truncate(used * cluster) // the rest reads as zeros: nothing allocated
}

// CreateBlank makes a sparse raw disk.
func CreateBlank(path string, size int64) error {
	return create(path, func(f *os.File) error { return f.Truncate(size) })
}

// CreateSwap makes a sparse raw disk that is formatted as swap space.
func CreateSwap(path string, size int64) error {
	const page = 4096
	if size < 10*page {
		return errs.New(errs.Invalid, "A swap disk cannot have %d bytes.", size)
	}
	return create(path, func(f *os.File) error {
		h := make([]byte, page)
		le := binary.LittleEndian
		le.PutUint32(h[1024:], 1) // version
		le.PutUint32(h[1028:], uint32(min(size/page-1, 1<<32-1)))
		copy(h[1052:], "swap0") // the label
		copy(h[page-10:], "SWAPSPACE2")
		if _, err := f.Write(h); err != nil {
			return err
		}
		return f.Truncate(size)
	})
}

// create writes a file beside path and moves it there when it is complete.
func create(path string, write func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create disk: %w", err)
	}
	defer os.Remove(f.Name()) //nolint:errcheck // gone after the rename
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return Full(fmt.Errorf("create disk %s: %w", path, err))
	}
	return nil
}

// Free tells how large the file system of path is and how much of it is free,
// in bytes.
func Free(path string) (total, free int64, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(path, &s); err != nil {
		return 0, 0, fmt.Errorf("free space of %s: %w", path, err)
	}
	return int64(s.Blocks) * s.Bsize, int64(s.Bavail) * s.Bsize, nil
}

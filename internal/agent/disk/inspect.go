package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	"kumoi/internal/kernel/errs"
)

// Info is what Inspect found out about an image.
type Info struct {
	Format      string // as OpenStack names it: "raw", "qcow2", "vmdk", ...
	VirtualSize int64  // in bytes; 0 if only conversion will tell
}

// Runnable tells whether QEMU uses the format as it is; others are converted.
func (i Info) Runnable() bool { return i.Format == "raw" || i.Format == "qcow2" }

// maxVirtualSize is more than any disk and small enough that sums do not overflow.
const maxVirtualSize = 1 << 50

// signatures of formats at their place in a file.
var signatures = []struct {
	format string
	offset int
	magic  []byte
}{
	{"qcow2", 0, []byte("QFI\xfb")},
	{"vmdk", 0, []byte("KDMV")},
	{"vmdk", 0, []byte("COWD")},
	{"vmdk", 0, []byte("# Disk DescriptorFile")},
	{"vhd", 0, []byte("conectix")},
	{"vhdx", 0, []byte("vhdxfile")},
	{"vdi", 0x40, []byte{0x7f, 0x10, 0xda, 0xbe}},
	{"qed", 0, []byte("QED\x00")},
	{"luks", 0, []byte("LUKS\xba\xbe")},
	{"ploop", 0, []byte("WithoutFreeSpace")},
	{"ploop", 0, []byte("WithouFreSpacExt")},
	{"iso", 0x8001, []byte("CD001")},
}

// InspectFile inspects the image in a file.
func InspectFile(path, claimed string) (Info, error) {
	f, err := os.Open(path)
	if err != nil {
		return Info{}, err
	}
	defer f.Close() //nolint:errcheck // only read
	stat, err := f.Stat()
	if err != nil {
		return Info{}, err
	}
	return Inspect(f, stat.Size(), claimed)
}

// Inspect says what an image of size bytes is. It refuses one that is not what
// its owner claims, and one whose header makes a reader open anything else.
func Inspect(r io.ReaderAt, size int64, claimed string) (Info, error) {
	head := make([]byte, 0x8006)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Info{}, err
	}
	head = head[:n]
	found := detect(head)
	if found == "raw" && claimed == "vhd" { // a fixed VHD has its mark at the end
		tail := make([]byte, 8)
		if _, err := r.ReadAt(tail, max(0, size-512)); err == nil && bytes.Equal(tail, []byte("conectix")) {
			found = "vhd"
		}
	}
	switch {
	case claimed == found:
	case claimed == "raw" && found == "iso": // what boots from a disk and from a CD
		found = "raw"
	case (claimed == "ami" || claimed == "ari" || claimed == "aki") && found == "raw":
	default:
		return Info{}, errs.New(errs.Invalid, "The image claims to be %s, but its content is %s.", claimed, found)
	}
	switch found {
	case "raw", "iso":
		return Info{Format: found, VirtualSize: size}, nil
	case "qcow2":
		virtual, err := inspectQcow2(r, head)
		return Info{Format: found, VirtualSize: virtual}, err
	case "vmdk":
		return Info{Format: found}, inspectVMDK(r, head)
	case "vhd", "vhdx", "vdi":
		return Info{Format: found}, nil
	}
	return Info{}, errs.New(errs.Invalid, "Images in the format %s cannot be run.", found)
}

func detect(head []byte) string {
	for _, s := range signatures {
		if len(head) >= s.offset+len(s.magic) && bytes.Equal(head[s.offset:s.offset+len(s.magic)], s.magic) {
			return s.format
		}
	}
	return "raw"
}

// Bits of a qcow2 header's incompatible features.
const (
	featureCorrupt  = 1 << 1
	featureDataFile = 1 << 2
	featuresKnown   = 1<<0 | featureCorrupt | featureDataFile | 1<<3 | 1<<4

	extensionEnd      = 0
	extensionDataFile = 0x44415441
)

func inspectQcow2(r io.ReaderAt, head []byte) (int64, error) {
	refuse := func(format string, args ...any) (int64, error) {
		return 0, errs.New(errs.Invalid, "The qcow2 image is refused: %s.", fmt.Sprintf(format, args...))
	}
	if len(head) < 72 {
		return refuse("it ends within its header")
	}
	be := binary.BigEndian
	version := be.Uint32(head[4:])
	length := uint32(72)
	if version != 2 && version != 3 {
		return refuse("version %d is unknown", version)
	}
	if be.Uint64(head[8:]) != 0 {
		return refuse("it has a backing file")
	}
	if bits := be.Uint32(head[20:]); bits < 9 || bits > 21 {
		return refuse("its cluster size is not valid")
	}
	if be.Uint32(head[32:]) != 0 {
		return refuse("it is encrypted")
	}
	size := be.Uint64(head[24:])
	if size == 0 || size > maxVirtualSize {
		return refuse("it claims a size of %d bytes", size)
	}
	if version == 3 {
		if len(head) < 104 {
			return refuse("it ends within its header")
		}
		switch features := be.Uint64(head[72:]); {
		case features&featureDataFile != 0:
			return refuse("its data are in another file")
		case features&featureCorrupt != 0:
			return refuse("it is marked as corrupt")
		case features&^featuresKnown != 0:
			return refuse("it uses features that are unknown (%#x)", features)
		}
		length = be.Uint32(head[100:])
	}
	if length < 72 || length > uint32(len(head)) {
		return refuse("its header's length is not valid")
	}
	for at := int64(length); ; {
		ext := make([]byte, 8)
		if _, err := r.ReadAt(ext, at); err != nil || be.Uint32(ext) == extensionEnd || at > 1<<16 {
			return int64(size), nil // the area ends with the first cluster at the latest
		}
		if be.Uint32(ext) == extensionDataFile {
			return refuse("its data are in another file")
		}
		at += 8 + (int64(be.Uint32(ext[4:]))+7)&^7
	}
}

// inspectVMDK accepts the two kinds whose data are all in the file itself.
func inspectVMDK(r io.ReaderAt, head []byte) error {
	refuse := func(why string) error {
		return errs.New(errs.Invalid, "The VMDK image is refused: %s.", why)
	}
	if !bytes.HasPrefix(head, []byte("KDMV")) || len(head) < 512 {
		return refuse("only sparse images in one file are supported")
	}
	le := binary.LittleEndian
	sector, sectors := le.Uint64(head[28:]), le.Uint64(head[36:])
	if sector == 0 || sectors == 0 || sectors > 2048 || sector > math.MaxInt32 {
		return refuse("its descriptor is missing or too long")
	}
	text := make([]byte, sectors*512)
	if n, err := r.ReadAt(text, int64(sector)*512); err != nil && !errors.Is(err, io.EOF) {
		return err
	} else if n < len(text) {
		text = text[:n]
	}
	kind, extents := "", 0
	for line := range strings.Lines(string(bytes.TrimRight(text, "\x00"))) {
		line = strings.TrimSpace(line)
		if v, ok := strings.CutPrefix(line, "createType="); ok {
			kind = strings.Trim(v, `"`)
		}
		if v, ok := strings.CutPrefix(line, "parentFileNameHint="); ok && v != "" {
			return refuse("it is based on another file")
		}
		fields := strings.Fields(line)
		if len(fields) > 1 && (fields[0] == "RW" || fields[0] == "RDONLY" || fields[0] == "NOACCESS") {
			extents++
			if len(fields) < 4 || fields[2] != "SPARSE" || strings.ContainsAny(fields[3], "/\\") {
				return refuse("its data are in other files")
			}
		}
	}
	if (kind != "monolithicSparse" && kind != "streamOptimized") || extents != 1 {
		return refuse("only sparse images in one file are supported")
	}
	return nil
}

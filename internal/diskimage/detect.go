package diskimage

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Report is what the content says about itself.
type Report struct {
	// Format is the API's word for it; "raw" when no signature is known.
	Format string
	// VirtualSize is the size of the disk inside, -1 when the content does not tell.
	VirtualSize int64
	// Unsafe lists why no tool may open it; empty is good.
	Unsafe []string
}

func (r *Report) unsafe(format string, args ...any) {
	r.Unsafe = append(r.Unsafe, fmt.Sprintf(format, args...))
}

// Signed lists the formats whose content has a signature, so that its absence
// means that data is not of the format.
var Signed = []string{"qcow2", "vmdk", "vhd", "vhdx", "vdi", "iso", "ploop", "luks", "gpt"}

// probes look for one format each and return nil if it is not there.
var probes = []func(*reader) *Report{
	qcow2, qed, vmdk, vhdx, vhd, vdi, iso, luks, ploop, gpt,
}

// Detect reads the parts of r that tell its format. Only failing to read is an
// error; whatever r holds gives a report.
func Detect(r io.ReaderAt, size int64) (*Report, error) {
	in := &reader{r: r, size: size}
	var found []*Report
	for _, probe := range probes {
		rep := probe(in)
		if in.err != nil {
			return nil, fmt.Errorf("inspect disk image: %w", in.err)
		}
		if rep != nil {
			found = append(found, rep)
		}
	}
	switch len(found) {
	case 0:
		return &Report{Format: "raw", VirtualSize: size}, nil
	case 1:
		return found[0], nil
	}
	return several(found), nil
}

// several judges content with more than one signature. A disk inside a fixed
// VHD and a bootable ISO have a partition table too; anything else is built to
// be taken for two things.
func several(found []*Report) *Report {
	if len(found) == 2 {
		for i, rep := range found {
			other := found[1-i]
			if other.Format == "gpt" && slices.Contains([]string{"iso", "vhd"}, rep.Format) {
				return rep
			}
		}
	}
	names := make([]string, len(found))
	for i, rep := range found {
		names[i] = rep.Format
	}
	rep := found[0]
	rep.unsafe("it has the signatures of several formats: %s", strings.Join(names, ", "))
	return rep
}

// reader reads small pieces and remembers the first failure.
type reader struct {
	r    io.ReaderAt
	size int64
	err  error
}

// at returns n bytes from off, or nil if they are not all there.
func (in *reader) at(off, n int64) []byte {
	if in.err != nil || off < 0 || n < 0 || n > maxPiece || off > in.size-n {
		return nil
	}
	b := make([]byte, n)
	got, err := in.r.ReadAt(b, off)
	if int64(got) == n {
		return b
	}
	if err != io.EOF {
		in.err = err
	}
	return nil
}

const (
	maxPiece = 1 << 20
	// maxVirtualSize is more than any disk and small enough that sums do not overflow.
	maxVirtualSize = 1 << 50
)

var (
	be = binary.BigEndian
	le = binary.LittleEndian
)

// disk is a virtual size as a header claims it; nonsense is noted as unsafe.
func (r *Report) disk(bytes uint64) {
	if bytes > maxVirtualSize {
		r.unsafe("it claims a disk of %d bytes", bytes)
		return
	}
	r.VirtualSize = int64(bytes)
}

// sectors is disk for a count of 512 byte sectors.
func (r *Report) sectors(n uint64) {
	if n > maxVirtualSize/512 {
		r.unsafe("it claims a disk of %d sectors", n)
		return
	}
	r.disk(n * 512)
}

// table notes a table whose place is not within the file: a tool would make
// room for it in memory before it notices.
func (r *Report) table(in *reader, what string, off, entries, width uint64) {
	size := uint64(max(in.size, 0))
	if entries > size/width || off > size-entries*width {
		r.unsafe("its %s claims %d entries, more than the file holds", what, entries)
	}
}

// Package inspect tells a disk image's format by its content, before any tool
// opens it, and what in it would make opening it dangerous: a header that
// names other files, features nobody knows, claims that cannot be true.
//
// It reads a few kilobytes at known places and allocates no more than that,
// whatever a header says.
package inspect

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
			return nil, fmt.Errorf("inspect: %w", in.err)
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

const maxPiece = 1 << 20

var (
	be = binary.BigEndian
	le = binary.LittleEndian
)

// disk is a virtual size as a header claims it; nonsense is noted as unsafe.
func (r *Report) disk(bytes uint64) {
	if bytes > 1<<60 {
		r.unsafe("it claims a disk of %d bytes", bytes)
		return
	}
	r.VirtualSize = int64(bytes)
}

// sectors is disk for a count of 512 byte sectors.
func (r *Report) sectors(n uint64) {
	if n > 1<<51 {
		r.unsafe("it claims a disk of %d sectors", n)
		return
	}
	r.disk(n * 512)
}

package diskimage

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

var (
	vmdkType   = regexp.MustCompile(`(?mi)^[ \t]*createType[ \t]*=[ \t]*"?([^"\r\n]*)"?`)
	vmdkExtent = regexp.MustCompile(`(?mi)^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+\d+[ \t]+(\S+)(?:[ \t]+"([^"]*)")?`)
	vmdkParent = regexp.MustCompile(`(?mi)^[ \t]*(?:parentFileNameHint|changeTrackPath)[ \t]*=`)
)

// vmdkTypes are the kinds of VMDK whose data is all in the one file.
var vmdkTypes = []string{"monolithicSparse", "streamOptimized"}

func vmdk(in *reader) *Report {
	h := in.at(0, 512)
	if h == nil {
		if h = in.at(0, min(in.size, 512)); h == nil {
			return nil
		}
	}
	rep := &Report{Format: "vmdk", VirtualSize: -1}
	switch {
	case bytes.HasPrefix(h, []byte("KDMV")) && len(h) == 512:
		vmdkSparse(in, rep, h)
		return rep
	case bytes.HasPrefix(h, []byte("COWD")):
		rep.unsafe("this kind of VMDK (COWD) is not supported")
		return rep
	case bytes.Contains(bytes.ToLower(h), []byte("# disk descriptorfile")):
		rep.unsafe("it is a VMDK descriptor, which names other files")
		return rep
	}
	return nil
}

func vmdkSparse(in *reader, rep *Report, h []byte) {
	version := le.Uint32(h[4:])
	if version < 1 || version > 3 {
		rep.unsafe("VMDK version %d is not supported", version)
		return
	}
	rep.sectors(le.Uint64(h[12:]))
	if rep.VirtualSize == 0 { // QEMU then believes the descriptor, and opens what that names
		rep.unsafe("its header claims a disk without a sector")
	}
	offset, size := le.Uint64(h[28:]), le.Uint64(h[36:])
	if offset == 0 || size == 0 {
		rep.unsafe("its descriptor is not in the file")
		return
	}
	if size > maxPiece/512 || offset > 1<<40 {
		rep.unsafe("its descriptor claims %d sectors at sector %d", size, offset)
		return
	}
	text := in.at(int64(offset)*512, int64(size)*512)
	if text == nil {
		rep.unsafe("its descriptor is cut off")
		return
	}
	text, _, _ = bytes.Cut(text, []byte{0})
	vmdkDescriptor(rep, string(text))
}

// vmdkDescriptor refuses a descriptor that reaches beyond its own file.
func vmdkDescriptor(rep *Report, text string) {
	kinds := vmdkType.FindAllStringSubmatch(text, -1)
	if len(kinds) != 1 {
		rep.unsafe("its descriptor has %d types, not one", len(kinds))
		return
	}
	if kind := kinds[0][1]; !slices.ContainsFunc(vmdkTypes, func(t string) bool { return strings.EqualFold(t, kind) }) {
		rep.unsafe("VMDK type %.40q is not supported", kind)
	}
	if vmdkParent.MatchString(text) {
		rep.unsafe("its descriptor names a parent or another file")
	}
	extents := vmdkExtent.FindAllStringSubmatch(text, -1)
	if len(extents) != 1 {
		rep.unsafe("its descriptor has %d extents, not one", len(extents))
		return
	}
	if kind := extents[0][1]; !strings.EqualFold(kind, "SPARSE") {
		rep.unsafe("its extent of type %.20q is not in the file", kind)
	}
	if strings.ContainsAny(extents[0][2], `/\:`) {
		rep.unsafe("its extent names a path or a protocol")
	}
}

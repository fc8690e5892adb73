package diskimage

import "bytes"

// vhd looks for the footer of a Virtual PC disk, which a growing one repeats
// at its start.
func vhd(in *reader) *Report {
	h := in.at(0, 512)
	if h == nil || !bytes.HasPrefix(h, []byte("conectix")) {
		if h = in.at(in.size-512, 512); h == nil || !bytes.HasPrefix(h, []byte("conectix")) {
			return nil
		}
	}
	rep := &Report{Format: "vhd", VirtualSize: -1}
	rep.disk(be.Uint64(h[48:]))
	switch kind := be.Uint32(h[60:]); kind {
	case 2:
	case 3:
		off := be.Uint64(h[16:])
		d := in.at(int64(min(off, 1<<62)), 1024)
		if d == nil || !bytes.HasPrefix(d, []byte("cxsparse")) {
			rep.unsafe("its second header cannot be found")
			break
		}
		rep.table(in, "block table", be.Uint64(d[16:]), uint64(be.Uint32(d[28:])), 4)
	case 4:
		rep.unsafe("it is a differencing disk, which has a parent")
	default:
		rep.unsafe("VHD type %d is not supported", kind)
	}
	return rep
}

// The GUIDs of VHDX, as they lie in the file.
var (
	vhdxMetadata = []byte{0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e}
	vhdxParams   = []byte{0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b}
	vhdxSize     = []byte{0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8}
	vhdxParent   = []byte{0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c}
)

func vhdx(in *reader) *Report {
	h := in.at(0, 8)
	if h == nil || !bytes.Equal(h, []byte("vhdxfile")) {
		return nil
	}
	rep := &Report{Format: "vhdx", VirtualSize: -1}
	off, ok := vhdxRegion(in)
	if !ok {
		rep.unsafe("its metadata cannot be found")
		return rep
	}
	table := in.at(off, 32)
	if table == nil || !bytes.HasPrefix(table, []byte("metadata")) {
		rep.unsafe("its metadata is cut off")
		return rep
	}
	n := int64(le.Uint16(table[10:]))
	if n > 2047 {
		rep.unsafe("its metadata claims %d entries", n)
		return rep
	}
	entries, block := in.at(off+32, n*32), uint64(0)
	for i := 0; i+32 <= len(entries); i += 32 {
		e := entries[i : i+32]
		at, length := off+int64(le.Uint32(e[16:])), int64(le.Uint32(e[20:]))
		switch id := e[:16]; {
		case bytes.Equal(id, vhdxSize):
			if v := in.at(at, 8); v != nil {
				rep.disk(le.Uint64(v))
			}
		case bytes.Equal(id, vhdxParams):
			if v := in.at(at, 8); v == nil || length < 8 {
				rep.unsafe("its parameters are cut off")
			} else {
				block = uint64(le.Uint32(v))
				if le.Uint32(v[4:])&2 != 0 {
					rep.unsafe("it is a differencing disk, which has a parent")
				}
			}
		case bytes.Equal(id, vhdxParent):
			rep.unsafe("it names a parent disk")
		}
	}
	// A block table has an entry for each block of the disk, and lies in the file.
	if block < 1<<20 || block > 256<<20 || block&(block-1) != 0 {
		rep.unsafe("its blocks of %d bytes are not possible", block)
	} else if rep.VirtualSize > 0 {
		rep.table(in, "block table", 0, uint64(rep.VirtualSize)/block, 8)
	}
	if rep.VirtualSize < 0 && len(rep.Unsafe) == 0 {
		rep.unsafe("its size cannot be found")
	}
	return rep
}

// vhdxRegion finds the metadata region in either of the two region tables.
func vhdxRegion(in *reader) (int64, bool) {
	for _, start := range []int64{192 << 10, 256 << 10} {
		h := in.at(start, 16)
		if h == nil || !bytes.HasPrefix(h, []byte("regi")) {
			continue
		}
		n := int64(le.Uint32(h[8:]))
		if n > 2047 {
			continue
		}
		entries := in.at(start+16, n*32)
		for i := 0; i+32 <= len(entries); i += 32 {
			if e := entries[i : i+32]; bytes.Equal(e[:16], vhdxMetadata) {
				if off := le.Uint64(e[16:]); off < 1<<50 {
					return int64(off), true
				}
			}
		}
	}
	return 0, false
}

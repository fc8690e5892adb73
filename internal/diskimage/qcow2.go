package diskimage

import "bytes"

// The incompatible features of qcow2 version 3 that QEMU knows.
const (
	qcowDirty    = 1 << 0
	qcowCorrupt  = 1 << 1
	qcowDataFile = 1 << 2
	qcowCompress = 1 << 3
	qcowBigL2    = 1 << 4
	qcowKnown    = qcowDirty | qcowCorrupt | qcowDataFile | qcowCompress | qcowBigL2
)

// qcow2's header extensions that name another file.
const (
	qcowExtBacking  = 0xe2792aca // the backing file's format
	qcowExtDataFile = 0x44415441
)

func qcow2(in *reader) *Report {
	h := in.at(0, 72)
	if h == nil || !bytes.Equal(h[:4], []byte("QFI\xfb")) {
		return nil
	}
	rep := &Report{Format: "qcow2", VirtualSize: -1}
	version := be.Uint32(h[4:])
	if version != 2 && version != 3 {
		rep.unsafe("qcow version %d is not supported", version)
		return rep
	}
	rep.disk(be.Uint64(h[24:]))
	if be.Uint64(h[8:]) != 0 || be.Uint32(h[16:]) != 0 {
		rep.unsafe("it has a backing file")
	}
	bits := be.Uint32(h[20:])
	if bits < 9 || bits > 21 {
		rep.unsafe("its cluster size of 2^%d bytes is not possible", bits)
		return rep
	}
	if be.Uint32(h[32:]) != 0 {
		rep.unsafe("it is encrypted")
	}
	headerLen := int64(72)
	if version == 3 {
		ext := in.at(72, 32)
		if ext == nil {
			rep.unsafe("its header is cut off")
			return rep
		}
		features := be.Uint64(ext)
		if features&qcowDataFile != 0 {
			rep.unsafe("it has an external data file")
		}
		if features&qcowCorrupt != 0 {
			rep.unsafe("it is marked as corrupt")
		}
		if unknown := features &^ qcowKnown; unknown != 0 {
			rep.unsafe("it needs unknown features (%#x)", unknown)
		}
		if headerLen = int64(be.Uint32(ext[28:])); headerLen < 104 || headerLen > 1<<bits {
			rep.unsafe("its header length of %d is not possible", headerLen)
			return rep
		}
	}
	qcowExtensions(in, rep, headerLen, 1<<bits)
	rep.table(in, "first table", be.Uint64(h[40:]), uint64(be.Uint32(h[36:])), 8)
	rep.table(in, "table of reference counts", be.Uint64(h[48:]), uint64(be.Uint32(h[56:])), 1<<bits)
	rep.table(in, "table of snapshots", be.Uint64(h[64:]), uint64(be.Uint32(h[60:])), 40)
	return rep
}

// qcowExtensions walks the list behind the header, at most to the first cluster's end.
func qcowExtensions(in *reader, rep *Report, off, end int64) {
	for n := 0; off+8 <= end && n < 64; n++ {
		h := in.at(off, 8)
		if h == nil {
			return
		}
		kind, length := be.Uint32(h), int64(be.Uint32(h[4:]))
		switch kind {
		case 0:
			return
		case qcowExtBacking:
			rep.unsafe("its header names a backing file's format")
		case qcowExtDataFile:
			rep.unsafe("its header names an external data file")
		}
		if off+8+length > end {
			rep.unsafe("a header extension runs beyond the header")
			return
		}
		off += 8 + (length+7)/8*8
	}
}

func qed(in *reader) *Report {
	h := in.at(0, 4)
	if h == nil || !bytes.Equal(h, []byte("QED\x00")) {
		return nil
	}
	rep := &Report{Format: "qed", VirtualSize: -1}
	rep.unsafe("QED images are not supported")
	return rep
}

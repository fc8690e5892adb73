package diskimage

import "bytes"

// vdi is VirtualBox's format.
func vdi(in *reader) *Report {
	h := in.at(0, 512)
	if h == nil || le.Uint32(h[0x40:]) != 0xbeda107f {
		return nil
	}
	rep := &Report{Format: "vdi", VirtualSize: -1}
	rep.disk(le.Uint64(h[0x170:]))
	rep.table(in, "block map", uint64(le.Uint32(h[0x154:])), uint64(le.Uint32(h[0x180:])), 4)
	switch kind := le.Uint32(h[0x4c:]); kind {
	case 1, 2:
	case 3, 4:
		rep.unsafe("it is an undo or differencing disk, which has a parent")
	default:
		rep.unsafe("VDI type %d is not supported", kind)
	}
	return rep
}

// iso is ISO 9660, the format of optical disks.
func iso(in *reader) *Report {
	h := in.at(32768, 2048)
	if h == nil || !bytes.Equal(h[1:6], []byte("CD001")) {
		return nil
	}
	rep := &Report{Format: "iso", VirtualSize: in.size}
	if h[0] == 1 { // the primary volume descriptor tells its size
		if n := uint64(le.Uint32(h[80:])) * uint64(le.Uint16(h[128:])); n > 0 {
			rep.disk(n)
		}
	}
	return rep
}

// luks is an encrypted volume; version 1 alone, as QEMU reads no other.
func luks(in *reader) *Report {
	h := in.at(0, 112)
	if h == nil || !bytes.Equal(h[:6], []byte("LUKS\xba\xbe")) {
		return nil
	}
	rep := &Report{Format: "luks", VirtualSize: -1}
	if version := be.Uint16(h[6:]); version != 1 {
		rep.unsafe("LUKS version %d is not supported", version)
		return rep
	}
	payload := int64(be.Uint32(h[104:])) * 512
	if payload > in.size {
		rep.unsafe("its data lies outside of the file")
		return rep
	}
	rep.VirtualSize = in.size - payload
	return rep
}

// ploop is the format of Virtuozzo and OpenVZ.
func ploop(in *reader) *Report {
	h := in.at(0, 64)
	if h == nil || !bytes.HasPrefix(h, []byte("WithoutFreeSpace")) && !bytes.HasPrefix(h, []byte("WithouFreSpacExt")) {
		return nil
	}
	rep := &Report{Format: "ploop", VirtualSize: -1}
	rep.sectors(le.Uint64(h[36:]))
	return rep
}

// gpt is a raw disk with a GUID partition table.
func gpt(in *reader) *Report {
	h := in.at(0, 1024)
	if h == nil || h[510] != 0x55 || h[511] != 0xaa || !bytes.Equal(h[512:520], []byte("EFI PART")) {
		return nil
	}
	return &Report{Format: "gpt", VirtualSize: in.size}
}

// Compression tells by its first bytes which compression data has: "gzip",
// "zstd", "xz", "bzip2", "zip" or "" for none.
func Compression(head []byte) string {
	for _, c := range []struct{ name, magic string }{
		{"gzip", "\x1f\x8b"}, {"zstd", "\x28\xb5\x2f\xfd"}, {"xz", "\xfd7zXZ\x00"}, {"bzip2", "BZh"}, {"zip", "PK\x03\x04"},
	} {
		if bytes.HasPrefix(head, []byte(c.magic)) {
			return c.name
		}
	}
	return ""
}

package diskimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// qcow builds a qcow2 header of version 3.
func qcow(change func(h []byte)) []byte {
	h := make([]byte, 1<<16)
	copy(h, "QFI\xfb")
	binary.BigEndian.PutUint32(h[4:], 3)
	binary.BigEndian.PutUint32(h[20:], 16)
	binary.BigEndian.PutUint64(h[24:], 10<<30)
	binary.BigEndian.PutUint32(h[36:], 20)
	binary.BigEndian.PutUint32(h[100:], 104)
	if change != nil {
		change(h)
	}
	return h
}

func vmdkImage(descriptor string) []byte {
	h := make([]byte, 64<<10)
	copy(h, "KDMV")
	binary.LittleEndian.PutUint32(h[4:], 1)
	binary.LittleEndian.PutUint64(h[12:], 2048)
	binary.LittleEndian.PutUint64(h[28:], 1)
	binary.LittleEndian.PutUint64(h[36:], 20)
	copy(h[512:], descriptor)
	return h
}

const goodVMDK = "# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\nRW 2048 SPARSE \"disk.vmdk\"\n"

func TestDetect(t *testing.T) {
	put := func(n int, parts map[int]string) []byte {
		b := make([]byte, n)
		for off, s := range parts {
			copy(b[off:], s)
		}
		return b
	}
	vhdFooter := func(kind uint32) string {
		f := make([]byte, 512)
		copy(f, "conectix")
		binary.BigEndian.PutUint64(f[16:], 512)
		binary.BigEndian.PutUint64(f[48:], 1<<30)
		binary.BigEndian.PutUint32(f[60:], kind)
		return string(f)
	}
	vdi := func(kind uint32) []byte {
		b := make([]byte, 1024)
		binary.LittleEndian.PutUint32(b[0x40:], 0xbeda107f)
		binary.LittleEndian.PutUint32(b[0x4c:], kind)
		binary.LittleEndian.PutUint64(b[0x170:], 5<<20)
		return b
	}
	gptDisk := map[int]string{510: "\x55\xaa", 512: "EFI PART"}
	for _, tc := range []struct {
		name   string
		data   []byte
		format string
		size   int64
		unsafe string // part of the first reason; "" for none
	}{
		{"nothing", nil, "raw", 0, ""},
		{"short", []byte("QF"), "raw", 2, ""},
		{"text", []byte("hello"), "raw", 5, ""},
		{"qcow2", qcow(nil), "qcow2", 10 << 30, ""},
		{"qcow2 with backing file", qcow(func(h []byte) { h[15] = 1 }), "qcow2", 10 << 30, "backing file"},
		{"qcow2 with backing name", qcow(func(h []byte) { h[19] = 9 }), "qcow2", 10 << 30, "backing file"},
		{"qcow2 with data file", qcow(func(h []byte) { h[79] = 4 }), "qcow2", 10 << 30, "external data file"},
		{"qcow2 with unknown feature", qcow(func(h []byte) { h[78] = 1 }), "qcow2", 10 << 30, "unknown features"},
		{"qcow2 dirty", qcow(func(h []byte) { h[79] = 1 }), "qcow2", 10 << 30, ""},
		{"qcow2 extension of data file", qcow(func(h []byte) { copy(h[104:], "\x44\x41\x54\x41\x00\x00\x00\x04file") }), "qcow2", 10 << 30, "external data file"},
		{"qcow2 extension of backing format", qcow(func(h []byte) { copy(h[104:], "\xe2\x79\x2a\xca\x00\x00\x00\x03raw") }), "qcow2", 10 << 30, "backing file"},
		{"qcow2 other extension", qcow(func(h []byte) { copy(h[104:], "\x68\x03\xf8\x57\x00\x00\x00\x08abcdefgh") }), "qcow2", 10 << 30, ""},
		{"qcow2 extension without end", qcow(func(h []byte) { copy(h[104:], "\x68\x03\xf8\x57\xff\xff\xff\xff") }), "qcow2", 10 << 30, "beyond the header"},
		{"qcow2 absurd size", qcow(func(h []byte) { h[24] = 0xff }), "qcow2", -1, "claims a disk"},
		{"qcow2 version 4", qcow(func(h []byte) { h[7] = 4 }), "qcow2", -1, "not supported"},
		{"qcow2 cut off", qcow(nil)[:80], "qcow2", 10 << 30, "cut off"},
		{"qed", []byte("QED\x00xxxx"), "qed", -1, "not supported"},
		{"vmdk", vmdkImage(goodVMDK), "vmdk", 1 << 20, ""},
		{"vmdk flat", vmdkImage(strings.Replace(goodVMDK, "SPARSE \"disk.vmdk\"", "FLAT \"/etc/passwd\" 0", 1)), "vmdk", 1 << 20, "not in the file"},
		{"vmdk with path", vmdkImage(strings.Replace(goodVMDK, "disk.vmdk", "/etc/passwd", 1)), "vmdk", 1 << 20, "names a path"},
		{"vmdk with two extents", vmdkImage(goodVMDK + "RW 1 SPARSE \"b\"\n"), "vmdk", 1 << 20, "2 extents"},
		{"vmdk of other type", vmdkImage(strings.Replace(goodVMDK, "monolithicSparse", "monolithicFlat", 1)), "vmdk", 1 << 20, "not supported"},
		{"vmdk with parent", vmdkImage(goodVMDK + "parentFileNameHint=\"/x\"\n"), "vmdk", 1 << 20, "parent"},
		{"vmdk with two types", vmdkImage(goodVMDK + "createType=\"monolithicFlat\"\n"), "vmdk", 1 << 20, "2 types"},
		{"vmdk without descriptor", func() []byte { b := vmdkImage(goodVMDK); clear(b[28:36]); return b }(), "vmdk", 1 << 20, "not in the file"},
		{"vmdk descriptor alone", []byte(goodVMDK), "vmdk", -1, "names other files"},
		{"vmdk cowd", []byte("COWD\x01"), "vmdk", -1, "not supported"},
		{"vhd fixed", append(make([]byte, 4096), vhdFooter(2)...), "vhd", 1 << 30, ""},
		{"vhd of a gpt disk", append(put(4096, gptDisk), vhdFooter(2)...), "vhd", 1 << 30, ""},
		{"vhd dynamic", append([]byte(vhdFooter(3)), put(4096, map[int]string{0: "cxsparse"})...), "vhd", 1 << 30, ""},
		{"vhd differencing", append([]byte(vhdFooter(4)), make([]byte, 4096)...), "vhd", 1 << 30, "parent"},
		{"vdi", vdi(1), "vdi", 5 << 20, ""},
		{"vdi differencing", vdi(4), "vdi", 5 << 20, "parent"},
		{"iso", put(40960, map[int]string{32769: "CD001"}), "iso", 40960, ""},
		{"iso that boots", put(40960, map[int]string{32769: "CD001", 510: "\x55\xaa", 512: "EFI PART"}), "iso", 40960, ""},
		{"gpt", put(4096, gptDisk), "gpt", 4096, ""},
		{"mbr", put(4096, map[int]string{510: "\x55\xaa"}), "raw", 4096, ""},
		{"luks", put(4096, map[int]string{0: "LUKS\xba\xbe\x00\x01", 104: "\x00\x00\x00\x02"}), "luks", 3072, ""},
		{"luks 2", put(4096, map[int]string{0: "LUKS\xba\xbe\x00\x02"}), "luks", -1, "not supported"},
		{"luks beyond its end", put(4096, map[int]string{0: "LUKS\xba\xbe\x00\x01", 104: "\x7f\x00\x00\x02"}), "luks", -1, "outside"},
		{"ploop", put(4096, map[int]string{0: "WithoutFreeSpace", 36: "\x00\x08"}), "ploop", 1 << 20, ""},
		{"iso and qcow2", func() []byte { b := qcow(nil); copy(b[32769:], "CD001"); return b }(), "qcow2", 10 << 30, "several formats"},
	} {
		rep, err := Detect(bytes.NewReader(tc.data), int64(len(tc.data)))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if rep.Format != tc.format || rep.VirtualSize != tc.size {
			t.Errorf("%s: %s of %d bytes, want %s of %d", tc.name, rep.Format, rep.VirtualSize, tc.format, tc.size)
		}
		if got := strings.Join(rep.Unsafe, "; "); (tc.unsafe == "") != (got == "") || !strings.Contains(got, tc.unsafe) {
			t.Errorf("%s: unsafe: %q, want %q", tc.name, got, tc.unsafe)
		}
	}
}

// What qemu-img makes is recognised, and what it links is refused.
func TestRealImages(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed")
	}
	dir := t.TempDir()
	make1 := func(args ...string) {
		t.Helper()
		cmd := exec.Command("qemu-img", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("qemu-img %v: %s", args, out)
		}
	}
	make1("create", "-q", "-f", "qcow2", "base.qcow2", "64M")
	make1("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "base.qcow2", "linked.qcow2")
	make1("create", "-q", "-f", "qcow2", "-o", "data_file=data.raw", "split.qcow2", "64M")
	make1("create", "-q", "-f", "qcow2", "-o", "extended_l2=on,cluster_size=128k,compression_type=zstd", "new.qcow2", "64M")
	make1("create", "-q", "-f", "qcow2", "-o", "compat=0.10", "old.qcow2", "64M")
	make1("create", "-q", "-f", "vmdk", "mono.vmdk", "64M")
	make1("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", "flat.vmdk", "64M")
	make1("create", "-q", "-f", "vmdk", "-o", "subformat=streamOptimized", "stream.vmdk", "64M")
	make1("create", "-q", "-f", "vpc", "fixed.vhd", "64M")
	make1("create", "-q", "-f", "vhdx", "x.vhdx", "64M")
	make1("create", "-q", "-f", "vdi", "x.vdi", "64M")
	make1("create", "-q", "-f", "qed", "x.qed", "64M")
	for name, want := range map[string]struct {
		format string
		safe   bool
	}{
		"base.qcow2": {"qcow2", true}, "linked.qcow2": {"qcow2", false}, "split.qcow2": {"qcow2", false},
		"new.qcow2": {"qcow2", true}, "old.qcow2": {"qcow2", true}, "mono.vmdk": {"vmdk", true},
		"flat.vmdk": {"vmdk", false}, "stream.vmdk": {"vmdk", true}, "fixed.vhd": {"vhd", true},
		"x.vhdx": {"vhdx", true}, "x.vdi": {"vdi", true}, "x.qed": {"qed", false},
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		rep, err := Detect(f, info.Size())
		f.Close()
		if err != nil || rep.Format != want.format || (len(rep.Unsafe) == 0) != want.safe {
			t.Errorf("%s: %+v, %v", name, rep, err)
		} else if want.safe && (rep.VirtualSize < 64<<20 || rep.VirtualSize > 65<<20) {
			t.Errorf("%s: a disk of %d bytes", name, rep.VirtualSize)
		}
	}
}

// FuzzDetect makes sure that no content makes the inspection fail, take long
// or contradict itself.
func FuzzDetect(f *testing.F) {
	f.Add(qcow(nil)[:200])
	f.Add(vmdkImage(goodVMDK)[:2048])
	f.Add([]byte("conectix"))
	f.Add([]byte("vhdxfile"))
	f.Add([]byte("LUKS\xba\xbe\x00\x01"))
	x := make([]byte, 300<<10)
	copy(x, "vhdxfile")
	copy(x[192<<10:], "regi\x00\x00\x00\x00\x01\x00\x00\x00")
	copy(x[192<<10+16:], vhdxMetadata)
	f.Add(x)
	f.Fuzz(func(t *testing.T, data []byte) {
		rep, err := Detect(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		if rep.VirtualSize < -1 || rep.Format == "" || rep.Format == "raw" && len(rep.Unsafe) > 0 {
			t.Fatalf("%+v", rep)
		}
	})
}

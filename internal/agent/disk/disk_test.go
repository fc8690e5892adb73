package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

// header makes the beginning of a qcow2 image.
func header(change func(h []byte)) []byte {
	h := make([]byte, 1024)
	be := binary.BigEndian
	copy(h, "QFI\xfb")
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], 1<<30)
	be.PutUint32(h[100:], 104)
	change(h)
	return h
}

func at(offset int, magic string) []byte {
	b := make([]byte, 0x9000)
	copy(b[offset:], magic)
	return b
}

func vmdk(descriptor string) []byte {
	b := make([]byte, 4096)
	copy(b, "KDMV")
	binary.LittleEndian.PutUint64(b[28:], 1)
	binary.LittleEndian.PutUint64(b[36:], 2)
	copy(b[512:], descriptor)
	return b
}

func TestInspect(t *testing.T) {
	be := binary.BigEndian
	for name, tc := range map[string]struct {
		image   []byte
		claimed string
		want    Info
		refused string
	}{
		"raw":          {make([]byte, 1<<20), "raw", Info{"raw", 1 << 20}, ""},
		"raw, small":   {[]byte("x"), "raw", Info{"raw", 1}, ""},
		"qcow2":        {header(func([]byte) {}), "qcow2", Info{"qcow2", 1 << 30}, ""},
		"qcow2 v2":     {header(func(h []byte) { be.PutUint32(h[4:], 2) }), "qcow2", Info{"qcow2", 1 << 30}, ""},
		"iso":          {at(0x8001, "CD001"), "iso", Info{"iso", 0x9000}, ""},
		"hybrid iso":   {at(0x8001, "CD001"), "raw", Info{"raw", 0x9000}, ""},
		"vhd":          {at(0x9000-512, "conectix"), "vhd", Info{"vhd", 0}, ""},
		"vdi":          {at(0x40, "\x7f\x10\xda\xbe"), "vdi", Info{"vdi", 0}, ""},
		"vmdk":         {vmdk("createType=\"monolithicSparse\"\nRW 2048 SPARSE \"a.vmdk\"\n"), "vmdk", Info{"vmdk", 0}, ""},
		"qcow2 as raw": {header(func([]byte) {}), "raw", Info{}, "claims to be raw"},
		"raw as qcow2": {make([]byte, 4096), "qcow2", Info{}, "claims to be qcow2"},
		"luks as raw":  {at(0, "LUKS\xba\xbe"), "raw", Info{}, "claims to be raw"},
		"backing file": {header(func(h []byte) { be.PutUint64(h[8:], 200) }), "qcow2", Info{}, "backing file"},
		"data file":    {header(func(h []byte) { be.PutUint64(h[72:], 1<<2) }), "qcow2", Info{}, "another file"},
		"data file by extension": {header(func(h []byte) {
			be.PutUint32(h[104:], extensionDataFile)
			be.PutUint32(h[108:], 8)
		}), "qcow2", Info{}, "another file"},
		"data file by a later extension": {header(func(h []byte) {
			be.PutUint32(h[104:], 0x6803f857)
			be.PutUint32(h[108:], 3)
			be.PutUint32(h[120:], extensionDataFile)
			be.PutUint32(h[124:], 8)
		}), "qcow2", Info{}, "another file"},
		"unknown feature": {header(func(h []byte) { be.PutUint64(h[72:], 1<<40) }), "qcow2", Info{}, "unknown"},
		"corrupt":         {header(func(h []byte) { be.PutUint64(h[72:], 1<<1) }), "qcow2", Info{}, "corrupt"},
		"encrypted":       {header(func(h []byte) { be.PutUint32(h[32:], 2) }), "qcow2", Info{}, "encrypted"},
		"huge":            {header(func(h []byte) { be.PutUint64(h[24:], 1<<60) }), "qcow2", Info{}, "claims a size"},
		"cut short":       {header(func([]byte) {})[:60], "qcow2", Info{}, "ends within"},
		"header's length": {header(func(h []byte) { be.PutUint32(h[100:], 1<<31) }), "qcow2", Info{}, "length"},
		"vmdk descriptor": {[]byte("# Disk DescriptorFile\nRW 1 FLAT \"/etc/shadow\" 0\n"), "vmdk", Info{}, "in one file"},
		"vmdk elsewhere":  {vmdk("createType=\"monolithicSparse\"\nRW 2048 FLAT \"/etc/shadow\" 0\n"), "vmdk", Info{}, "other files"},
		"vmdk on another": {vmdk("createType=\"monolithicSparse\"\nparentFileNameHint=\"/etc/shadow\"\nRW 2048 SPARSE \"a\"\n"), "vmdk", Info{}, "another file"},
		"qed":             {at(0, "QED\x00"), "qed", Info{}, "cannot be run"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Inspect(bytes.NewReader(tc.image), int64(len(tc.image)), tc.claimed)
			switch {
			case tc.refused == "" && (err != nil || got != tc.want):
				t.Errorf("got %+v, %v; want %+v", got, err, tc.want)
			case tc.refused != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.refused)):
				t.Errorf("got %v, want a refusal with %q", err, tc.refused)
			}
		})
	}
}

func FuzzInspect(f *testing.F) {
	f.Add(header(func([]byte) {}), "qcow2")
	f.Add(vmdk("createType=\"streamOptimized\"\nRW 1 SPARSE \"a\"\n"), "vmdk")
	f.Add(at(0x8001, "CD001"), "iso")
	f.Fuzz(func(t *testing.T, image []byte, claimed string) {
		info, err := Inspect(bytes.NewReader(image), int64(len(image)), claimed)
		if err == nil && info.Format == "qcow2" && (info.VirtualSize <= 0 || binary.BigEndian.Uint64(image[8:]) != 0) {
			t.Errorf("accepted as %+v", info)
		}
		if err != nil && errs.KindOf(err) != errs.Invalid {
			t.Errorf("an image gave %v", err)
		}
	})
}

// TestQEMUAgrees has QEMU check what we write without it.
func TestQEMUAgrees(t *testing.T) {
	qemuImg, err := exec.LookPath("qemu-img")
	if err != nil {
		t.Skip("qemu-img is not installed (qemu-utils)")
	}
	dir := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(qemuImg, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("qemu-img %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
	base := filepath.Join(dir, "base")
	content := bytes.Repeat([]byte("kumoi"), 1<<20)
	content = content[:len(content)&^511]
	if err := os.WriteFile(base, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int64{int64(len(content)), 1 << 30, 1<<30 + 512, 1 << 40, 64 << 40} {
		overlay := filepath.Join(dir, "overlay")
		if err := CreateOverlay(overlay, size, base, "raw"); err != nil {
			t.Fatal(err)
		}
		run("check", "-f", "qcow2", overlay)
		if info := run("info", "-f", "qcow2", overlay); !strings.Contains(info, "backing file: "+base) || !strings.Contains(info, "backing file format: raw") {
			t.Errorf("size %d: %s", size, info)
		}
		if info, err := os.Stat(overlay); err != nil || info.Size() > 2<<20 {
			t.Errorf("size %d: the overlay takes %d bytes, %v", size, info.Size(), err)
		}
	}
	small, flat := filepath.Join(dir, "small"), filepath.Join(dir, "flat")
	if err := CreateOverlay(small, int64(len(content)), base, "raw"); err != nil {
		t.Fatal(err)
	}
	run("compare", "-f", "qcow2", "-F", "raw", small, base)
	if err := Convert(t.Context(), small, "qcow2", flat); err != nil {
		t.Fatal(err)
	}
	run("compare", "-f", "qcow2", "-F", "raw", flat, base)
	if info, err := InspectFile(flat, "qcow2"); err != nil || info.VirtualSize != int64(len(content)) {
		t.Errorf("the copy is %+v, %v", info, err)
	}
	if err := CreateOverlay(small, 1<<20, "", ""); err != nil {
		t.Fatal(err)
	}
	run("check", "-f", "qcow2", small)
}

func TestSwapIsSwap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "swap")
	if err := CreateSwap(path, 64<<20); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("blkid", "-p", "-o", "export", path).CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("blkid is not installed")
	}
	if err != nil || !strings.Contains(string(out), "TYPE=swap") {
		t.Errorf("blkid says %s, %v", out, err)
	}
}

func TestConversionFailsCleanly(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed (qemu-utils)")
	}
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := os.WriteFile(from, at(0x40, "\x7f\x10\xda\xbe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Convert(t.Context(), from, "vdi", to); !errs.Is(err, errs.Invalid) {
		t.Errorf("a broken image gave %v", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Error("half a conversion is left")
	}
}

package diskimage

import (
	"bytes"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

func needsQEMU(t *testing.T) {
	t.Helper()
	if !Available() {
		t.Skip("qemu-img is not installed (qemu-utils)")
	}
}

// qemuImg runs qemu-img outside of the sandbox, on files of the test's own.
func qemuImg(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("qemu-img", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("qemu-img %v: %s", args, out)
	}
	return string(out)
}

func TestConvert(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	data := bytes.Repeat([]byte("kumoi"), 1<<18)[:1<<20]
	if err := os.WriteFile(raw, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"qcow2", "vmdk", "vdi", "vhd", "vhdx"} {
		src := filepath.Join(dir, format)
		qemuImg(t, "convert", "-f", "raw", "-O", toolNames[format], raw, src)
		rep, err := Accept(src, format)
		if err != nil || rep.Format != format || rep.VirtualSize < 1<<20 {
			t.Errorf("%s: inspected as %+v, %v", format, rep, err)
		}
		dst := filepath.Join(dir, format+".raw")
		if err := Convert(t.Context(), []Layer{{src, format}}, Layer{dst, "raw"}, DefaultLimits()); err != nil {
			t.Errorf("%s to raw: %v", format, err)
			continue
		}
		got, err := os.ReadFile(dst)
		if err != nil || len(got) < len(data) || !bytes.Equal(got[:len(data)], data) {
			t.Errorf("%s to raw: the content differs (%d bytes)", format, len(got))
		}
	}
	back := filepath.Join(dir, "back.qcow2")
	if err := Convert(t.Context(), []Layer{{raw, "raw"}}, Layer{back, "qcow2"}, DefaultLimits()); err != nil {
		t.Fatal(err)
	}
	qemuImg(t, "compare", "-f", "raw", "-F", "qcow2", raw, back)
}

func TestLimits(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	src, dst := filepath.Join(dir, "src"), filepath.Join(dir, "dst")
	if err := os.WriteFile(src, bytes.Repeat([]byte("x"), 8<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Limits){
		"memory": func(l *Limits) { l.Memory = 8 << 20 },
		"size":   func(l *Limits) { l.Size = 1 << 20 },
		"time":   func(l *Limits) { l.Time = time.Nanosecond },
	} {
		l := DefaultLimits()
		change(&l)
		err := Convert(t.Context(), []Layer{{src, "raw"}}, Layer{dst, "qcow2"}, l)
		if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.TooLarge) && name != "memory" || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(dst); !os.IsNotExist(err) {
			t.Errorf("%s: a broken output stays", name)
		}
	}
	if err := Convert(t.Context(), []Layer{{src, "qcow2"}}, Layer{dst, "raw"}, DefaultLimits()); !errs.Is(err, errs.Invalid) {
		t.Errorf("garbage as qcow2: %v", err)
	}
	if _, err := os.Stat(dst); !os.IsNotExist(err) {
		t.Error("half a conversion is left")
	}
}

// A disk's layers are those of our record, whatever its headers say: a guest
// that has written a header with a backing file onto its raw disk gets its own
// bytes back, and a backing name inside a file of ours is not followed.
func TestHeadersAreNotAsked(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, bytes.Repeat([]byte("secret!!"), 1<<13), 0o644); err != nil { //nolint:gosec // anybody may read it
		t.Fatal(err)
	}
	evil, raw := filepath.Join(dir, "evil"), filepath.Join(dir, "raw")
	for _, backing := range []string{secret, `json:{"driver":"raw","file":{"driver":"file","filename":"` + secret + `"}}`} {
		_ = os.Remove(evil)
		qemuImg(t, "create", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", backing, evil, "64k")
		header, err := os.ReadFile(evil)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(raw, append(header, make([]byte, 1<<20-len(header)%512)...)[:1<<20], 0o600); err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(raw)
		dst := filepath.Join(dir, "dst")

		// As the raw disk that our record says it is.
		if err := Convert(t.Context(), []Layer{{raw, "raw"}}, Layer{dst, "raw"}, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(dst); !bytes.Equal(got, before) {
			t.Error("the raw disk's bytes are not its own")
		}
		// Below one of our overlays.
		over := filepath.Join(dir, "over")
		qemuImg(t, "create", "-q", "-u", "-f", "qcow2", over, "1M")
		if err := Convert(t.Context(), []Layer{{over, "qcow2"}, {raw, "raw"}}, Layer{dst, "raw"}, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(dst); !bytes.Equal(got, before) {
			t.Error("the overlay does not show its base as it is")
		}
		if err := Resize(t.Context(), []Layer{{raw, "raw"}}, 2<<20, DefaultLimits()); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(raw); len(got) != 2<<20 || !bytes.Equal(got[:1<<20], before) {
			t.Errorf("resized as something else: %d bytes", len(got))
		}
		// As a qcow2, if one had got that far: its name for a backing file is no layer.
		if err := Convert(t.Context(), []Layer{{evil, "qcow2"}}, Layer{dst, "raw"}, DefaultLimits()); err == nil {
			if got, _ := os.ReadFile(dst); bytes.Contains(got, []byte("secret")) {
				t.Error("the backing file was followed")
			}
		}
	}
}

// An external data file is opened by its header's name, which the sandbox
// does not have.
func TestDataFileIsOutOfSight(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	data, split, dst := filepath.Join(dir, "data"), filepath.Join(dir, "split"), filepath.Join(dir, "dst")
	qemuImg(t, "create", "-q", "-f", "qcow2", "-o", "data_file="+data+",data_file_raw=on", split, "64k")
	if err := os.WriteFile(data, bytes.Repeat([]byte("secret!!"), 1<<13), 0o644); err != nil { //nolint:gosec // anybody may read it
		t.Fatal(err)
	}
	err := Convert(t.Context(), []Layer{{split, "qcow2"}}, Layer{dst, "raw"}, DefaultLimits())
	if got, _ := os.ReadFile(dst); err == nil || bytes.Contains(got, []byte("secret")) {
		t.Errorf("the data file was opened: %v", err)
	}
}

func TestFormat(t *testing.T) {
	for fs, magic := range map[string]struct {
		tool string
		at   int
		text string
	}{
		"ext4": {"mkfs.ext4", 0x438, "\x53\xef"}, "ext3": {"mkfs.ext3", 0x438, "\x53\xef"}, "vfat": {"mkfs.vfat", 0x36, "FAT"},
	} {
		if _, err := exec.LookPath(magic.tool); err != nil {
			t.Logf("%s is not installed", magic.tool)
			continue
		}
		path := filepath.Join(t.TempDir(), fs)
		if err := os.WriteFile(path, make([]byte, 8<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Format(t.Context(), path, fs, "ephemeral0", DefaultLimits()); err != nil {
			t.Errorf("%s: %v", fs, err)
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got[magic.at:magic.at+len(magic.text)]) != magic.text || !bytes.Contains(bytes.ToLower(got[:4096]), []byte("ephemeral0")) {
			t.Errorf("%s: not formatted or without its label, %v", fs, err)
		}
	}
	if err := Format(t.Context(), "/dev/null", "reiser9", "x", DefaultLimits()); !errs.Is(err, errs.Invalid) {
		t.Errorf("an unknown file system: %v", err)
	}
}

// Bombs promise tables that fill the memory of a tool before it looks whether
// they are there. Each is refused by its header.
func TestBombs(t *testing.T) {
	needsQEMU(t)
	dir := t.TempDir()
	le, be := binary.LittleEndian, binary.BigEndian
	for _, tc := range []struct {
		name, format, says string
		change             func(b []byte)
	}{
		{"qcow2 with a huge first table", "qcow2", "first table", func(b []byte) { be.PutUint32(b[36:], 4<<20) }},
		{"qcow2 with huge reference counts", "qcow2", "reference counts", func(b []byte) { be.PutUint32(b[56:], 128) }},
		{"qcow2 with snapshots that are not there", "qcow2", "snapshots", func(b []byte) { be.PutUint32(b[60:], 65536) }},
		{"qcow2 that is encrypted", "qcow2", "encrypted", func(b []byte) { be.PutUint32(b[32:], 2) }},
		{"qcow2 that is corrupt", "qcow2", "corrupt", func(b []byte) { b[79] |= 2 }},
		{"vdi with a huge block map", "vdi", "block map", func(b []byte) { le.PutUint32(b[0x180:], 0x3fffffff) }},
		{"vhd with a huge block table", "vhd", "block table", func(b []byte) { be.PutUint32(b[512+28:], 0x7fffffff) }},
		{"vhd without its second header", "vhd", "second header", func(b []byte) { be.PutUint64(b[16:], 1<<40) }},
		{"vmdk of no size", "vmdk", "without a sector", func(b []byte) { le.PutUint64(b[12:], 0) }},
		{"vmdk of a protocol", "vmdk", "protocol", func(b []byte) {
			copy(b[512:], strings.Replace(string(b[512:1536]), `SPARSE "`, `SPARSE "nbd:`, 1))
		}},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(tc.name, " ", "-"))
		qemuImg(t, "create", "-q", "-f", toolNames[tc.format], path, "64M")
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Accept(path, tc.format); err != nil {
			t.Errorf("%s, before it is one: %v", tc.name, err)
		}
		tc.change(data)
		rep, err := Detect(bytes.NewReader(data), int64(len(data)))
		if err != nil || !strings.Contains(strings.Join(rep.Unsafe, "; "), tc.says) {
			t.Errorf("%s: %+v, %v", tc.name, rep, err)
		}
	}
	// The block table of a VHDX follows from the size that it claims.
	path := filepath.Join(dir, "vhdx")
	qemuImg(t, "create", "-q", "-f", "vhdx", path, "64M")
	data, _ := os.ReadFile(path)
	data = bytes.ReplaceAll(data, le.AppendUint64(nil, 64<<20), le.AppendUint64(nil, 1<<46))
	if rep, err := Detect(bytes.NewReader(data), int64(len(data))); err != nil || !strings.Contains(strings.Join(rep.Unsafe, "; "), "block table") {
		t.Errorf("vhdx: %+v, %v", rep, err)
	}
}

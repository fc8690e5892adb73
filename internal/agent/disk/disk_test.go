package disk

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/diskimage"
)

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
	chain := []diskimage.Layer{{Path: small, Format: "qcow2"}, {Path: base, Format: "raw"}}
	if err := Convert(t.Context(), chain, int64(len(content)), flat); err != nil {
		t.Fatal(err)
	}
	run("compare", "-f", "qcow2", "-F", "raw", flat, base)
	if info, err := diskimage.Accept(flat, "qcow2"); err != nil || info.VirtualSize != int64(len(content)) {
		t.Errorf("the copy is %+v, %v", info, err)
	}
	if err := Grow(t.Context(), chain, 1<<30); err != nil {
		t.Fatal(err)
	}
	if size, err := Size(small); err != nil || size != 1<<30 {
		t.Errorf("grown to %d bytes, %v", size, err)
	}
	run("check", "-f", "qcow2", small)
	if info := run("info", "-f", "qcow2", small); !strings.Contains(info, "backing file: "+base) {
		t.Errorf("growing changed what the disk is based on: %s", info)
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

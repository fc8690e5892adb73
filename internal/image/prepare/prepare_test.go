package prepare

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

// tree is a machine that was lived in; what ends in "+" must survive.
var tree = []string{
	"etc/machine-id", "var/lib/dbus/machine-id", "etc/ssh/ssh_host_rsa_key", "etc/ssh/ssh_host_rsa_key.pub", "etc/ssh/sshd_config+",
	"root/.ssh/authorized_keys", "home/ann/.ssh/id_ed25519", "home/ann/notes+", "var/log/syslog", "var/log/syslog.1", "var/log/apt/history.log",
	"var/log/journal/abc/system.journal", "var/lib/dhcp/dhclient.leases", "etc/udev/rules.d/70-persistent-net.rules", "etc/udev/rules.d/60-mine.rules+",
	"var/lib/cloud/instance/x", "root/.bash_history", "tmp/x", "tmp/.hidden", "var/spool/mail/root", "usr/bin/tool+", "etc/hostname+",
}

func makeTree(t *testing.T, dir string) {
	t.Helper()
	for _, name := range tree {
		path := filepath.Join(dir, strings.TrimSuffix(name, "+"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDir(t *testing.T) {
	dir, ctx := t.TempDir(), context.Background()
	makeTree(t, dir)
	outside := filepath.Join(t.TempDir(), "outside.log")
	if err := os.WriteFile(outside, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "var/log/evil.log")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "var/crash")); err != nil {
		t.Fatal(err)
	}
	g, err := OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	plan, err := Plan(ctx, g, "mail")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "etc/machine-id")); err != nil || len(b) == 0 {
		t.Error("planning changes something")
	}
	if err := Apply(ctx, g, plan); err != nil {
		t.Fatal(err)
	}
	for _, name := range tree {
		name, stays := strings.CutSuffix(name, "+")
		stays = stays || strings.HasPrefix(name, "var/spool/mail")
		b, err := os.ReadFile(filepath.Join(dir, name))
		if stays != (err == nil && len(b) > 0) {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "etc/machine-id")); err != nil || info.Size() != 0 {
		t.Error("an empty machine-id must stay: it is what asks for a new one")
	}
	if b, err := os.ReadFile(outside); err != nil || len(b) == 0 {
		t.Error("a link led out of the guest")
	}
	again, err := Plan(ctx, g, "mail")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range again {
		if len(c.Remove) > 0 {
			t.Errorf("a second run finds %s: %v", c, c.Remove)
		}
	}
	if _, err := Plan(ctx, g, "nothing"); err == nil {
		t.Error("an unknown operation can be skipped")
	}
}

func TestUnsafeDisk(t *testing.T) {
	if !Available() {
		t.Skip("guestfish is not installed")
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, []byte("# Disk DescriptorFile\ncreateType=\"monolithicFlat\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenDisk(path, false); !errs.Is(err, errs.Invalid) {
		t.Errorf("an unsafe disk is opened: %v", err)
	}
}

// TestDisk prepares a real disk with libguestfs' own machine, which takes a
// while: only when KUMOI_TEST_GUESTFS is set.
func TestDisk(t *testing.T) {
	if os.Getenv("KUMOI_TEST_GUESTFS") == "" || !Available() {
		t.Skip("KUMOI_TEST_GUESTFS is not set, or guestfish is not installed")
	}
	dir, ctx := t.TempDir(), context.Background()
	root := filepath.Join(dir, "root")
	makeTree(t, root)
	for name, text := range map[string]string{
		"etc/os-release": "ID=debian\nVERSION_ID=12\nNAME=Debian\nPRETTY_NAME=\"Debian 12\"\n", "etc/debian_version": "12.1\n",
		"etc/fstab": "/dev/sda / ext4 defaults 0 1\n", "bin/sh": "x", "usr/lib/x": "x", "var/lib/dpkg/status": "",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	src, dst := filepath.Join(dir, "src.img"), filepath.Join(dir, "dst.img")
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-d", root, src, "64M").CombinedOutput(); err != nil {
		t.Skipf("mke2fs: %s", out)
	}
	before, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := PlanDisk(ctx, src)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan) < 8 {
		t.Errorf("only %d operations find anything: %v", len(plan), plan)
	}
	if err := CopyDisk(ctx, src, dst, plan); err != nil {
		t.Fatal(err)
	}
	if after, err := os.ReadFile(src); err != nil || string(after) != string(before) {
		t.Error("the source was changed")
	}
	left, err := PlanDisk(ctx, dst)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range left {
		if len(c.Remove) > 0 {
			t.Errorf("left in the copy: %s: %v", c, c.Remove)
		}
	}
	if err := CopyDisk(ctx, src, dst, plan); err == nil {
		t.Error("an existing file is overwritten")
	}
}

package hoststack

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kumoi/internal/kernel/errs"
)

// A unix socket's path has 108 bytes with its closing zero; longestSocket is the
// room the names below the data directory take.
const (
	socketPathMax = 107
	longestSocket = len("/ovn/ovn-controller.4194304.ctl")
)

// layout names every path of the stack. base is the data directory itself, or a
// short symbolic link to it when sockets below it would have too long a path.
type layout struct {
	dataDir string
	base    string
}

func newLayout(dataDir string) layout {
	dataDir = filepath.Clean(dataDir)
	if len(dataDir)+longestSocket <= socketPathMax {
		return layout{dataDir, dataDir}
	}
	sum := sha256.Sum256([]byte(dataDir))
	return layout{dataDir, "/run/kumoi-" + hex.EncodeToString(sum[:6])}
}

func (l layout) ovs(name string) string     { return filepath.Join(l.base, "ovs", name) }
func (l layout) ovn(name string) string     { return filepath.Join(l.base, "ovn", name) }
func (l layout) libvirt(name string) string { return filepath.Join(l.base, "libvirt", name) }
func (l layout) state() string              { return filepath.Join(l.dataDir, "hoststack.json") }
func (l layout) bootID() string             { return filepath.Join(l.dataDir, "boot_id") }

// libvirtBinds pairs each directory fixed in libvirt's build with ours.
func (l layout) libvirtBinds() [][2]string {
	return [][2]string{
		{l.libvirt("run"), "/run/libvirt"},
		{l.libvirt("lib"), "/var/lib/libvirt"},
		{l.libvirt("etc"), "/etc/libvirt"},
		{l.libvirt("log"), "/var/log/libvirt"},
		{l.libvirt("cache"), "/var/cache/libvirt"},
	}
}

// create makes the directories, and forgets what a reboot has made untrue: pids,
// sockets and libvirt's notes about running guests.
func (l layout) create() error {
	if err := os.MkdirAll(l.dataDir, 0o710); err != nil {
		return errs.Wrap(errs.Invalid, err, "The data directory %s cannot be made.", l.dataDir)
	}
	if l.base != l.dataDir {
		if err := l.link(); err != nil {
			return err
		}
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return err
	}
	if last, err := os.ReadFile(l.bootID()); err == nil && string(last) != string(boot) {
		l.forgetBoot()
	}
	for _, dir := range []string{l.ovs(""), l.ovn("")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	for _, dir := range []string{
		"", "run", "lib", "lib/qemu", "lib/images", "etc", "etc/qemu", "log", "log/qemu", "cache", "cache/qemu",
	} {
		if err := os.MkdirAll(l.libvirt(dir), 0o711); err != nil {
			return err
		}
	}
	return os.WriteFile(l.bootID(), boot, 0o600)
}

func (l layout) link() error {
	target, err := os.Readlink(l.base)
	switch {
	case err == nil && target == l.dataDir:
		return nil
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return errs.New(errs.Invalid, "Sockets below %s would have too long a path, and %s, the short name for it, is taken; use a shorter data directory.", l.dataDir, l.base)
	}
	if err := os.Symlink(l.dataDir, l.base); err != nil {
		return errs.Wrap(errs.Invalid, err, "Sockets below %s would have a path longer than %d bytes; use a shorter data directory.", l.dataDir, socketPathMax)
	}
	return nil
}

func (l layout) forgetBoot() {
	for _, dir := range []string{l.ovs(""), l.ovn(""), l.libvirt("")} {
		entries, _ := os.ReadDir(dir)
		for _, e := range entries {
			if n := e.Name(); strings.HasSuffix(n, ".pid") || strings.HasSuffix(n, ".ctl") || strings.HasSuffix(n, ".sock") {
				_ = os.Remove(filepath.Join(dir, n))
			}
		}
	}
	_ = os.RemoveAll(l.libvirt("run"))
}

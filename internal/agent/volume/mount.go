package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/agent/volume/nfs3"
	"kumoi/internal/kernel/errs"
)

// NFS says which share a backend is in.
type NFS struct {
	Share   string // HOST:/PATH
	Options string // of the mount
	// Path is where the operator has mounted the share, or something else that
	// several hosts have; then Share is not used.
	Path string
}

// mounts is where shares are mounted: not below the data directory, which a
// purge removes with everything in it.
const mounts = "/run/kumoi-shares"

// NewNFS opens a backend in an NFS share: through a mount where the kernel knows
// NFS, else by QEMU's driver. The share may be away; the backend says so then.
func NewNFS(cfg Config, s NFS) (*Backend, error) {
	b, err := open(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, servingDir), 0o700); err != nil {
		return nil, fmt.Errorf("volumes: %w", err)
	}
	f := &folders{b: b, driver: "nfs"}
	host, export, ok := strings.Cut(s.Share, ":/")
	switch {
	case s.Path != "":
		f.share, f.ready = folder(s.Path), func(context.Context) error { return mounted(s.Path) }
	case !ok || host == "":
		return nil, errs.New(errs.Invalid, "A share is HOST:/PATH, not %q.", s.Share)
	case kernelKnows("nfs"):
		at := filepath.Join(mounts, short(s.Share+" "+s.Options))
		f.share, f.ready = folder(at), func(ctx context.Context) error { return mount(ctx, s, at) }
	default:
		f.share = &unmounted{host: host, export: "/" + export, client: nfs3.New(host, "/"+export), scratch: cfg.Dir}
		f.ready = func(context.Context) error { return needModule("nfs") }
	}
	b.store, b.shared = f, true
	return b, nil
}

// kernelKnows tells whether a share can be mounted.
func kernelKnows(kind string) bool {
	if _, err := exec.LookPath("mount." + kind); err != nil {
		return false
	}
	_ = exec.Command("modprobe", "-q", kind).Run() // it may be built in
	list, err := os.ReadFile("/proc/filesystems")
	return err == nil && bytes.Contains(list, []byte("\t"+kind+"\n"))
}

// mount mounts the share unless it is.
func mount(ctx context.Context, s NFS, at string) error {
	if err := os.MkdirAll(at, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if mounted(at) == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	args := []string{"-t", "nfs", s.Share, at}
	if s.Options != "" {
		args = append([]string{"-o", s.Options}, args...)
	}
	if out, err := exec.CommandContext(ctx, "mount", args...).CombinedOutput(); err != nil && mounted(at) != nil {
		return errs.Wrap(errs.Unavailable, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out)), "The share %s cannot be mounted: %.300s.", s.Share, bytes.TrimSpace(out))
	}
	return nil
}

// mounted refuses a folder that nothing is mounted on: what is written there
// would be on the host's own disk. It asks the kernel and not the share.
func mounted(at string) error {
	list, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	for line := range strings.SplitSeq(string(list), "\n") {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == filepath.Clean(at) {
			return nil
		}
	}
	return errs.New(errs.Unavailable, "Nothing is mounted on %s.", at)
}

// needModule says what is missing for one of QEMU's drivers, which Debian has
// in a package of their own.
func needModule(name string) error {
	found, _ := filepath.Glob("/usr/lib/*/qemu/block-" + name + ".so") // the pattern is good
	if found == nil {
		return errs.New(errs.NoCapacity, "QEMU's driver for %s is not installed (Debian: qemu-block-extra).", name)
	}
	return nil
}

// allocates tells whether a folder's file system gives files room at once.
func allocates(dir string) bool {
	f, err := os.CreateTemp(dir, ".new-probe-")
	if err != nil {
		return false
	}
	defer os.Remove(f.Name()) //nolint:errcheck // the next start would
	defer f.Close()
	return unix.Fallocate(int(f.Fd()), 0, 0, 1<<20) == nil
}

package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/diskimage"
)

func checkRoot(context.Context, Options) Check {
	if os.Geteuid() != 0 {
		return fail("Run kumoi as root, for example with sudo.", "running as user %d", os.Geteuid())
	}
	return ok("running as root")
}

// checkGuestUser looks whether guests can run as their own, unprivileged user.
func checkGuestUser(_ context.Context, opts Options) Check {
	if _, err := user.Lookup("libvirt-qemu"); err != nil {
		return warn(installFix+"libvirt-daemon-system.", "there is no user libvirt-qemu; guests would run as root")
	}
	for dir := filepath.Dir(opts.DataDir); opts.DataDir != "" && dir != "/"; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil || info.Mode().Perm()&1 == 0 {
			return warn("Choose a data directory below /var/lib.", "%s is closed to the user libvirt-qemu; guests would run as root", dir)
		}
	}
	return ok("guests run as libvirt-qemu")
}

func checkDisk(_ context.Context, opts Options) Check {
	dir := existing(opts.DataDir)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fail("Choose another data directory.", "%s cannot be examined: %v", dir, err)
	}
	free := st.Bavail * uint64(st.Bsize) >> 20
	switch {
	case free < 1<<10:
		return fail("Free some space, or choose a data directory on a larger disk.", "%d MiB free at %s", free, dir)
	case free < 10<<10:
		return warn("Free some space before making many servers.", "%d MiB free at %s", free, dir)
	case st.Files > 0 && st.Ffree < 10000:
		return warn("Remove files that are not needed.", "only %d inodes free at %s", st.Ffree, dir)
	}
	return ok("%d GiB free at %s", free>>10, dir)
}

// checkDiskImages looks how far tools that read strangers' disk images can be shut in.
func checkDiskImages(context.Context, Options) Check {
	if err := diskimage.Confinement(); err != nil {
		return warn("Let Kumoi make namespaces: run it as root on Linux 5.12 or newer, outside of a container that forbids mounts.", "%v", err)
	}
	return ok("converters run as nobody, without a network, and see their own files alone")
}

// existing is the directory or the nearest one above it that exists.
func existing(dir string) string {
	if dir == "" {
		return "/"
	}
	for dir != "/" && dir != "." {
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
		dir = filepath.Dir(dir)
	}
	return dir
}

func checkMemory(context.Context, Options) Check {
	raw, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return warn("Mount /proc.", "the memory cannot be read: %v", err)
	}
	kib := memInfo(string(raw), "MemAvailable:")
	if kib < 1<<20 {
		return warn("Stop something else, or add memory.", "%d MiB of memory available; Kumoi and its network take about 200 MiB, and every server its own", kib>>10)
	}
	return ok("%d MiB of memory available", kib>>10)
}

func memInfo(text, key string) int {
	for line := range strings.Lines(text) {
		if rest, found := strings.CutPrefix(line, key); found {
			n, _ := strconv.Atoi(strings.Fields(rest)[0])
			return n
		}
	}
	return 0
}

// checkClock finds a clock that is plainly wrong; tokens and certificates depend on it.
func checkClock(context.Context, Options) Check {
	now := time.Now()
	if now.Year() < 2025 || now.Year() > 2100 {
		return fail("Set the clock, for example by installing systemd-timesyncd or chrony.", "the clock says %s", now.UTC().Format(time.RFC3339))
	}
	var tx unix.Timex
	if state, err := unix.Adjtimex(&tx); err == nil && state == unix.TIME_ERROR {
		return ok("%s; nothing on this machine says it is synchronised, which matters with more than one host", now.UTC().Format(time.RFC3339))
	}
	return ok("%s, synchronised", now.UTC().Format(time.RFC3339))
}

func checkPort(ctx context.Context, opts Options) Check {
	if opts.Listen == "" {
		return ok("no address to check")
	}
	if opts.Running {
		return ok("%s is Kumoi's", opts.Listen)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", opts.Listen)
	if err != nil {
		return fail("Stop the other program, or give kumoi another address with --listen.", "cannot listen on %s: %v", opts.Listen, err)
	}
	_ = l.Close()
	return ok("%s is free", opts.Listen)
}

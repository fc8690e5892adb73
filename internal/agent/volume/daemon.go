package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kumoi/internal/kernel/errs"
)

// program is QEMU's storage daemon.
const program = "qemu-storage-daemon"

// daemon is a storage daemon by its place among the host's sockets.
type daemon struct {
	dir  string
	name string
}

func (d daemon) path(suffix string) string { return filepath.Join(d.dir, d.name+suffix) }
func (d daemon) monitor() string           { return d.path(".qmp") }
func (d daemon) socket() string            { return d.path(".nbd") }

// pid is the daemon's process. A pid file may outlive a reboot, so the process
// must have been started with our monitor's path.
func (d daemon) pid() (int, bool) {
	text, err := os.ReadFile(d.path(".pid"))
	if err != nil {
		return 0, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		return 0, false
	}
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return pid, err == nil && bytes.Contains(line, []byte("path="+escape(d.monitor())+","))
}

// escape writes a value of QEMU's command line.
func escape(value string) string { return strings.ReplaceAll(value, ",", ",,") }

// start brings the daemon to life, with nothing but a monitor.
func (d daemon) start(ctx context.Context) error {
	for _, suffix := range []string{".qmp", ".nbd", ".pid"} {
		if err := os.Remove(d.path(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("storage daemon: %w", err)
		}
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return errs.Wrap(errs.NoCapacity, err, "The host cannot serve volumes: %s is not installed.", program)
	}
	cmd := exec.CommandContext(ctx, path, "--daemonize", "--pidfile", d.path(".pid"),
		"--chardev", "socket,id=qmp,path="+escape(d.monitor())+",server=on,wait=off", "--monitor", "chardev=qmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return errs.Wrap(errs.Unavailable, fmt.Errorf("%w: %s", err, bytes.TrimSpace(out)), "The storage daemon does not start.")
	}
	return nil
}

// stop ends the daemon in order, or at least ends it.
func (d daemon) stop(ctx context.Context) error {
	pid, ok := d.pid()
	if ok {
		if q, err := dialQMP(ctx, d.monitor()); err == nil {
			// One that waits for a lost connection does not answer; nothing that was
			// acknowledged is lost with it.
			soon, cancel := context.WithTimeout(ctx, 5*time.Second)
			_ = q.do(soon, "quit", nil, nil)
			cancel()
			q.close()
		} else {
			_ = syscall.Kill(pid, syscall.SIGTERM)
		}
		if !d.gone(5*time.Second) && !d.kill() {
			return errs.New(errs.Unavailable, "The storage daemon %d does not end.", pid)
		}
	}
	for _, suffix := range []string{".qmp", ".nbd", ".pid"} {
		if err := os.Remove(d.path(suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.RemoveAll(d.path(".tls"))
}

// begin starts the daemon anew and has f set it up; if that fails it ends.
func (d daemon) begin(ctx context.Context, f func(q *qmp) error) error {
	if err := d.stop(ctx); err != nil {
		return err
	}
	if err := d.start(ctx); err != nil {
		return err
	}
	q, err := dialQMP(ctx, d.monitor())
	if err == nil {
		err = f(q)
		q.close()
	}
	if err != nil {
		err = errors.Join(err, d.stop(context.WithoutCancel(ctx)))
	}
	return err
}

// during has the daemon there for as long as f runs.
func (d daemon) during(ctx context.Context, f func(q *qmp) error) error {
	if err := d.begin(ctx, f); err != nil {
		return err
	}
	return d.stop(context.WithoutCancel(ctx))
}

// kill ends the daemon at once.
func (d daemon) kill() bool {
	if pid, ok := d.pid(); ok {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return d.gone(5 * time.Second)
}

func (d daemon) gone(within time.Duration) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(within); time.Now().Before(end); <-tick.C {
		if _, ok := d.pid(); !ok {
			return true
		}
	}
	return false
}

// offer lets QEMU's user, and nobody else, open the daemon's socket.
func (d daemon) offer(uid, gid int) error {
	if os.Geteuid() != 0 {
		return nil
	}
	return errors.Join(os.Chown(d.socket(), uid, gid), os.Chmod(d.socket(), 0o600))
}

// EndAll ends all storage daemons that have their sockets in the folder.
func EndAll(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil {
		return err
	}
	var failures []error
	for _, f := range files {
		failures = append(failures, daemon{dir, strings.TrimSuffix(filepath.Base(f), ".pid")}.stop(ctx))
	}
	return errors.Join(failures...)
}

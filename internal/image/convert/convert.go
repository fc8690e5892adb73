// Package convert runs qemu-img on images that nobody trusts.
//
// The tool runs as an unprivileged user, without a network, bounded in memory,
// processor time and time, and it is given open files, not paths. Formats are
// always named, never probed. Callers have inspected the image before.
package convert

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"kumoi/internal/kernel/errs"
)

// Limits bound one run of the tool.
type Limits struct {
	Memory int64         // bytes of address space
	CPU    time.Duration // processor time
	Time   time.Duration
	Size   int64 // bytes of the output file
}

// DefaultLimits are generous for an honest image.
func DefaultLimits() Limits {
	return Limits{Memory: 1 << 30, CPU: 30 * time.Minute, Time: time.Hour, Size: 1 << 40}
}

// nobody is who runs the tool when we are root.
const nobody = 65534

// toolNames are qemu-img's words for the API's formats.
var toolNames = map[string]string{
	"raw": "raw", "qcow2": "qcow2", "vmdk": "vmdk", "vdi": "vdi", "vhd": "vpc", "vhdx": "vhdx", "ploop": "parallels",
}

// Available tells whether the tools are installed.
func Available() bool {
	for _, tool := range []string{"qemu-img", "prlimit"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false
		}
	}
	return true
}

// Can tells whether a format can be converted from.
func Can(format string) bool { return toolNames[format] != "" }

// Convert turns the image in src, of one format, into dst, of another. dst is
// made anew; if the conversion fails it is removed.
func Convert(ctx context.Context, src, from, dst, to string, l Limits) error {
	if !Can(from) || to != "raw" && to != "qcow2" {
		return errs.New(errs.Invalid, "An image of format %s cannot be converted to %s.", from, to)
	}
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err = hand(in, out); err == nil {
		err = run(ctx, l, []*os.File{in, out}, "qemu-img", "convert", "-f", toolNames[from], "-O", to,
			"-t", "writeback", "/proc/self/fd/3", "/proc/self/fd/4")
	}
	if err == nil {
		err = out.Sync()
	}
	if err != nil {
		os.Remove(dst)
	}
	return err
}

// hand lets the unprivileged user open the files anew through /proc. Nobody
// else can reach them: the folder they lie in is ours alone.
func hand(files ...*os.File) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, f := range files {
		if err := f.Chown(nobody, -1); err != nil {
			return fmt.Errorf("hand file to converter: %w", err)
		}
	}
	return nil
}

// run executes a tool under the limits; files become descriptors 3, 4 …
func run(ctx context.Context, l Limits, files []*os.File, tool string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, l.Time)
	defer cancel()
	path, err := exec.LookPath(tool)
	if err != nil {
		return errs.Wrap(errs.Unsupported, err, "This cloud cannot convert images: %s is not installed.", tool)
	}
	bounds := []string{
		"--as=" + strconv.FormatInt(l.Memory, 10), "--cpu=" + strconv.FormatInt(int64(max(l.CPU.Seconds(), 1)), 10),
		"--fsize=" + strconv.FormatInt(l.Size, 10), "--core=0", "--nofile=64", "--", path,
	}
	cmd := exec.CommandContext(ctx, "prlimit", append(bounds, args...)...)
	cmd.Env = []string{"LC_ALL=C", "PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=1"}
	cmd.Dir = "/"
	cmd.ExtraFiles = files
	cmd.WaitDelay = 5 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &limited{w: &stderr, left: 4 << 10}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody, NoSetGroups: false}
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	}
	err = cmd.Run()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return errs.New(errs.Invalid, "Converting the image took longer than %s and was given up.", l.Time)
		}
		return ctx.Err()
	}
	why := strings.TrimSpace(stderr.String())
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			why = fmt.Sprintf("it was ended by %s, as it took more than it may", status.Signal())
		}
		kind := errs.Invalid
		if strings.Contains(why, "No space left") {
			kind, why = errs.TooLarge, "there is no space left"
		}
		return errs.Wrap(kind, fmt.Errorf("%s: %w: %s", tool, err, why), "The image could not be converted: %s.", strings.TrimPrefix(why, "qemu-img: "))
	}
	return fmt.Errorf("%s: %w", tool, err)
}

// limited keeps the first bytes of a tool's complaints.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.w.Write(p[:n])
	l.left -= n
	return len(p), nil
}

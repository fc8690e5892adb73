package disk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"kumoi/internal/kernel/errs"
)

// Convert writes the image as a qcow2 file that stands alone.
func Convert(ctx context.Context, from, fromFormat, to string) error {
	if fromFormat == "vhd" {
		fromFormat = "vpc" // QEMU's name
	}
	if _, err := tool(ctx, "qemu-img", "convert", "-f", fromFormat, "-O", "qcow2", "-W", "-m", "4", from, to); err != nil {
		_ = os.Remove(to)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return Full(errs.Wrap(errs.Invalid, err, "The image cannot be converted."))
	}
	return nil
}

// Grow makes one of our qcow2 disks at least size bytes large. Its guest must
// be off. A disk never shrinks.
func Grow(ctx context.Context, path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("grow disk: %w", err)
	}
	defer f.Close() //nolint:errcheck // only read
	header := make([]byte, 32)
	if _, err := f.ReadAt(header, 0); err != nil {
		return fmt.Errorf("grow disk %s: %w", path, err)
	}
	if int64(binary.BigEndian.Uint64(header[24:])) >= size {
		return nil
	}
	if _, err := tool(ctx, "qemu-img", "resize", "-f", "qcow2", path, strconv.FormatInt(size, 10)); err != nil {
		return Full(fmt.Errorf("grow disk: %w", err))
	}
	return nil
}

// Format puts an empty file system on a blank disk, as far as the host has the
// program for it; a guest can format the disk itself.
func Format(ctx context.Context, path, fs, label string) error {
	if _, err := exec.LookPath("mkfs." + fs); err != nil {
		return nil
	}
	args := []string{"-q", "-F", "-L", label, "-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard", path}
	if fs != "ext4" && fs != "ext3" {
		return errs.New(errs.Invalid, "Ephemeral disks cannot be formatted as %s.", fs)
	}
	_, err := tool(ctx, "mkfs."+fs, args...)
	return err
}

// tool runs a program on content that others made, so it gets little: 1 GiB of
// address space beyond what it maps at its start, half an hour of processor
// time, no core dump. It dies with us.
func tool(ctx context.Context, name string, args ...string) (string, error) {
	limited := append([]string{"--as=2147483648", "--cpu=1800", "--core=0", "--nofile=256", "--", name}, args...)
	cmd := exec.CommandContext(ctx, "prlimit", limited...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

func isNoSpace(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || strings.Contains(err.Error(), "No space left")
}

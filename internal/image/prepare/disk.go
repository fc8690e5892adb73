package prepare

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"kumoi/internal/diskimage"
	"kumoi/internal/kernel/errs"
)

// Disk is a guest in a disk image, reached by guestfish. The guest's file
// systems are mounted inside a small virtual machine, never by our kernel.
type Disk struct {
	file, format string
	write        bool
}

// Available tells whether libguestfs' tools are installed.
func Available() bool {
	_, err := exec.LookPath("guestfish")
	return err == nil
}

// OpenDisk inspects a disk image and refuses one that no tool should open.
// Without write nothing in it can be changed.
func OpenDisk(file string, write bool) (*Disk, error) {
	if !Available() {
		return nil, errs.New(errs.Unsupported, "Preparing a disk image needs libguestfs' tools: install the package libguestfs-tools.")
	}
	rep, err := diskimage.Inspect(file)
	if err != nil {
		return nil, err
	}
	if len(rep.Unsafe) > 0 {
		return nil, errs.New(errs.Invalid, "%s is not safe to open: it is %s, and %s.", file, rep.Format, strings.Join(rep.Unsafe, "; "))
	}
	format := rep.Format
	if format == "gpt" {
		format = "raw"
	}
	if format != "raw" && format != "qcow2" {
		return nil, errs.New(errs.Invalid, "%s is of the format %s; only raw and qcow2 can be prepared.", file, format)
	}
	return &Disk{file: file, format: format, write: write}, nil
}

// quote makes an argument of guestfish's language.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`).Replace(s) + `"`
}

// run lets guestfish execute a script on the guest.
func (d *Disk) run(ctx context.Context, script string) (string, error) {
	mode := "--ro"
	if d.write {
		mode = "--rw"
	}
	cmd := exec.CommandContext(ctx, "guestfish", mode, "--format="+d.format, "-a", d.file, "-i")
	cmd.Env = append(os.Environ(), "LIBGUESTFS_BACKEND=direct", "LC_ALL=C")
	cmd.Stdin = strings.NewReader(script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", errs.Wrap(errs.Invalid, fmt.Errorf("guestfish: %w", err),
			"The disk %s cannot be prepared: %.500s", d.file, strings.TrimSpace(complaints.String()))
	}
	return out.String(), nil
}

// Glob lists matching paths.
func (d *Disk) Glob(ctx context.Context, pattern string) ([]string, error) {
	found, err := d.globs(ctx, []string{pattern})
	return found[pattern], err
}

// globs looks for many patterns in one go, as each go starts a machine.
func (d *Disk) globs(ctx context.Context, patterns []string) (map[string][]string, error) {
	var script strings.Builder
	for _, p := range patterns {
		// Folders are named without the slash that guestfish would add.
		fmt.Fprintf(&script, "echo %s\nglob-expand %s directoryslash:false\n", quote("pattern:"+p), quote(p))
	}
	text, err := d.run(ctx, script.String())
	if err != nil {
		return nil, err
	}
	found, current := map[string][]string{}, ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if p, ok := strings.CutPrefix(line, "pattern:"); ok {
			current = p
		} else if line != "" && current != "" {
			found[current] = append(found[current], line)
		}
	}
	return found, nil
}

// Remove removes files and folders.
func (d *Disk) Remove(ctx context.Context, paths []string) error {
	var script strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&script, "rm-rf %s\n", quote(p))
	}
	_, err := d.run(ctx, script.String())
	return err
}

// Empty truncates files.
func (d *Disk) Empty(ctx context.Context, paths []string) error {
	var script strings.Builder
	for _, p := range paths {
		fmt.Fprintf(&script, "-truncate %s\n", quote(p))
	}
	_, err := d.run(ctx, script.String())
	return err
}

// cached is a Disk whose patterns were all looked for at once.
type cached struct {
	*Disk
	found map[string][]string
}

func (c cached) Glob(_ context.Context, pattern string) ([]string, error) {
	return c.found[pattern], nil
}

// Preload looks for all that Plan will ask, in one go.
func (d *Disk) Preload(ctx context.Context) (Guest, error) {
	var patterns []string
	for _, op := range Operations() {
		patterns = append(append(patterns, op.Remove...), op.Empty...)
	}
	found, err := d.globs(ctx, patterns)
	return cached{d, found}, err
}

// PlanDisk lists what preparing the image would change; it changes nothing.
func PlanDisk(ctx context.Context, file string, skip ...string) ([]Change, error) {
	d, err := OpenDisk(file, false)
	if err != nil {
		return nil, err
	}
	g, err := d.Preload(ctx)
	if err != nil {
		return nil, err
	}
	return Plan(ctx, g, skip...)
}

// CopyDisk makes dst a prepared copy of src. If it fails there is no dst.
func CopyDisk(ctx context.Context, src, dst string, changes []Change) (err error) {
	if err := clone(src, dst); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(dst)
		}
	}()
	d, err := OpenDisk(dst, true)
	if err != nil {
		return err
	}
	all := Change{Operation: Operation{Name: "all"}}
	for _, c := range changes { // in one go, as each go starts a machine
		all.Remove, all.Empty = append(all.Remove, c.Remove...), append(all.Empty, c.Empty...)
	}
	return Apply(ctx, d, []Change{all})
}

// clone copies a file; an existing dst is not overwritten.
func clone(src, dst string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	err = errors.Join(err, out.Close())
	if err != nil {
		os.Remove(dst)
	}
	return err
}

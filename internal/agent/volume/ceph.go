package volume

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"kumoi/internal/kernel/errs"
)

// RBD says which pool of a Ceph cluster a backend is, and how to get there. Keys
// stay in the keyring that ceph.conf names: no command is given one.
type RBD struct {
	Pool string
	User string // without "client."; "" for the default
	Conf string // ceph.conf; "" for the system's
}

// namespace is where records of volumes are in the pool, apart from images.
const namespace = "kumoi"

// cephTime is how long Ceph's tools may take for what is no matter of bytes.
const cephTime = time.Minute

// ceph runs one of Ceph's tools; their library would need cgo.
func (r RBD) ceph(ctx context.Context, stdin []byte, tool string, args ...string) ([]byte, error) {
	var opts []string
	if r.Conf != "" {
		opts = append(opts, "-c", r.Conf)
	}
	if r.User != "" {
		opts = append(opts, "--id", r.User)
	}
	cmd := exec.CommandContext(ctx, tool, append(opts, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, cephFailure(ctx, tool, args, err, stderr.String())
	}
	return out, nil
}

// cephFailure gives a tool's exit a kind. rbd exits with an error's number, rados
// writes it.
func cephFailure(ctx context.Context, tool string, args []string, err error, stderr string) error {
	if errors.Is(err, exec.ErrNotFound) {
		return errs.Wrap(errs.NoCapacity, err, "Ceph's tool %s is not installed (Debian: ceph-common).", tool)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() < 0 || ctx.Err() != nil {
		return errs.Wrap(errs.Unavailable, err, "The Ceph cluster does not answer.")
	}
	err = fmt.Errorf("%s %s: %w: %.1000s", tool, strings.Join(args, " "), err, strings.TrimSpace(stderr))
	number := syscall.Errno(exit.ExitCode())
	if number == 1 && strings.Contains(stderr, "(2) No such file") {
		number = syscall.ENOENT
	}
	switch number {
	case syscall.ENOENT:
		return &fs.PathError{Op: tool, Path: "Ceph", Err: errors.Join(fs.ErrNotExist, err)}
	case syscall.EEXIST:
		return &fs.PathError{Op: tool, Path: "Ceph", Err: errors.Join(fs.ErrExist, err)}
	case syscall.ENOTEMPTY:
		return &fs.PathError{Op: tool, Path: "Ceph", Err: errors.Join(syscall.ENOTEMPTY, err)}
	case syscall.EBUSY: // a client that was killed is known of for half a minute
		return errs.Wrap(errs.Unavailable, err, "The Ceph image is in use; a client that has died is waited for.")
	case syscall.ENOSPC, syscall.EDQUOT:
		return errs.Wrap(errs.NoCapacity, err, "The Ceph pool is full.")
	case syscall.ETIMEDOUT, syscall.ENOTCONN:
		return errs.Wrap(errs.Unavailable, err, "The Ceph cluster does not answer.")
	case syscall.EACCES, syscall.EPERM:
		return errs.Wrap(errs.Unavailable, err, "The Ceph cluster does not let the backend's user do that.")
	}
	return err
}

// rbd runs a command that is soon done.
func (r RBD) rbd(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, cephTime)
	defer cancel()
	_, err := r.ceph(ctx, nil, "rbd", args...)
	return err
}

// ask runs a command that answers in JSON.
func (r RBD) ask(ctx context.Context, out any, tool string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, cephTime)
	defer cancel()
	data, err := r.ceph(ctx, nil, tool, append(args, "--format", "json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%s %s: %w", tool, args[0], err)
	}
	return nil
}

// rados runs a command on the records.
func (r RBD) rados(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, cephTime)
	defer cancel()
	return r.ceph(ctx, stdin, "rados", append([]string{"-p", r.Pool, "-N", namespace}, args...)...)
}

// at is an image in the pool, or a snapshot of one.
func (r RBD) at(name string) string { return r.Pool + "/" + name }

// room is how large the pool may become, and how much of it is free, in bytes.
func (r RBD) room(ctx context.Context) (total, free int64, err error) {
	var out struct {
		Pools []struct {
			Name  string `json:"name"`
			Stats struct {
				Stored   int64 `json:"stored"`
				MaxAvail int64 `json:"max_avail"`
			} `json:"stats"`
		} `json:"pools"`
	}
	if err := r.ask(ctx, &out, "ceph", "df"); err != nil {
		return 0, 0, err
	}
	for _, p := range out.Pools {
		if p.Name == r.Pool {
			return p.Stats.Stored + p.Stats.MaxAvail, p.Stats.MaxAvail, nil
		}
	}
	return 0, 0, errs.New(errs.Unavailable, "The Ceph cluster has no pool %s.", r.Pool)
}

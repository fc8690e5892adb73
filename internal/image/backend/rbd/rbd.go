// Package rbd keeps image data as block device images in a Ceph pool, each
// with a protected snapshot that guests' disks can be cloned from.
//
// It drives Ceph's own command line tools, as their library would need cgo.
// A whole image is streamed by one export; parts of it are read from the
// RADOS objects that it consists of.
package rbd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"kumoi/internal/image/backend"
	"kumoi/internal/kernel/errs"
)

// Config says which pool and how to get there.
type Config struct {
	Conf string // ceph.conf; "" for the system's
	User string // without "client."; "" for the default
	Pool string
	// FSID names the cluster; "" takes it from ceph.conf.
	FSID string
	// ChunkSize is the size of an image's objects in MiB, 8 if zero.
	ChunkSize int
}

// snapshot is the name that OpenStack's services know an image's snapshot by.
const snapshot = "snap"

// Store is a pool.
type Store struct {
	cfg Config

	fsid string
}

var _ backend.Backend = (*Store)(nil)

// Available tells whether the tools are installed.
func Available() bool {
	for _, tool := range []string{"rbd", "rados", "ceph-conf"} {
		if _, err := exec.LookPath(tool); err != nil {
			return false
		}
	}
	return true
}

// New prepares the store. The cluster is not asked and may be away; its name,
// which is part of every location, must be in the configuration.
func New(ctx context.Context, cfg Config) (*Store, error) {
	if !Available() {
		return nil, errs.New(errs.Unsupported, "The image store rbd needs Ceph's tools (ceph-common), which are not installed.")
	}
	if !name.MatchString(cfg.Pool) {
		return nil, fmt.Errorf("image store rbd: pool %q is not a name", cfg.Pool)
	}
	if cfg.ChunkSize == 0 {
		cfg.ChunkSize = 8
	}
	s := &Store{cfg: cfg, fsid: cfg.FSID}
	if s.fsid == "" {
		out, err := s.output(ctx, "ceph-conf", "--lookup", "fsid")
		if err != nil {
			return nil, fmt.Errorf("image store rbd: ceph.conf names no fsid; add it there or to the store's settings: %w", err)
		}
		s.fsid = strings.TrimSpace(string(out))
	}
	if !name.MatchString(s.fsid) {
		return nil, fmt.Errorf("image store rbd: fsid %q is not a cluster's name", s.fsid)
	}
	return s, nil
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Type is "rbd".
func (s *Store) Type() string { return "rbd" }

// ReadOnly is false.
func (s *Store) ReadOnly() bool { return false }

// URL is the form that OpenStack's services share: cluster, pool, image and snapshot.
func (s *Store) URL(key string) string {
	return "rbd://" + s.fsid + "/" + s.cfg.Pool + "/" + key + "/" + snapshot
}

// Owns tells whether the URL is in the pool.
func (s *Store) Owns(u string) bool {
	_, err := s.key(u)
	return err == nil
}

func (s *Store) key(u string) (string, error) {
	key, ok := strings.CutPrefix(u, "rbd://"+s.fsid+"/"+s.cfg.Pool+"/")
	key, snap, _ := strings.Cut(key, "/")
	if !ok || snap != snapshot || !name.MatchString(key) {
		return "", errs.New(errs.Invalid, "The location %.200q is not in this store.", u)
	}
	return key, nil
}

// Check asks the cluster for the pool.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.output(ctx, "rbd", "ls", s.cfg.Pool)
	return err
}

// Properties tell administrators, and compute, where images are.
func (s *Store) Properties() map[string]any {
	return map[string]any{"chunk_size": s.cfg.ChunkSize, "pool": s.cfg.Pool, "thin_provisioning": true, "fsid": s.fsid}
}

// command prepares a tool with the cluster's options.
func (s *Store) command(ctx context.Context, tool string, args ...string) *exec.Cmd {
	var opts []string
	if s.cfg.Conf != "" {
		opts = append(opts, "-c", s.cfg.Conf)
	}
	if s.cfg.User != "" {
		opts = append(opts, "--id", s.cfg.User)
	}
	cmd := exec.CommandContext(ctx, tool, append(opts, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// output runs a tool that answers quickly, or whose cluster is away.
func (s *Store) output(ctx context.Context, tool string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := s.command(ctx, tool, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, failure(ctx, tool, err, stderr.String())
	}
	return out, nil
}

// failure gives a tool's exit a kind.
func failure(ctx context.Context, tool string, err error, stderr string) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%s: %w: %.1000s", tool, err, strings.TrimSpace(stderr))
		switch syscall.Errno(exit.ExitCode()) {
		case syscall.ENOENT:
			return errs.Wrap(errs.NotFound, err, "The image's data is not in its store.")
		case syscall.EEXIST:
			return errs.Wrap(errs.Exists, err, "The data is in the store already.")
		case syscall.EBUSY:
			return errs.Wrap(errs.Conflict, err, "The image's data is in use: disks were cloned from it.")
		case syscall.ENOSPC, syscall.EDQUOT:
			return errs.Wrap(errs.TooLarge, err, "Image storage media is full.")
		}
	}
	if ctx.Err() != nil && context.Cause(ctx) == context.Canceled { //nolint:errorlint // its own value
		return ctx.Err()
	}
	return errs.Wrap(errs.Unavailable, err, "The image store cannot be reached at the moment.")
}

// Put streams r into a new image under a temporary name, snapshots it, and
// gives it its name.
func (s *Store) Put(ctx context.Context, key string, r io.Reader, _ int64) (int64, error) {
	if _, err := s.key(s.URL(key)); err != nil {
		return 0, err
	}
	part := s.cfg.Pool + "/" + key + ".part"
	in := &counter{r: r}
	cmd := s.command(ctx, "rbd", "import", "--no-progress", "--image-format", "2",
		"--object-size", fmt.Sprintf("%dM", s.cfg.ChunkSize), "-", part)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return 0, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		return 0, failure(ctx, "rbd", err, "")
	}
	_, cerr := io.CopyBuffer(struct{ io.Writer }{stdin}, in, make([]byte, 1<<20))
	// After a stream that broke the tool may end well with a short image: one
	// that is killed would keep its image locked for a while.
	stdin.Close()
	err = cmd.Wait()
	if err != nil {
		err = failure(ctx, "rbd", err, stderr.String())
	} else {
		err = cerr
	}
	if in.err != nil {
		err = in.err
	}
	if err == nil {
		err = s.finish(ctx, key)
	}
	if err != nil {
		_ = s.Delete(context.WithoutCancel(ctx), s.URL(key)) // who asked for Put deletes again
	}
	return in.n, err
}

func (s *Store) finish(ctx context.Context, key string) error {
	image := s.cfg.Pool + "/" + key
	for _, args := range [][]string{
		{"rename", image + ".part", image}, {"snap", "create", "--no-progress", image + "@" + snapshot}, {"snap", "protect", image + "@" + snapshot},
	} {
		if _, err := s.output(ctx, "rbd", args...); err != nil {
			return err
		}
	}
	return nil
}

// counter counts what is read and keeps the error that is not the end.
type counter struct {
	r   io.Reader
	n   int64
	err error
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// Delete removes the snapshot and the image, finished or not.
func (s *Store) Delete(ctx context.Context, u string) error {
	key, err := s.key(u)
	if err != nil {
		return err
	}
	image := s.cfg.Pool + "/" + key
	for _, step := range []struct {
		args []string
		mild func(error) bool
	}{
		{[]string{"rm", "--no-progress", image + ".part"}, absent},
		// What is not protected cannot be unprotected; what is in use is told so by EBUSY.
		{[]string{"snap", "unprotect", image + "@" + snapshot}, func(err error) bool { return !errs.Is(err, errs.Conflict) }},
		{[]string{"snap", "rm", "--no-progress", image + "@" + snapshot}, absent},
		{[]string{"rm", "--no-progress", image}, absent},
	} {
		if _, err := s.output(ctx, "rbd", step.args...); err != nil && !step.mild(err) {
			return err
		}
	}
	return nil
}

func absent(err error) bool { return errs.Is(err, errs.NotFound) }

// info is what "rbd info" says of an image.
type info struct {
	Size       int64  `json:"size"`
	ObjectSize int64  `json:"object_size"`
	Prefix     string `json:"block_name_prefix"`
	StripeUnit int64  `json:"stripe_unit"`
}

// Open asks for the image's size and how it is cut into objects.
func (s *Store) Open(ctx context.Context, u string) (backend.Object, error) {
	key, err := s.key(u)
	if err != nil {
		return nil, err
	}
	out, err := s.output(ctx, "rbd", "info", "--format", "json", s.cfg.Pool+"/"+key+"@"+snapshot)
	if err != nil {
		return nil, err
	}
	var in info
	if err := json.Unmarshal(out, &in); err != nil || in.ObjectSize <= 0 || in.Prefix == "" {
		return nil, errs.Wrap(errs.Unavailable, err, "The image store's answer is not understood.")
	}
	return &object{s: s, ctx: ctx, key: key, info: in}, nil
}

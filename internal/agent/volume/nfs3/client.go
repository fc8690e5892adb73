// Package nfs3 speaks NFS version 3 with a server, for hosts whose kernel does
// not: enough to keep folders of files on a share. Volumes' bytes do not pass
// here; QEMU reads and writes those.
package nfs3

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"sync"
	"syscall"

	"kumoi/internal/kernel/errs"
)

const (
	nfsProgram   = 100003
	mountProgram = 100005
	version      = 3
)

// Client is a share. Its connection is made when it is needed, and anew after
// a fault; a call that failed by one may be made again.
type Client struct {
	host, export string

	mu   sync.Mutex
	conn *conn
	root []byte
}

// New names a share; nobody is asked yet.
func New(host, export string) *Client { return &Client{host: host, export: path.Clean(export)} }

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop()
	return nil
}

func (c *Client) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// connect needs the lock.
func (c *Client) connect(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	m, err := dial(ctx, c.host, port(ctx, c.host, mountProgram, version, 20048), mountProgram, version)
	if err != nil {
		return err
	}
	defer m.Close()
	w := &writer{}
	w.string(c.export)
	r, err := m.call(ctx, 1, w)
	if err != nil {
		return err
	}
	if status := r.uint32(); status != 0 {
		return &fs.PathError{Op: "mount", Path: c.host + ":" + c.export, Err: errno(status)}
	}
	c.root = append([]byte{}, r.opaque()...)
	if r.bad || len(c.root) == 0 {
		return errors.New("the server gives no handle for the share")
	}
	c.conn, err = dial(ctx, c.host, port(ctx, c.host, nfsProgram, version, 2049), nfsProgram, version)
	return err
}

// call makes a call and takes its status off.
func (c *Client) call(ctx context.Context, op, name string, procedure uint32, w *writer) (*reader, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.connect(ctx); err != nil {
		return nil, c.away(err)
	}
	r, err := c.conn.call(ctx, procedure, w)
	if err != nil {
		c.drop()
		return nil, c.away(err)
	}
	if status := r.uint32(); status != 0 {
		return nil, &fs.PathError{Op: op, Path: name, Err: errno(status)}
	}
	return r, nil
}

func (c *Client) away(err error) error {
	return errs.Wrap(errs.Unavailable, err, "The NFS share %s:%s is away.", c.host, c.export)
}

// errno is the server's status as the system says it.
func errno(status uint32) syscall.Errno {
	switch status {
	case 66:
		return syscall.ENOTEMPTY
	case 69:
		return syscall.EDQUOT
	case 70:
		return syscall.ESTALE
	case 10004:
		return syscall.EOPNOTSUPP
	case 10006, 10008:
		return syscall.EIO
	}
	return syscall.Errno(status)
}

// Attr is what the server says of a file.
type Attr struct {
	Dir        bool
	Regular    bool
	Links      int
	Size, Used int64
}

// attr reads fattr3.
func (r *reader) attr() Attr {
	kind := r.uint32()
	r.uint32() // mode
	links := r.uint32()
	r.take(8) // owner
	a := Attr{Dir: kind == 2, Regular: kind == 1, Links: int(links), Size: int64(r.uint64()), Used: int64(r.uint64())}
	r.take(8 + 8 + 8 + 3*8) // device, file system, id, times
	return a
}

// optional reads attributes that may be missing.
func (r *reader) optional() (a Attr, ok bool) {
	if r.uint32() == 0 {
		return a, false
	}
	return r.attr(), true
}

// find looks a path up.
func (c *Client) find(ctx context.Context, name string) (handle []byte, err error) {
	c.mu.Lock()
	err = c.connect(ctx)
	handle = c.root
	c.mu.Unlock()
	if err != nil {
		return nil, c.away(err)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		w := &writer{}
		w.opaque(handle)
		w.string(part)
		r, err := c.call(ctx, "lookup", name, 3, w)
		if err != nil {
			return nil, err
		}
		if handle = r.opaque(); r.bad {
			return nil, c.away(errors.New("an answer is too short"))
		}
	}
	return handle, nil
}

// at begins arguments with a folder's handle and a name in it.
func (c *Client) at(ctx context.Context, name string) (*writer, error) {
	dir, err := c.find(ctx, path.Dir(name))
	if err != nil {
		return nil, err
	}
	w := &writer{}
	w.opaque(dir)
	w.string(path.Base(name))
	return w, nil
}

// Stat describes what lies at a path.
func (c *Client) Stat(ctx context.Context, name string) (a Attr, err error) {
	handle, err := c.find(ctx, name)
	if err != nil {
		return a, err
	}
	w := &writer{}
	w.opaque(handle)
	r, err := c.call(ctx, "stat", name, 1, w)
	if err != nil {
		return a, err
	}
	return r.attr(), nil
}

// Room is how large the share is and how much of it is free, in bytes.
func (c *Client) Room(ctx context.Context) (total, free int64, err error) {
	root, err := c.find(ctx, "")
	if err != nil {
		return 0, 0, err
	}
	w := &writer{}
	w.opaque(root)
	r, err := c.call(ctx, "statfs", c.export, 18, w)
	if err != nil {
		return 0, 0, err
	}
	r.optional()
	total = int64(r.uint64())
	r.uint64()
	return total, int64(r.uint64()), nil
}

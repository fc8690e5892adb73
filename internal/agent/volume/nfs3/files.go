package nfs3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// chunk is how much is read or written at once; every server takes it.
const chunk = 32 << 10

// mode begins attributes of something new: what may be done with it, and
// nothing else.
func (w *writer) mode(m uint32) { w.uint32(1, m, 0, 0, 0, 0, 0) }

// Mkdir makes a folder.
func (c *Client) Mkdir(ctx context.Context, name string) error {
	w, err := c.at(ctx, name)
	if err != nil {
		return err
	}
	w.mode(0o700)
	_, err = c.call(ctx, "mkdir", name, 9, w)
	return err
}

// create makes an empty file, or makes one empty.
func (c *Client) create(ctx context.Context, name string) ([]byte, error) {
	w, err := c.at(ctx, name)
	if err != nil {
		return nil, err
	}
	w.uint32(0)                       // if there is one, it is taken
	w.uint32(1, 0o600, 0, 0, 1, 0, 0) // mode; size, its halves
	w.uint32(0, 0)                    // no times
	if _, err := c.call(ctx, "create", name, 8, w); err != nil {
		return nil, err
	}
	return c.find(ctx, name)
}

// Write makes a file of size bytes from r, all of it, and leaves out what is
// zero. What it returns nil for lasts.
func (c *Client) Write(ctx context.Context, name string, r io.Reader, size int64) error {
	handle, err := c.create(ctx, name)
	if err != nil {
		return err
	}
	w := &writer{}
	w.opaque(handle)
	w.uint32(0, 0, 0, 1) // no mode, no owner; a size
	w.uint64(uint64(size))
	w.uint32(0, 0, 0) // no times, no condition
	if _, err := c.call(ctx, "truncate", name, 2, w); err != nil {
		return err
	}
	var marks []uint64
	buf := make([]byte, chunk)
	for at := int64(0); at < size; at += chunk {
		part := buf[:min(chunk, size-at)]
		if _, err := io.ReadFull(r, part); err != nil {
			return err
		}
		if zero(part) {
			continue
		}
		if marks, err = c.write(ctx, name, handle, part, at, marks); err != nil {
			return err
		}
	}
	return c.commit(ctx, name, handle, marks)
}

// commit makes what was written last. A server that was restarted since marks
// its answers otherwise: it may have forgotten what it took before.
func (c *Client) commit(ctx context.Context, name string, handle []byte, marks []uint64) error {
	w := &writer{}
	w.opaque(handle)
	w.uint64(0)
	w.uint32(0)
	r, err := c.call(ctx, "commit", name, 21, w)
	if err != nil {
		return err
	}
	r.weak()
	mark := r.uint64()
	for _, m := range marks {
		if m != mark {
			return c.away(fmt.Errorf("the server was restarted while %s was written", name))
		}
	}
	return nil
}

// weak passes over attributes from before and after a change.
func (r *reader) weak() {
	if r.uint32() != 0 {
		r.take(24)
	}
	r.optional()
}

func zero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}

func (c *Client) write(ctx context.Context, name string, handle, data []byte, at int64, marks []uint64) ([]uint64, error) {
	for len(data) > 0 {
		w := &writer{}
		w.opaque(handle)
		w.uint64(uint64(at))
		w.uint32(uint32(len(data)), 0) // to be committed later
		w.opaque(data)
		r, err := c.call(ctx, "write", name, 7, w)
		if err != nil {
			return nil, err
		}
		r.weak()
		n := int(r.uint32())
		if n <= 0 || n > len(data) {
			return nil, &fs.PathError{Op: "write", Path: name, Err: io.ErrShortWrite}
		}
		r.uint32()
		if mark := r.uint64(); len(marks) == 0 || marks[len(marks)-1] != mark {
			marks = append(marks, mark)
		}
		data, at = data[n:], at+int64(n)
	}
	return marks, nil
}

// Read copies a file into w.
func (c *Client) Read(ctx context.Context, name string, w io.WriterAt) (int64, error) {
	handle, err := c.find(ctx, name)
	if err != nil {
		return 0, err
	}
	for at := int64(0); ; {
		args := &writer{}
		args.opaque(handle)
		args.uint64(uint64(at))
		args.uint32(chunk)
		r, err := c.call(ctx, "read", name, 6, args)
		if err != nil {
			return at, err
		}
		r.optional()
		r.uint32()
		end := r.uint32() != 0
		data := r.opaque()
		if r.bad || len(data) == 0 && !end {
			return at, &fs.PathError{Op: "read", Path: name, Err: io.ErrUnexpectedEOF}
		}
		if !zero(data) {
			if _, err := w.WriteAt(data, at); err != nil {
				return at, err
			}
		}
		if at += int64(len(data)); end {
			return at, nil
		}
	}
}

// Rename gives a file or folder another name; a file of that name goes.
func (c *Client) Rename(ctx context.Context, from, to string) error {
	w, err := c.at(ctx, from)
	if err != nil {
		return err
	}
	there, err := c.at(ctx, to)
	if err != nil {
		return err
	}
	w.data = append(w.data, there.data...)
	_, err = c.call(ctx, "rename", from, 14, w)
	return err
}

// Link gives a file another name beside the one that it has.
func (c *Client) Link(ctx context.Context, from, to string) error {
	handle, err := c.find(ctx, from)
	if err != nil {
		return err
	}
	there, err := c.at(ctx, to)
	if err != nil {
		return err
	}
	w := &writer{}
	w.opaque(handle)
	w.data = append(w.data, there.data...)
	_, err = c.call(ctx, "link", to, 15, w)
	return err
}

// Remove removes a file, or a folder in which nothing is. What is not there is
// removed.
func (c *Client) Remove(ctx context.Context, name string) error {
	a, err := c.Stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	w, err := c.at(ctx, name)
	if err != nil {
		return err
	}
	procedure := uint32(12)
	if a.Dir {
		procedure = 13
	}
	if _, err = c.call(ctx, "remove", name, procedure, w); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// List names what is in a folder.
func (c *Client) List(ctx context.Context, name string) (names []string, err error) {
	handle, err := c.find(ctx, name)
	if err != nil {
		return nil, err
	}
	verifier := make([]byte, 8)
	for cookie := uint64(0); ; {
		w := &writer{}
		w.opaque(handle)
		w.uint64(cookie)
		w.data = append(w.data, verifier...)
		w.uint32(chunk)
		r, err := c.call(ctx, "list", name, 16, w)
		if err != nil {
			return nil, err
		}
		r.optional()
		verifier = append([]byte{}, r.take(8)...)
		for r.uint32() != 0 && !r.bad {
			r.uint64()
			entry := string(r.opaque())
			cookie = r.uint64()
			if entry != "." && entry != ".." && entry == path.Base(entry) {
				names = append(names, entry)
			}
		}
		if end := r.uint32() != 0; end || r.bad {
			if r.bad {
				err = &fs.PathError{Op: "list", Path: name, Err: io.ErrUnexpectedEOF}
			}
			return names, err
		}
	}
}

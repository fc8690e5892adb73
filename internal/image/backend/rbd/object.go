package rbd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"kumoi/internal/kernel/errs"
)

// object is an image in the pool, open for reading.
type object struct {
	s   *Store
	ctx context.Context //nolint:containedctx // ReadAt has none; the reader's life is the request's
	key string
	info

	mu   sync.Mutex
	last int64 // the RADOS object that data holds, for readers that go on where they were
	data []byte
}

func (o *object) Size() int64  { return o.info.Size }
func (o *object) Close() error { return nil }

// Range streams the whole image by one export, a part of it object by object.
func (o *object) Range(ctx context.Context, off, n int64) (io.ReadCloser, error) {
	if off != 0 || n != o.Size() || n == 0 {
		return io.NopCloser(io.NewSectionReader(o, off, n)), nil
	}
	cmd := o.s.command(ctx, "rbd", "export", "--no-progress", o.s.cfg.Pool+"/"+o.key+"@"+snapshot, "-")
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, failure(ctx, "rbd", err, "")
	}
	return &export{ReadCloser: out, cmd: cmd}, nil
}

// export is a tool's output; closing it early ends the tool.
type export struct {
	io.ReadCloser
	cmd *exec.Cmd
}

func (e *export) Close() error {
	_ = e.cmd.Process.Kill() // an export that is read to its end has gone already
	_ = e.ReadCloser.Close()
	_ = e.cmd.Wait()
	return nil
}

// ReadAt reads from the objects that the image consists of.
func (o *object) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < o.Size() {
		part, err := o.load(off / o.ObjectSize)
		if err != nil {
			return n, err
		}
		from := off % o.ObjectSize
		until := min(o.ObjectSize, from+int64(len(p)-n), from+o.Size()-off)
		var k int
		if from < int64(len(part)) {
			k = copy(p[n:n+int(until-from)], part[from:])
		}
		clear(p[n+k : n+int(until-from)]) // what was never written is zeros
		n += int(until - from)
		off += until - from
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// load reads one object; one that is not there was never written.
func (o *object) load(i int64) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.data != nil && o.last == i {
		return o.data, nil
	}
	ctx, cancel := context.WithTimeout(o.ctx, time.Minute)
	defer cancel()
	cmd := o.s.command(ctx, "rados", "-p", o.s.cfg.Pool, "get", fmt.Sprintf("%s.%016x", o.Prefix, i), "-")
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !bytes.Contains(stderr.Bytes(), []byte("No such file")) {
			return nil, failure(ctx, "rados", err, stderr.String())
		}
	}
	if int64(out.Len()) > o.ObjectSize {
		return nil, errs.New(errs.Unavailable, "The image store's answer is not understood.")
	}
	o.last, o.data = i, append([]byte{}, out.Bytes()...)
	return o.data, nil
}

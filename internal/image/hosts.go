package image

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
)

// Hosts moves images' bytes between the image service and hosts. Reads are
// independent of each other; writes of one image come in order and flow into
// one upload, which ends with its last part. Nothing is kept in memory.
type Hosts struct {
	s    *Service
	mu   sync.Mutex
	open map[string]*incoming
}

// incoming is an upload that a host feeds.
type incoming struct {
	mu      sync.Mutex
	pipe    *io.PipeWriter
	written int64
	idle    *time.Timer
	done    chan struct{}
	err     error
}

// incomingIdle is how long a host may be silent in the middle of an upload.
const incomingIdle = 2 * time.Minute

// ReadImage reads a part of an active image's data; behind its end there is none.
func (h *Hosts) ReadImage(ctx context.Context, id string, offset int64, length int) ([]byte, error) {
	data, err := h.s.Downloads.OpenData(ctx, id)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	n := min(int64(length), data.Size()-offset)
	if n <= 0 {
		return []byte{}, nil
	}
	b := make([]byte, n)
	if _, err := data.ReadAt(b, offset); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

// WriteImage appends at the offset; a part that was sent again is known by it.
// done ends the data and waits until the image is active, abort gives it up.
func (h *Hosts) WriteImage(ctx context.Context, id string, offset int64, b []byte, done bool, abort string) error {
	in := h.incoming(ctx, id)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.idle.Reset(incomingIdle)
	if abort != "" {
		in.pipe.CloseWithError(errs.New(errs.Unavailable, "The host gave up: %s", abort))
		<-in.done
		return nil
	}
	if skip := in.written - offset; skip > 0 {
		b = b[min(skip, int64(len(b))):]
	} else if skip < 0 {
		return errs.New(errs.Conflict, "Image %s: a part at %d, where %d is next.", id, offset, in.written)
	}
	if len(b) > 0 {
		n, err := in.pipe.Write(b)
		in.written += int64(n)
		if err != nil {
			<-in.done
			return in.err
		}
	}
	if !done {
		return nil
	}
	in.pipe.Close()
	<-in.done
	return in.err
}

// incoming returns the image's upload, begun if there is none.
func (h *Hosts) incoming(ctx context.Context, id string) *incoming {
	h.mu.Lock()
	defer h.mu.Unlock()
	if in, ok := h.open[id]; ok {
		return in
	}
	r, w := io.Pipe()
	in := &incoming{pipe: w, done: make(chan struct{})}
	in.idle = time.AfterFunc(incomingIdle, func() { w.CloseWithError(errs.New(errs.Unavailable, "The host fell silent.")) })
	h.open[id] = in
	go func() {
		defer close(in.done)
		in.err = h.s.Uploads.Create(actor.AsSystem(context.WithoutCancel(ctx), hosts), id, r, -1, "")
		r.CloseWithError(in.err)
		in.idle.Stop()
		h.mu.Lock()
		delete(h.open, id)
		h.mu.Unlock()
	}()
	return in
}

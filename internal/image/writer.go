package image

import (
	"context"
	"errors"
	"io"
	"sync"
)

// Writer fills an image with data that arrives in pieces, as a host sends the
// disk of a server. It runs Upload behind a pipe: nothing is kept in memory.
type Writer struct {
	pipe *io.PipeWriter
	done chan struct{}
	err  error
	once sync.Once
}

// NewWriter begins to fill a queued image as the context's actor. The data is
// complete with Close; Abort leaves the image queued. One of them must be
// called. ctx must live as long as the writing.
func (s *Service) NewWriter(ctx context.Context, id string, size int64, storeID string) *Writer {
	r, w := io.Pipe()
	out := &Writer{pipe: w, done: make(chan struct{})}
	go func() {
		defer close(out.done)
		out.err = s.Upload(ctx, id, r, size, storeID)
		_ = r.CloseWithError(errors.Join(io.ErrClosedPipe, out.err))
	}()
	return out
}

// Write hands a piece on; it waits while the store is behind.
func (w *Writer) Write(p []byte) (int, error) { return w.pipe.Write(p) }

// Close says that the data is complete and waits until the image is active.
func (w *Writer) Close() error {
	w.once.Do(func() { _ = w.pipe.Close() })
	<-w.done
	return w.err
}

// Abort gives the data up because of err and waits until it is discarded.
func (w *Writer) Abort(err error) {
	if err == nil {
		err = errors.New("the writer gave up")
	}
	w.once.Do(func() { _ = w.pipe.CloseWithError(err) })
	<-w.done
}

package httpx

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"kumoi/internal/kernel/errs"
)

// DefaultStall is how long a body may stand still.
const DefaultStall = 30 * time.Second

// leastPiece is what must come of a body while it is waited for, each stall
// anew: an upload over the slowest line gets through however long it takes, a
// body that drips to hold a connection does not.
const leastPiece = 1 << 10

// pacedBody is a request's body whose sender must get on. Only the time that is
// spent waiting for the sender counts, not what the reader does in between.
type pacedBody struct {
	io.ReadCloser
	rc      *http.ResponseController
	stall   time.Duration
	left    time.Duration // of the stall
	got     int           // in it
	touched bool
	ended   bool
	broken  bool
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.broken {
		return 0, b.stalled()
	}
	b.touched = true
	start := time.Now()
	_ = b.rc.SetReadDeadline(start.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	_ = b.rc.SetReadDeadline(time.Time{})
	b.left -= time.Since(start)
	if b.got += n; b.got >= leastPiece {
		b.left, b.got = b.stall, 0
	}
	switch {
	case errors.Is(err, io.EOF):
		b.ended = true
	case errors.Is(err, os.ErrDeadlineExceeded):
		b.broken = true
		return n, b.stalled()
	case err != nil:
		b.broken = true
	}
	return n, err
}

func (b *pacedBody) stalled() error {
	return errs.New(errs.Invalid, "The request body stopped coming: fewer than %d bytes in %s.", leastPiece, b.stall)
}

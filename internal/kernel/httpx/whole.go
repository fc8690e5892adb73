package httpx

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
)

// An answer that is known whole leaves in one piece. net/http writes through a
// buffer of 4 KiB, so that an answer of 4.6 KB (a token with its catalogue)
// costs two system calls and wakes the client twice: a fifth of the processor
// time of a token's validation.

// Answers of these sizes are put together before they are sent: smaller ones
// fit into net/http's buffer with their head, and for larger ones a system call
// more is nothing.
const (
	smallestWhole = 3 << 10
	largestWhole  = 48 << 10
)

// gathered is what a connection holds back.
type gathered struct{ bytes []byte }

var gatherings = sync.Pool{New: func() any { return &gathered{make([]byte, 0, 8<<10)} }}

type connKey struct{}

// ConnContext lets answers find their connection; it is for http.Server's field
// of the name. Without it, and beyond HTTP/1.1, answers leave as net/http cuts them.
func ConnContext(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if b, ok := c.(*boundedConn); ok {
		return context.WithValue(ctx, connKey{}, b)
	}
	return ctx
}

// whole writes a complete body, with the head before it, in one piece.
func (w *recorder) whole(b []byte) error {
	c, ok := w.r.Context().Value(connKey{}).(*boundedConn)
	if !ok || w.head || w.r.ProtoMajor != 1 || len(b) < smallestWhole || len(b) > largestWhole {
		_, err := w.Write(b)
		return err
	}
	c.gather()
	_, err := w.Write(b)
	if err == nil {
		err = w.rc.Flush()
	}
	if sent := c.scatter(); err == nil {
		err = sent
	}
	return err
}

// gather begins to hold back what is written.
func (c *boundedConn) gather() { c.held, _ = gatherings.Get().(*gathered) }

// scatter sends what was held back.
func (c *boundedConn) scatter() error {
	g := c.held
	c.held = nil
	_, err := c.Conn.Write(g.bytes)
	g.bytes = g.bytes[:0]
	gatherings.Put(g)
	return err
}

func (c *boundedConn) Write(p []byte) (int, error) {
	if c.held == nil {
		return c.Conn.Write(p)
	}
	c.held.bytes = append(c.held.bytes, p...)
	return len(p), nil
}

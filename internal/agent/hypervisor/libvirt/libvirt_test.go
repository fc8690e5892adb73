package libvirt

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"path/filepath"
	"testing"

	"kumoi/internal/kernel/errs"
)

// Numbers of remote procedures in libvirt's protocol.
const (
	procOpen        = 1
	procListDomains = 273
	procAuthList    = 66
	procMetadata    = 265
)

// slowDaemon speaks as much of libvirt's protocol as a connection takes. When
// it is asked something over it, it says so, and answers when slow is closed.
func slowDaemon(t *testing.T, asked chan<- struct{}, slow <-chan struct{}) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go answerSlowly(c, asked, slow)
		}
	}()
	return socket
}

func answerSlowly(c net.Conn, asked chan<- struct{}, slow <-chan struct{}) {
	defer c.Close()
	for {
		head := make([]byte, 28)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(head))-28); err != nil {
			return
		}
		var body []byte
		switch binary.BigEndian.Uint32(head[12:]) {
		case procOpen:
		case procAuthList: // one way: none
			body = []byte{0, 0, 0, 1, 0, 0, 0, 0}
		case procMetadata: // an empty text
			asked <- struct{}{}
			<-slow
			body = make([]byte, 4)
		case procListDomains: // none of none
			asked <- struct{}{}
			<-slow
			body = make([]byte, 8)
		default:
			return
		}
		binary.BigEndian.PutUint32(head, uint32(28+len(body)))
		binary.BigEndian.PutUint32(head[16:], 1) // an answer
		if _, err := c.Write(append(head, body...)); err != nil {
			return
		}
	}
}

// A call that its caller has given up goes on by itself, and what it finds
// must not reach into what the caller returns meanwhile. The race detector
// judges; the answer is sent at the moment at which the caller gives up.
func TestCallIsGivenUp(t *testing.T) {
	for name, call := range map[string]func(context.Context, *Driver) error{
		"one": func(ctx context.Context, d *Driver) error {
			_, err := d.Guest(ctx, machine().Mark.ServerID)
			return err
		},
		"all": func(ctx context.Context, d *Driver) error {
			_, err := d.Guests(ctx)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				ctx, giveUp := context.WithCancel(t.Context())
				asked, done := make(chan struct{}), make(chan error, 1)
				d := New(Config{Socket: slowDaemon(t, asked, ctx.Done())})
				go func() { done <- call(ctx, d) }()
				<-asked
				giveUp()
				// The answer may come first, and then it counts.
				if err := <-done; err != nil && !errors.Is(err, context.Canceled) && !errs.Is(err, errs.NotFound) {
					t.Errorf("a call that was given up: %v", err)
				}
				go func() { done <- call(t.Context(), d) }()
				<-asked
				if err := <-done; err != nil && !errs.Is(err, errs.NotFound) {
					t.Errorf("the call after it: %v", err)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

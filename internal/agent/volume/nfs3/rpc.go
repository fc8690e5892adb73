package nfs3

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// callTime is how long a server may take to answer.
const callTime = 15 * time.Second

// conn is a connection to one program of a server. It has one call at a time.
type conn struct {
	net.Conn
	program, version uint32
	xid              uint32
}

// dial connects to a program. Many servers trust only ports that are root's.
func dial(ctx context.Context, host string, port int, program, version uint32) (*conn, error) {
	address := net.JoinHostPort(host, strconv.Itoa(port))
	d := net.Dialer{Timeout: callTime}
	var c net.Conn
	err := error(syscall.EADDRINUSE)
	for range 20 {
		if os.Geteuid() != 0 || !errors.Is(err, syscall.EADDRINUSE) && !errors.Is(err, syscall.EADDRNOTAVAIL) {
			break
		}
		d.LocalAddr = &net.TCPAddr{Port: 600 + rand.IntN(400)} // a port is no secret
		if c, err = d.DialContext(ctx, "tcp", address); err == nil {
			return &conn{Conn: c, program: program, version: version}, nil
		}
	}
	d.LocalAddr = nil
	if c, err = d.DialContext(ctx, "tcp", address); err != nil {
		return nil, err
	}
	return &conn{Conn: c, program: program, version: version}, nil
}

// call sends a procedure's arguments and gives its results.
func (c *conn) call(ctx context.Context, procedure uint32, args *writer) (*reader, error) {
	deadline := time.Now().Add(callTime)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	if err := c.SetDeadline(deadline); err != nil {
		return nil, err
	}
	c.xid++
	w := &writer{}
	w.uint32(0) // the fragment's length, below
	w.uint32(c.xid, 0, 2, c.program, c.version, procedure)
	name, _ := os.Hostname()
	auth := &writer{}
	auth.uint32(0)
	auth.string(name[:min(len(name), 255)])
	auth.uint32(0, 0, 0) // root, as QEMU is
	w.uint32(1)
	w.opaque(auth.data)
	w.uint32(0, 0)
	if args != nil {
		w.data = append(w.data, args.data...)
	}
	binary.BigEndian.PutUint32(w.data, uint32(len(w.data)-4)|1<<31)
	if _, err := c.Write(w.data); err != nil {
		return nil, err
	}
	answer, err := c.record()
	if err != nil {
		return nil, err
	}
	r := &reader{data: answer}
	if xid, kind := r.uint32(), r.uint32(); xid != c.xid || kind != 1 {
		return nil, errors.New("an answer that was not asked for")
	}
	if r.uint32() != 0 {
		return nil, errors.New("the server does not accept the caller")
	}
	r.uint32()
	r.opaque()
	if state := r.uint32(); state != 0 || r.bad {
		return nil, fmt.Errorf("the server does not know program %d version %d procedure %d", c.program, c.version, procedure)
	}
	return r, nil
}

// record reads an answer, whose fragments say whether more come.
func (c *conn) record() ([]byte, error) {
	var out []byte
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(head[:])
		if int(n&^(1<<31))+len(out) > 8<<20 {
			return nil, errors.New("an answer is too long")
		}
		part := make([]byte, n&^(1<<31))
		if _, err := io.ReadFull(c, part); err != nil {
			return nil, err
		}
		if out = append(out, part...); n&(1<<31) != 0 {
			return out, nil
		}
	}
}

// port asks a server's port mapper where a program listens.
func port(ctx context.Context, host string, program, version uint32, usual int) int {
	c, err := dial(ctx, host, 111, 100000, 2)
	if err != nil {
		return usual
	}
	defer c.Close()
	w := &writer{}
	w.uint32(program, version, syscall.IPPROTO_TCP, 0)
	r, err := c.call(ctx, 3, w)
	if err != nil {
		return usual
	}
	if p := r.uint32(); p > 0 && p < 1<<16 {
		return int(p)
	}
	return usual
}

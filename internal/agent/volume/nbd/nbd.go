// Package nbd reads and writes what a storage daemon exports on a Unix socket:
// the network block device protocol, as far as the agent needs it to make,
// back up and fill volumes.
package nbd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"kumoi/internal/kernel/errs"
)

// Words of the protocol, as its document names them.
const (
	magic          = 0x4e42444d41474943
	haveOpt        = 0x49484156454f5054
	optReplyMagic  = 0x3e889045565a9
	requestMagic   = 0x25609513
	simpleMagic    = 0x67446698
	structureMagic = 0x668e33ef

	optGo, optStructured, optMeta = 7, 8, 10
	repAck, repInfo, repMeta      = 1, 3, 4
	repError                      = 1 << 31

	cmdRead, cmdWrite, cmdDisconnect, cmdFlush, cmdZeroes, cmdStatus = 0, 1, 2, 3, 6, 7

	chunkData, chunkHole, chunkStatus, chunkError = 1, 2, 5, 1 << 15
	flagDone                                      = 1
)

// MaxRequest is the most bytes that one request reads or writes.
const MaxRequest = 1 << 20

// Allocation tells which parts of a device have data.
const Allocation = "base:allocation"

// Dirty names the context of a bitmap that is exported with a device.
func Dirty(bitmap string) string { return "qemu:dirty-bitmap:" + bitmap }

// Flags of extents.
const (
	Hole    = 1 // of Allocation: takes no room
	Zero    = 2 // of Allocation: reads as zeros
	Changed = 1 // of a bitmap
)

// Extent is a part of a device and what a context says of it.
type Extent struct {
	Offset, Length int64
	Flags          uint32
}

// Client is a connection to an export. One request is under way at a time.
type Client struct {
	mu       sync.Mutex
	conn     net.Conn
	size     int64
	contexts map[uint32]string
	handle   uint64
	broken   error
}

// Dial opens an export and the contexts that are to be asked about.
func Dial(ctx context.Context, socket, export string, contexts ...string) (*Client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, errs.Wrap(errs.Unavailable, err, "The storage daemon of %s does not answer.", export)
	}
	c := &Client{conn: conn, contexts: map[uint32]string{}}
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if err := c.negotiate(export, contexts); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("open export %s: %w", export, err)
	}
	_ = conn.SetDeadline(time.Time{})
	return c, nil
}

func (c *Client) negotiate(export string, contexts []string) error {
	var hello struct {
		Magic, Opt uint64
		Flags      uint16
	}
	if err := binary.Read(c.conn, binary.BigEndian, &hello); err != nil {
		return err
	}
	if hello.Magic != magic || hello.Opt != haveOpt {
		return errors.New("the server speaks something else")
	}
	if err := binary.Write(c.conn, binary.BigEndian, uint32(3)); err != nil { // fixed newstyle, no zeroes
		return err
	}
	if err := c.option(optStructured, nil, nil); err != nil {
		return err
	}
	name := append(binary.BigEndian.AppendUint32(nil, uint32(len(export))), export...)
	if len(contexts) > 0 {
		ask := binary.BigEndian.AppendUint32(bytes.Clone(name), uint32(len(contexts)))
		for _, q := range contexts {
			ask = append(binary.BigEndian.AppendUint32(ask, uint32(len(q))), q...)
		}
		err := c.option(optMeta, ask, func(kind uint32, data []byte) {
			if kind == repMeta && len(data) > 4 {
				c.contexts[binary.BigEndian.Uint32(data)] = string(data[4:])
			}
		})
		if err != nil {
			return err
		}
		if len(c.contexts) < len(contexts) {
			return fmt.Errorf("the server knows %v of %v", c.contexts, contexts)
		}
	}
	return c.option(optGo, append(name, 0, 0), func(kind uint32, data []byte) {
		if kind == repInfo && len(data) >= 12 && binary.BigEndian.Uint16(data) == 0 {
			c.size = int64(binary.BigEndian.Uint64(data[2:]))
		}
	})
}

// option sends an option and reads its answers until the last.
func (c *Client) option(option uint32, data []byte, answer func(kind uint32, data []byte)) error {
	m := binary.BigEndian.AppendUint64(nil, haveOpt)
	m = binary.BigEndian.AppendUint32(m, option)
	m = binary.BigEndian.AppendUint32(m, uint32(len(data)))
	if _, err := c.conn.Write(append(m, data...)); err != nil {
		return err
	}
	for {
		var head struct {
			Magic             uint64
			Option, Kind, Len uint32
		}
		if err := binary.Read(c.conn, binary.BigEndian, &head); err != nil {
			return err
		}
		if head.Magic != optReplyMagic || head.Len > 1<<16 {
			return errors.New("the server's answer cannot be read")
		}
		body := make([]byte, head.Len)
		if _, err := io.ReadFull(c.conn, body); err != nil {
			return err
		}
		switch {
		case head.Kind&repError != 0:
			return errs.New(errs.NotFound, "The storage daemon refuses: %s (%#x).", body, head.Kind)
		case head.Kind == repAck:
			return nil
		case answer != nil:
			answer(head.Kind, body)
		}
	}
}

// Size is the device's in bytes, as it was when the export was opened.
func (c *Client) Size() (int64, error) { return c.size, nil }

// ReadAt reads, in requests of MaxRequest.
func (c *Client) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		part := p[n:min(len(p), n+MaxRequest)]
		if err = c.do(cmdRead, off+int64(n), len(part), nil, part, nil); err == nil {
			n += len(part)
		}
	}
	return n, err
}

// WriteAt writes, in requests of MaxRequest.
func (c *Client) WriteAt(p []byte, off int64) (n int, err error) {
	for n < len(p) && err == nil {
		part := p[n:min(len(p), n+MaxRequest)]
		if err = c.do(cmdWrite, off+int64(n), len(part), part, nil, nil); err == nil {
			n += len(part)
		}
	}
	return n, err
}

// WriteZeroes makes a part of the device zero, without room where that can be.
func (c *Client) WriteZeroes(off, length int64) error {
	const most = 1 << 30
	for length > 0 {
		n := min(length, most)
		if err := c.do(cmdZeroes, off, int(n), nil, nil, nil); err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	return nil
}

// Flush returns when all that was written is kept.
func (c *Client) Flush() error { return c.do(cmdFlush, 0, 0, nil, nil, nil) }

// Extents calls f for what the context says of the whole device, in order.
func (c *Client) Extents(name string, f func(Extent) error) error {
	for at := int64(0); at < c.size; {
		var found []Extent
		here := at
		err := c.do(cmdStatus, at, int(min(c.size-at, 1<<30)), nil, nil, func(body []byte) {
			if len(body) < 4 || c.contexts[binary.BigEndian.Uint32(body)] != name {
				return
			}
			for body = body[4:]; len(body) >= 8; body = body[8:] {
				e := Extent{here, int64(binary.BigEndian.Uint32(body)), binary.BigEndian.Uint32(body[4:])}
				found, here = append(found, e), here+e.Length
			}
		})
		if err != nil {
			return err
		}
		if here == at {
			return fmt.Errorf("the server says nothing of %s at %d", name, at)
		}
		for _, e := range found {
			if err := f(e); err != nil {
				return err
			}
		}
		at = here
	}
	return nil
}

// do sends a request and reads its answer: into p, or to status.
func (c *Client) do(kind uint16, off int64, length int, data, p []byte, status func([]byte)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return c.broken
	}
	c.handle++
	m := binary.BigEndian.AppendUint32(make([]byte, 0, 28+len(data)), requestMagic)
	m = binary.BigEndian.AppendUint16(m, 0)
	m = binary.BigEndian.AppendUint16(m, kind)
	m = binary.BigEndian.AppendUint64(m, c.handle)
	m = binary.BigEndian.AppendUint64(m, uint64(off))
	m = binary.BigEndian.AppendUint32(m, uint32(length))
	_, err := c.conn.Write(append(m, data...))
	var failed *Error
	for done := false; err == nil && !done; {
		if done, err = c.reply(off, p, status); errors.As(err, &failed) {
			err = nil
		}
	}
	if err != nil {
		c.broken = errs.Wrap(errs.Unavailable, err, "The connection to the storage daemon has ended.")
		_ = c.conn.Close()
		return c.broken
	}
	if failed != nil {
		return failed
	}
	return nil
}

// Error is what the server answers to a request that it cannot fulfil.
type Error struct {
	Number uint32 // as errno
	Text   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("storage daemon: error %d %s", e.Number, e.Text)
}

func (c *Client) reply(off int64, p []byte, status func([]byte)) (done bool, err error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c.conn, head); err != nil {
		return false, err
	}
	switch binary.BigEndian.Uint32(head) {
	case simpleMagic:
		return c.simple(p)
	case structureMagic:
		return c.chunk(off, p, status)
	}
	return false, errors.New("the server's answer cannot be read")
}

func (c *Client) simple(p []byte) (bool, error) {
	var rest struct {
		Error  uint32
		Handle uint64
	}
	if err := binary.Read(c.conn, binary.BigEndian, &rest); err != nil {
		return false, err
	}
	if rest.Error != 0 {
		return true, &Error{Number: rest.Error}
	}
	_, err := io.ReadFull(c.conn, p)
	return true, err
}

func (c *Client) chunk(off int64, p []byte, status func([]byte)) (bool, error) {
	var h struct {
		Flags, Kind uint16
		Handle      uint64
		Len         uint32
	}
	if err := binary.Read(c.conn, binary.BigEndian, &h); err != nil {
		return false, err
	}
	done := h.Flags&flagDone != 0
	if h.Len > 64<<20 {
		return false, errors.New("the server's answer is too long")
	}
	body := make([]byte, h.Len)
	if _, err := io.ReadFull(c.conn, body); err != nil {
		return false, err
	}
	switch {
	case h.Kind&chunkError != 0 && len(body) >= 6:
		return done, &Error{binary.BigEndian.Uint32(body), string(body[6:])}
	case h.Kind == chunkData && len(body) >= 8:
		at := int64(binary.BigEndian.Uint64(body)) - off
		if at < 0 || at+int64(len(body)-8) > int64(len(p)) {
			return false, errors.New("the server answers what was not asked")
		}
		copy(p[at:], body[8:])
	case h.Kind == chunkHole && len(body) == 12:
		at, n := int64(binary.BigEndian.Uint64(body))-off, int64(binary.BigEndian.Uint32(body[8:]))
		if at < 0 || at+n > int64(len(p)) {
			return false, errors.New("the server answers what was not asked")
		}
		clear(p[at : at+n])
	case h.Kind == chunkStatus && status != nil:
		status(body)
	}
	return done, nil
}

// Close ends the connection in order.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken != nil {
		return nil
	}
	c.broken = errs.New(errs.Gone, "The connection was closed.")
	m := binary.BigEndian.AppendUint32(nil, requestMagic)
	m = binary.BigEndian.AppendUint16(m, 0)
	m = binary.BigEndian.AppendUint16(m, cmdDisconnect)
	_, _ = c.conn.Write(append(m, make([]byte, 20)...))
	return c.conn.Close()
}

package agent

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"os"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// consoles are the sessions that people have on guests' screens and serial
// lines. They live in memory: an agent that ends drops them, and who wants to
// go on opens another.
type consoles struct {
	mu       sync.Mutex
	sessions map[string]*console
	idle     time.Duration
}

// maxHostConsoles bounds a host's sessions: each holds one of the bus's
// handlers while it waits for the guest.
const maxHostConsoles = 96

// writeWithin is how long a guest may take to take what was typed.
const writeWithin = 15 * time.Second

// console is one session.
type console struct {
	id, server string
	kind       hostapi.ConsoleKind
	conn       net.Conn    // nil until connected
	forgotten  *time.Timer // ends a session that nobody asks about
	asking     int         // requests under way
	reading    sync.Mutex  // one read after the other, or bytes would change places
	buf        []byte      // of the read
	writing    sync.Mutex
}

func newConsoles(idle time.Duration) *consoles {
	if idle <= 0 {
		idle = hostapi.ConsoleIdle
	}
	return &consoles{sessions: map[string]*console{}, idle: idle}
}

// errConsoleEnded answers whoever asks about a session that is no more.
func errConsoleEnded() error { return errs.New(errs.Gone, "The console session has ended.") }

// reserve makes a place for a session, if the guest and the host have one left.
// A serial line has one listener: the newest takes it over, so that one whose
// owner is gone holds nobody up.
func (c *consoles) reserve(server string, kind hostapi.ConsoleKind) (*console, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	var older []*console
	for _, s := range c.sessions {
		if s.server != server {
			continue
		}
		if kind == hostapi.ConsoleSerial && s.kind == kind {
			older = append(older, s)
			continue
		}
		n++
	}
	if n >= hostapi.MaxConsoles {
		return nil, errs.New(errs.Conflict, "The server has %d console sessions already; close one.", n)
	}
	if len(c.sessions)-len(older) >= maxHostConsoles {
		return nil, errs.New(errs.Conflict, "The server's host has %d console sessions already; close one.", len(c.sessions))
	}
	for _, s := range older {
		c.drop(s)
	}
	s := &console{id: rand.Text(), server: server, kind: kind}
	s.forgotten = time.AfterFunc(c.idle, func() { c.forget(s) })
	c.sessions[s.id] = s
	return s, nil
}

// connected gives a session its connection, unless it has ended meanwhile.
func (c *consoles) connected(s *console, conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sessions[s.id] != s {
		conn.Close()
		return errConsoleEnded()
	}
	s.conn = conn
	return nil
}

// find returns a session that is asked about, which keeps it until done is called.
func (c *consoles) find(id string) (*console, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sessions[id]
	if s == nil || s.conn == nil {
		return nil, errConsoleEnded()
	}
	s.asking++
	return s, nil
}

func (c *consoles) done(s *console) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.asking--
	if c.sessions[s.id] == s {
		s.forgotten.Reset(c.idle)
	}
}

// forget ends a session unless somebody asks about it right now.
func (c *consoles) forget(s *console) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.asking == 0 {
		c.drop(s)
	}
}

func (c *consoles) end(s *console) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drop(s)
}

// drop is called with mu held.
func (c *consoles) drop(s *console) {
	if c.sessions[s.id] != s {
		return
	}
	delete(c.sessions, s.id)
	s.forgotten.Stop()
	if s.conn != nil {
		s.conn.Close()
	}
}

// close ends all sessions.
func (c *consoles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.sessions {
		c.drop(s)
	}
}

// OpenConsole begins a session on a console of a running guest.
func (a *Agent) OpenConsole(ctx context.Context, r *hostapi.ConsoleOpen) (*hostapi.ConsoleSession, error) {
	if r.Kind != hostapi.ConsoleScreen && r.Kind != hostapi.ConsoleSerial {
		return nil, errs.New(errs.Invalid, "Guests have no console %q.", r.Kind)
	}
	if _, err := a.known(r.ServerID); err != nil {
		return nil, err
	}
	s, err := a.consoles.reserve(r.ServerID, r.Kind)
	if err != nil {
		return nil, err
	}
	conn, err := a.hv.Console(ctx, r.ServerID, r.Kind)
	if err == nil {
		err = a.consoles.connected(s, conn)
	}
	if err != nil {
		a.consoles.end(s)
		return nil, err
	}
	return &hostapi.ConsoleSession{ID: s.id}, nil
}

// readConsole waits for bytes from the guest; none within ConsolePoll is no error.
func (a *Agent) readConsole(_ context.Context, m *bus.Msg) (any, error) {
	var r hostapi.ConsoleSession
	if err := m.Decode(&r); err != nil {
		return nil, err
	}
	s, err := a.consoles.find(r.ID)
	if err != nil {
		return nil, err
	}
	defer a.consoles.done(s)
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.buf == nil {
		s.buf = make([]byte, hostapi.MaxConsoleChunk)
	}
	err = s.conn.SetReadDeadline(time.Now().Add(hostapi.ConsolePoll))
	n := 0
	if err == nil {
		n, err = s.conn.Read(s.buf)
	}
	switch {
	case n > 0:
		return bytes.Clone(s.buf[:n]), nil
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		return []byte{}, nil
	}
	a.consoles.end(s) // the guest hung up, or somebody ended the session
	return nil, errConsoleEnded()
}

// WriteConsole sends bytes to the guest.
func (a *Agent) WriteConsole(_ context.Context, r *hostapi.ConsoleInput) (*struct{}, error) {
	if len(r.Data) > hostapi.MaxConsoleChunk {
		return nil, errs.New(errs.TooLarge, "A console takes %d bytes at once, not %d.", hostapi.MaxConsoleChunk, len(r.Data))
	}
	s, err := a.consoles.find(r.Session.ID)
	if err != nil {
		return nil, err
	}
	defer a.consoles.done(s)
	s.writing.Lock()
	defer s.writing.Unlock()
	err = s.conn.SetWriteDeadline(time.Now().Add(writeWithin))
	if err == nil {
		_, err = s.conn.Write(r.Data)
	}
	if err != nil { // part of it may have gone, so this is the end
		a.consoles.end(s)
		return nil, errConsoleEnded()
	}
	return nil, nil
}

// CloseConsole ends a session.
func (a *Agent) CloseConsole(_ context.Context, r *hostapi.ConsoleSession) (*struct{}, error) {
	if s, err := a.consoles.find(r.ID); err == nil {
		a.consoles.done(s)
		a.consoles.end(s)
	}
	return nil, nil
}

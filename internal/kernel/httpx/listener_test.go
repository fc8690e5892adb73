package httpx

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
)

// script is a listener that gives out connections from addresses that are said.
type script struct {
	net.Listener
	from []string
}

type from struct {
	net.Conn
	addr net.Addr
}

func (c from) RemoteAddr() net.Addr { return c.addr }

func (s *script) Accept() (net.Conn, error) {
	if len(s.from) == 0 {
		return nil, io.EOF
	}
	addr := net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(s.from[0]), 1))
	s.from = s.from[1:]
	c, _ := net.Pipe()
	return from{c, addr}, nil
}

func TestBoundedListener(t *testing.T) {
	t.Parallel()
	in := &script{from: []string{
		"192.0.2.1", "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", // two of four
		"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", // two of the first three, and the last
		"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", // all
		"192.0.2.9", // one too many
	}}
	refused := 0
	l := &BoundedListener{Listener: in, Most: 9, MostPerAddress: 2, Refused: func(net.Addr, string) { refused++ }}
	var open []net.Conn
	for {
		c, err := l.Accept()
		if errors.Is(err, io.EOF) {
			break
		}
		open = append(open, c)
	}
	if len(open) != 9 || refused != 4 {
		t.Fatalf("%d accepted, %d refused", len(open), refused)
	}
	for _, c := range open {
		c.Close()
		c.Close() // gives its place back once
	}
	if l.all != 0 || len(l.each) != 0 {
		t.Errorf("places taken by nobody: %d, %v", l.all, l.each)
	}
	in.from = []string{"192.0.2.1"}
	if _, err := l.Accept(); err != nil {
		t.Errorf("no place after all have gone: %v", err)
	}
}

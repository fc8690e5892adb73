package httpx

import (
	"io"
	"net"
	"net/netip"
	"sync"
)

// BoundedListener accepts no more connections than a bound, and from one
// address (of IPv6 one /64, which is what one customer has) no more than
// another. A connection over a bound is closed at once: whoever waits in the
// queue of a port that somebody has filled waits for nothing. Addresses of this
// machine count for the first bound alone, since a proxy in front of the cloud
// and a tool on it have one address for many people.
type BoundedListener struct {
	net.Listener
	Most, MostPerAddress int
	// Refused is told of connections that were closed; optional.
	Refused func(remote net.Addr, why string)

	mu   sync.Mutex
	all  int
	each map[netip.Addr]int
}

// Accept waits for a connection within the bounds.
func (l *BoundedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := origin(c.RemoteAddr())
		why := l.enter(from)
		if why == "" {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		c.Close()
		if l.Refused != nil {
			l.Refused(c.RemoteAddr(), why)
		}
	}
}

func (l *BoundedListener) enter(from netip.Addr) (why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.all >= l.Most:
		return "max-connections is reached"
	case from.IsValid() && l.each[from] >= l.MostPerAddress:
		return "max-connections-per-address is reached"
	}
	if l.each == nil {
		l.each = map[netip.Addr]int{}
	}
	l.all++
	if from.IsValid() {
		l.each[from]++
	}
	return ""
}

func (l *BoundedListener) leave(from netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if !from.IsValid() {
		return
	}
	if l.each[from]--; l.each[from] == 0 {
		delete(l.each, from)
	}
}

// origin is the address that a connection counts for; none for this machine's own.
func origin(a net.Addr) netip.Addr {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	if addr.IsLoopback() {
		return netip.Addr{}
	}
	if addr.Is6() {
		return netip.PrefixFrom(addr, 64).Masked().Addr()
	}
	return addr
}

// boundedConn gives its place back when it is closed. It reads and writes as
// the connection below does, so that the kernel can send files by itself.
type boundedConn struct {
	net.Conn
	leave func()
	held  *gathered // what is written, while an answer is put together
}

func (c *boundedConn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// CloseWrite lets net/http end an answer before it closes the connection, so
// that the client can read it.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// ReadFrom sends a file.
func (c *boundedConn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

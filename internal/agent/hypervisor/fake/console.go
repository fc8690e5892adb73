package fake

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// The fake's screen: so large, and of one colour.
const (
	ScreenWidth  = 64
	ScreenHeight = 48
)

// Console implements hypervisor.Hypervisor. The screen speaks RFB 3.8 as far as
// a first picture; the serial line sends back what it gets. Both hang up when
// the guest goes off.
func (h *Hypervisor) Console(ctx context.Context, id string, kind hostapi.ConsoleKind) (net.Conn, error) {
	var client net.Conn
	err := h.live(ctx, "Console", id, func(m *hypervisor.Machine) error {
		if kind == hostapi.ConsoleScreen && !m.Screen {
			return errs.New(errs.Conflict, "The guest was started without a screen.")
		}
		var guest net.Conn
		client, guest = net.Pipe()
		h.consoles.add(id, guest)
		go func() {
			defer h.consoles.remove(id, guest)
			if kind == hostapi.ConsoleScreen {
				_ = screen(guest, m.Mark.Name)
				return
			}
			_, _ = io.Copy(guest, guest)
		}()
		return nil
	})
	return client, err
}

// screen is the server's side of RFC 6143: no security, raw pixels.
func screen(conn net.Conn, name string) error {
	version := make([]byte, 12)
	if _, err := conn.Write([]byte("RFB 003.008\n")); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, version); err != nil {
		return err
	}
	if _, err := conn.Write([]byte{1, 1}); err != nil { // one security type: none
		return err
	}
	if _, err := io.ReadFull(conn, version[:1]); err != nil {
		return err
	}
	if _, err := conn.Write(make([]byte, 4)); err != nil { // that is fine
		return err
	}
	if _, err := io.ReadFull(conn, version[:1]); err != nil { // shared or not
		return err
	}
	title := "QEMU (" + name + ")"
	init := binary.BigEndian.AppendUint16(nil, ScreenWidth)
	init = binary.BigEndian.AppendUint16(init, ScreenHeight)
	init = append(init, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)
	init = binary.BigEndian.AppendUint32(init, uint32(len(title)))
	if _, err := conn.Write(append(init, title...)); err != nil {
		return err
	}
	// One picture for whatever the client says next; then it may talk on.
	if _, err := conn.Read(make([]byte, 4096)); err != nil {
		return err
	}
	update := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, ScreenWidth, 0, ScreenHeight, 0, 0, 0, 0}
	for range ScreenWidth * ScreenHeight {
		update = append(update, 0x20, 0x40, 0x80, 0)
	}
	if _, err := conn.Write(update); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// consoles are the open ones, by server.
type consoles struct {
	mu   sync.Mutex
	open map[string]map[net.Conn]bool
}

func (c *consoles) add(id string, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = map[string]map[net.Conn]bool{}
	}
	if c.open[id] == nil {
		c.open[id] = map[net.Conn]bool{}
	}
	c.open[id][conn] = true
}

func (c *consoles) remove(id string, conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open[id], conn)
	conn.Close()
}

// hangUp ends all of a guest that goes off.
func (c *consoles) hangUp(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.open[id] {
		conn.Close()
	}
	delete(c.open, id)
}

// Consoles counts a guest's open consoles.
func (h *Hypervisor) Consoles(id string) int {
	h.consoles.mu.Lock()
	defer h.consoles.mu.Unlock()
	return len(h.consoles.open[id])
}

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// consoles sits down in front of a guest: its screen shows something, its
// serial line answers what is typed, and is logged all the while.
func consoles(t *testing.T, demo *client, server string) {
	t.Helper()
	address := demo.show("console url show --novnc {}", server).str("url")
	page, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	html, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !bytes.Contains(html, []byte("<title>noVNC")) {
		t.Errorf("the console's page: %d %.100s", resp.StatusCode, html)
	}
	screen := dial(t, "ws://"+page.Host+"/"+page.Query().Get("path"))
	if name := picture(t, screen); !strings.HasPrefix(name, "QEMU") {
		t.Errorf("the screen is %q", name)
	}
	_ = screen.Close()

	// A name that nobody has, typed at the login prompt, comes back as it is typed.
	const typed = "nobody-of-that-name"
	line := dial(t, demo.show("console url show --serial {}", server).str("url"))
	defer line.Close()
	write(t, line, []byte("\n"))
	until(t, line, "login:")
	write(t, line, []byte(typed+"\n"))
	until(t, line, typed)
	eventually(t, "the log to have what was typed", 20*time.Second, func() bool {
		return strings.Contains(demo.ok("console log show {}", server), typed)
	})
}

// dial opens a console; reads of it end after a while.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	ws, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{Subprotocols: []string{"binary"}})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(8 << 20)
	return websocket.NetConn(ctx, ws, websocket.MessageBinary)
}

func write(t *testing.T, conn net.Conn, data []byte) {
	t.Helper()
	if _, err := conn.Write(data); err != nil {
		t.Fatal(err)
	}
}

func exactly(t *testing.T, conn net.Conn, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	if _, err := io.ReadFull(conn, data); err != nil {
		t.Fatal(err)
	}
	return data
}

// until reads until a text has come.
func until(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	for !bytes.Contains(got, []byte(text)) {
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("the console said %q, not %q: %v", got, text, err)
		}
		got = append(got, buf[:n]...)
	}
}

// picture shakes hands as RFC 6143 has it, takes one picture, which must not be
// of one colour, and returns the screen's name.
func picture(t *testing.T, conn net.Conn) string {
	t.Helper()
	if v := exactly(t, conn, 12); string(v) != "RFB 003.008\n" {
		t.Fatalf("version %q", v)
	}
	write(t, conn, []byte("RFB 003.008\n"))
	kinds := exactly(t, conn, int(exactly(t, conn, 1)[0]))
	if !bytes.Contains(kinds, []byte{1}) {
		t.Fatalf("security types %v", kinds)
	}
	write(t, conn, []byte{1})
	exactly(t, conn, 4)
	write(t, conn, []byte{1})
	init := exactly(t, conn, 24)
	name := exactly(t, conn, int(binary.BigEndian.Uint32(init[20:])))
	write(t, conn, []byte{2, 0, 0, 1, 0, 0, 0, 0})                                       // encodings: raw
	write(t, conn, append([]byte{3, 0, 0, 0, 0, 0}, init[0], init[1], init[2], init[3])) // all of it
	if kind := exactly(t, conn, 4); kind[0] != 0 {
		t.Fatalf("a message of type %d, not an update", kind[0])
	}
	r := exactly(t, conn, 12)
	w, h := int(binary.BigEndian.Uint16(r[4:])), int(binary.BigEndian.Uint16(r[6:]))
	pixels := exactly(t, conn, w*h*4)
	if bytes.Equal(pixels[4:], pixels[:len(pixels)-4]) {
		t.Errorf("the screen of %d by %d is of one colour", w, h)
	}
	return string(name)
}

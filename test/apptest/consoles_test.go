package apptest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/remoteconsoles"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/hostapi"
)

// ConsoleURL asks for an address of the server's console.
func (s *Session) ConsoleURL(id string, protocol remoteconsoles.ConsoleProtocol, kind remoteconsoles.ConsoleType) *url.URL {
	s.t.Helper()
	c := must[*remoteconsoles.RemoteConsole](s.t)(remoteconsoles.Create(s.ctx, s.Compute, id, remoteconsoles.CreateOpts{Protocol: protocol, Type: kind}).Extract())
	if c.Protocol != string(protocol) || c.Type != string(kind) {
		s.t.Errorf("asked for %s/%s, got %s/%s", protocol, kind, c.Protocol, c.Type)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

// screenSocket is where the page at the address opens its websocket.
func screenSocket(page *url.URL) string {
	return "ws://" + page.Host + "/" + page.Query().Get("path")
}

// dialConsole opens a websocket and returns the status of the handshake as well.
func dialConsole(t *testing.T, address, origin string) (*websocket.Conn, int) {
	t.Helper()
	h := http.Header{}
	if origin != "" {
		h.Set("Origin", origin)
	}
	ws, resp, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{Subprotocols: []string{"binary"}, HTTPHeader: h})
	if resp == nil {
		t.Fatal(err)
	}
	if err != nil {
		return nil, resp.StatusCode
	}
	ws.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return ws, resp.StatusCode
}

// mustDial fails the test if the console does not open.
func mustDial(t *testing.T, address string) *websocket.Conn {
	t.Helper()
	ws, status := dialConsole(t, address, "")
	if ws == nil {
		t.Fatalf("the console is refused with %d", status)
	}
	return ws
}

// expect reads until so many bytes have come.
func expect(t *testing.T, ws *websocket.Conn, n int) []byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var got []byte
	for len(got) < n {
		_, data, err := ws.Read(ctx)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", len(got), n, err)
		}
		got = append(got, data...)
	}
	return got
}

func say(t *testing.T, ws *websocket.Conn, data []byte) {
	t.Helper()
	if err := ws.Write(t.Context(), websocket.MessageBinary, data); err != nil {
		t.Fatal(err)
	}
}

// ended waits for the other side to close and returns why it did.
func ended(t *testing.T, ws *websocket.Conn) websocket.CloseError {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		_, _, err := ws.Read(ctx)
		if err == nil {
			continue
		}
		var e websocket.CloseError
		if websocket.CloseStatus(err) == -1 {
			t.Fatalf("the console ended without a word: %v", err)
		}
		e.Code = websocket.CloseStatus(err)
		e.Reason = err.Error()
		return e
	}
}

// A screen and a serial line, from the API's address to the guest's end.
func TestConsolesReachTheGuest(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		alice := c.NewUser(admin, "alice")
		id := alice.NewServer("web <b>", Prepare(admin, alice))
		alice.WaitServer(id, "ACTIVE")

		page := alice.ConsoleURL(id, "vnc", "novnc")
		if page.Query().Get("title") != "web <b>" || page.Path != "/console/vnc" {
			t.Errorf("the page's address: %s", page)
		}
		ws := mustDial(t, screenSocket(page))
		if ws.Subprotocol() != "binary" {
			t.Errorf("subprotocol %q", ws.Subprotocol())
		}
		if got := string(expect(t, ws, 12)); got != "RFB 003.008\n" {
			t.Errorf("version %q", got)
		}
		say(t, ws, []byte("RFB 003.008\n"))
		if got := expect(t, ws, 2); !bytes.Equal(got, []byte{1, 1}) {
			t.Errorf("security types %v", got)
		}
		say(t, ws, []byte{1})
		expect(t, ws, 4)
		say(t, ws, []byte{1})
		if got := expect(t, ws, 24+len("QEMU (web <b>)")); string(got[24:]) != "QEMU (web <b>)" || got[1] != fake.ScreenWidth {
			t.Errorf("ServerInit %q", got)
		}
		say(t, ws, []byte{3, 0, 0, 0, 0, 0, 0, fake.ScreenWidth, 0, fake.ScreenHeight})
		expect(t, ws, 16+4*fake.ScreenWidth*fake.ScreenHeight)

		// A serial line, far more than one message of it, while the screen is open.
		line := mustDial(t, alice.ConsoleURL(id, "serial", "serial").String())
		text := make([]byte, 3*hostapi.MaxConsoleChunk)
		_, _ = rand.Read(text)
		go func() {
			for part := text; len(part) > 0; part = part[64<<10:] {
				_ = line.Write(t.Context(), websocket.MessageBinary, part[:64<<10])
			}
		}()
		if got := expect(t, line, len(text)); !bytes.Equal(got, text) {
			t.Error("the serial line's bytes came back as others")
		}

		// The line has one listener, the newest.
		newer := mustDial(t, alice.ConsoleURL(id, "serial", "serial").String())
		if e := ended(t, line); e.Code != websocket.StatusNormalClosure {
			t.Errorf("the older listener is told %v", e)
		}
		say(t, newer, []byte("hello"))
		expect(t, newer, 5)
		_ = newer.Close(websocket.StatusNormalClosure, "")
		Until(t, "the host to have closed the line", func() bool { return c.Guests.Consoles(id) == 1 })

		// A guest that goes off ends its consoles; the address may be used again.
		if err := servers.Stop(alice.ctx, alice.Compute, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		if e := ended(t, ws); e.Code != websocket.StatusNormalClosure {
			t.Errorf("the screen of a stopped guest ends with %v", e)
		}
		alice.WaitServer(id, "SHUTOFF")
		if e := ended(t, mustDial(t, screenSocket(page))); e.Code != websocket.StatusTryAgainLater {
			t.Errorf("a stopped guest's screen: %v", e)
		}
		if err := servers.Start(alice.ctx, alice.Compute, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		alice.WaitServer(id, "ACTIVE")
		expect(t, mustDial(t, screenSocket(page)), 12)
	})
}

// What does not open a console: all of it is refused alike.
func TestConsolesRefuse(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		alice, bob := c.NewUser(admin, "alice"), c.NewUser(admin, "bob")
		need := Prepare(admin, alice)
		id, other := alice.NewServer("one", need), alice.NewServer("two", need)
		alice.WaitServer(id, "ACTIVE")
		alice.WaitServer(other, "ACTIVE")

		if err := remoteconsoles.Create(bob.ctx, bob.Compute, id, remoteconsoles.CreateOpts{Protocol: "vnc", Type: "novnc"}).Err; !Gone(err) {
			t.Errorf("bob asks for alice's screen: %v, want 404", err)
		}
		page := alice.ConsoleURL(id, "vnc", "novnc")
		good := screenSocket(page)
		line := alice.ConsoleURL(id, "serial", "serial").String()
		token := good[strings.Index(good, "token=")+6:]
		host := page.Host
		refused := func(what, address string) {
			t.Helper()
			resp, err := http.Get(strings.Replace(address, "ws://", "http://", 1))
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if _, status := dialConsole(t, address, ""); status != 403 || resp.StatusCode != 403 || len(body) != 0 || !resp.Close {
				t.Errorf("%s: %d and %d %q, want 403 without a word", what, status, resp.StatusCode, body)
			}
		}
		refused("no token", "ws://"+host+"/console/vnc/socket")
		refused("a wrong token", strings.Replace(good, "token=", "token=bad", 1))
		refused("a shortened token", good[:len(good)-1])
		refused("a screen's token for the serial line", "ws://"+host+"/console/serial/socket?token="+token)
		refused("a serial line's token for the screen", strings.Replace(line, "/serial/", "/vnc/", 1))

		// Pages of other sites open nothing, the console's own does.
		for origin, want := range map[string]int{
			"http://evil.example": 403, "http://" + host + ".evil.example": 403, "null": 403, "http://127.0.0.1:1": 403, "http://" + host: 101,
		} {
			ws, status := dialConsole(t, good, origin)
			if status != want {
				t.Errorf("origin %s: %d, want %d", origin, status, want)
			}
			if ws != nil {
				_ = ws.CloseNow()
			}
		}
		// What is no websocket gets none.
		resp, err := http.Get(strings.Replace(good, "ws://", "http://", 1))
		if err != nil || resp.StatusCode != http.StatusUpgradeRequired {
			t.Errorf("a plain request: %v %v", resp, err)
		}
		_ = resp.Body.Close()

		// A message too large ends the session.
		ws := mustDial(t, good)
		_ = ws.Write(t.Context(), websocket.MessageBinary, make([]byte, hostapi.MaxConsoleChunk+1))
		if e := ended(t, ws); e.Code != websocket.StatusMessageTooBig {
			t.Errorf("a message too large: %v", e)
		}

		none := func() bool { return c.Guests.Consoles(id) == 0 }
		Until(t, "those sessions to be gone", none)

		// A guest has so many sessions and no more; another guest's are its own.
		var open []*websocket.Conn
		full := false
		for range hostapi.MaxConsoles + 1 {
			ws := mustDial(t, good)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			_, _, err := ws.Read(ctx)
			cancel()
			if err != nil {
				full = websocket.CloseStatus(err) == websocket.StatusTryAgainLater
				break
			}
			open = append(open, ws)
		}
		if !full || len(open) != hostapi.MaxConsoles {
			t.Errorf("%d sessions opened; the next was refused: %v", len(open), full)
		}
		expect(t, mustDial(t, screenSocket(alice.ConsoleURL(other, "vnc", "novnc"))), 12)
		for _, ws := range open {
			_ = ws.CloseNow()
		}
		Until(t, "the sessions to be closed", none)

		// The guest's end is the token's end.
		last := mustDial(t, good)
		expect(t, last, 12)
		if err := servers.Delete(alice.ctx, alice.Compute, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		ended(t, last)
		Until(t, "the server to be deleted", func() bool { return Gone(servers.Get(alice.ctx, alice.Compute, id).Err) })
		refused("a deleted server's token", good)
		refused("its serial token", line)

		if !c.Logged("console opened") || c.Logged(token) {
			t.Error("the log lacks the opening of consoles, or has the token")
		}
	})
}

// An address opens a console for a while; what is open stays open.
func TestConsoleAddressesExpire(t *testing.T) {
	c := Make(t)
	c.Config.ConsoleTTL = time.Second
	c.Start()
	admin := c.Admin()
	id := admin.NewServer("short", Prepare(admin, admin))
	admin.WaitServer(id, "ACTIVE")
	address := admin.ConsoleURL(id, "serial", "serial").String()
	ws := mustDial(t, address)
	// Made later and of another console: whoever tries it does not disturb the line.
	later := screenSocket(admin.ConsoleURL(id, "vnc", "novnc"))
	Until(t, "the tokens to expire", func() bool {
		again, status := dialConsole(t, later, "")
		if again != nil {
			_ = again.CloseNow()
		}
		return status == http.StatusForbidden
	})
	if _, status := dialConsole(t, address, ""); status != http.StatusForbidden {
		t.Errorf("an expired token: %d", status)
	}
	say(t, ws, []byte("still here"))
	expect(t, ws, 10)
	// The row of an expired token goes when the next is made, and changes nothing.
	admin.ConsoleURL(id, "serial", "serial")
	if _, status := dialConsole(t, address, ""); status != http.StatusForbidden {
		t.Errorf("an expired token, forgotten: %d", status)
	}
}

// The page is a document of its own, which may load and reach nothing else.
func TestConsolePage(t *testing.T) {
	c := New(t)
	root := strings.TrimSuffix(c.AuthURL(), "/identity/v3")
	for path, want := range map[string]string{
		"/console/vnc?path=x&title=y": "<title>noVNC</title>", "/console/files/page.js": "import { RFB }", "/console/files/rfb.js": "export class RFB",
		"/console/files/style.css": "body {", "/console/files/keys.js": "KeyQ", "/console/files/zrle.js": "DecompressionStream", "/console/files/bytes.js": "export class Bytes",
	} {
		resp, err := http.Get(root + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != 200 || !strings.Contains(string(body), want) {
			t.Errorf("%s: %d, lacks %q", path, resp.StatusCode, want)
		}
		h := resp.Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "no-referrer" ||
			!strings.HasPrefix(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self'; ") {
			t.Errorf("%s: headers %v", path, h)
		}
	}
	for _, path := range []string{"/console", "/console/files/nope", "/console/files/..%2fconsole.go", "/console/files/", "/console/serial"} {
		resp, err := http.Get(root + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode == 200 {
			t.Errorf("%s answers", path)
		}
	}
}

// Administrators see where a token leads, and nobody learns it from the log.
func TestConsoleTokenTellsAdministrators(t *testing.T) {
	c := New(t)
	admin := c.Admin()
	alice := c.NewUser(admin, "alice")
	id := alice.NewServer("web", Prepare(admin, alice))
	alice.WaitServer(id, "ACTIVE")
	address := alice.ConsoleURL(id, "serial", "serial")
	token := address.Query().Get("token")
	show := func(s *Session, version, token string) (int, map[string]any) {
		t.Helper()
		s.Compute.Microversion = version
		var out struct{ Console map[string]any }
		_, err := s.Compute.Get(s.ctx, s.Compute.ServiceURL("os-console-auth-tokens", token), &out, nil)
		var refused gophercloud.ErrUnexpectedResponseCode
		if errors.As(err, &refused) {
			return refused.Actual, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		return http.StatusOK, out.Console
	}
	for _, tc := range []struct {
		who            *Session
		version, token string
		status         int
		tls            bool
	}{
		{admin, "2.31", token, 200, false},
		{admin, "2.98", token, 200, false},
		{admin, "2.99", token, 200, true},
		{admin, "2.30", token, 400, false},
		{admin, "2.99", token + "0", 404, false},
		{alice, "2.99", token, 403, false},
	} {
		status, console := show(tc.who, tc.version, tc.token)
		if status != tc.status {
			t.Errorf("%s: %d, want %d", tc.version, status, tc.status)
		}
		if status != 200 {
			continue
		}
		_, tls := console["tls_port"]
		if console["instance_uuid"] != id || console["host"] != "testhost" || console["port"] == nil || tls != tc.tls {
			t.Errorf("%s: %v", tc.version, console)
		}
		if _, ok := console["internal_access_path"]; !ok {
			t.Errorf("%s: %v", tc.version, console)
		}
	}
	if c.Logged(token) {
		t.Error("the token is in the log")
	}
}

package libvirt

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"libvirt.org/go/libvirtxml"

	"kumoi/internal/hostapi"
)

func TestConsoleSockets(t *testing.T) {
	const serial = `<serial type="unix"><source mode="bind" path="/d/console.sock"/></serial>`
	for name, tc := range map[string]struct {
		devices        string
		screen, serial string
	}{
		"none":                    {"", "", ""},
		"a screen and a line":     {serial + `<graphics type="vnc" socket="/l/vnc.sock"><listen type="socket" socket="/l/vnc.sock"/></graphics>`, "/l/vnc.sock", "/d/console.sock"},
		"as an older libvirt has": {`<graphics type="vnc" socket="/l/vnc.sock"/>`, "/l/vnc.sock", ""},
		"a console alone":         {`<console type="unix"><source mode="bind" path="/d/c.sock"/></console>`, "", "/d/c.sock"},
		"a terminal":              {`<serial type="pty"><source path="/dev/pts/1"/></serial><graphics type="spice"/>`, "", ""},
	} {
		dom := &libvirtxml.Domain{}
		if err := dom.Unmarshal("<domain><devices>" + tc.devices + "</devices></domain>"); err != nil {
			t.Fatal(err)
		}
		if a, b := consoleSocket(dom, hostapi.ConsoleScreen), consoleSocket(dom, hostapi.ConsoleSerial); a != tc.screen || b != tc.serial {
			t.Errorf("%s: %q and %q", name, a, b)
		}
	}
	if consoleSocket(&libvirtxml.Domain{}, hostapi.ConsoleScreen) != "" {
		t.Error("a domain without devices has a screen")
	}
}

func TestSocketsAreReachedWhereverTheyAre(t *testing.T) {
	d := New(Config{LibDir: "/data/libvirt/lib"})
	for path, want := range map[string]string{
		"/var/lib/libvirt/qemu/domain-1-x/vnc.sock": "/data/libvirt/lib/qemu/domain-1-x/vnc.sock",
		"/var/lib/libvirts/x":                       "/var/lib/libvirts/x",
		"/d/console.sock":                           "/d/console.sock",
	} {
		if got := d.visible(path); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
	for _, name := range []string{"short", strings.Repeat("a-long-name", 12)} {
		dir := filepath.Join(t.TempDir(), name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		t.Chdir(dir) // a relative address is short enough to listen at
		l, err := net.Listen("unix", "s")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		conn, err := dialSocket(t.Context(), filepath.Join(dir, "s"))
		if err != nil {
			t.Fatalf("a path of %d bytes: %v", len(dir)+2, err)
		}
		conn.Close()
	}
}

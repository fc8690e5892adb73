package compute_test

import (
	"net/url"
	"strings"
	"testing"

	"kumoi/internal/compute"
	"kumoi/internal/compute/computetest"
	"kumoi/internal/hostapi"
)

// What Nova answers to each way of asking for a console.
func TestConsolesAreGivenAsNovaDoes(t *testing.T) {
	each(t, func(t *testing.T, c *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil)
		p.Wait(id, "ACTIVE")
		path := "/v2.1/servers/" + id
		remote := func(protocol, kind string) object {
			return object{"remote_console": object{"protocol": protocol, "type": kind}}
		}
		for _, tc := range []struct {
			who, version, path string
			body               object
			status             int
			says               string // of a refusal; of an answer, what its URL holds
		}{
			{"p", "2.6", "/remote-consoles", remote("vnc", "novnc"), 200, "/console/vnc?path=console%2Fvnc%2Fsocket%3Ftoken%3D"},
			{"p", "2.100", "/remote-consoles", remote("serial", "serial"), 200, "/console/serial/socket?token="},
			{"p", "2.6", "/remote-consoles", remote("vnc", "xvpvnc"), 400, "Unavailable console type xvpvnc."},
			{"p", "2.6", "/remote-consoles", remote("serial", "novnc"), 400, "Unavailable console type novnc."},
			{"p", "2.6", "/remote-consoles", remote("spice", "spice-html5"), 400, "Unavailable console type spice-html5."},
			{"p", "2.99", "/remote-consoles", remote("spice", "spice-direct"), 400, "Unavailable console type spice-direct."},
			{"p", "2.6", "/remote-consoles", remote("rdp", "rdp-html5"), 400, "Unavailable console type rdp-html5."},
			{"p", "2.8", "/remote-consoles", remote("mks", "webmks"), 400, "Unavailable console type webmks."},
			{"p", "2.7", "/remote-consoles", remote("mks", "webmks"), 400, "Invalid input"},
			{"p", "2.6", "/remote-consoles", remote("vnc", "telnet"), 400, "Invalid input"},
			{"p", "2.6", "/remote-consoles", object{"remote_console": object{"type": "novnc"}}, 400, "Invalid input"},
			{"p", "2.5", "/remote-consoles", remote("vnc", "novnc"), 404, ""},
			{"q", "2.6", "/remote-consoles", remote("vnc", "novnc"), 404, "could not be found"},
			{"p:reader", "2.6", "/remote-consoles", remote("vnc", "novnc"), 403, "os-remote-consoles"},
			{"p", "2.5", "/action", object{"os-getVNCConsole": object{"type": "novnc"}}, 200, "/console/vnc?path="},
			{"p", "2.1", "/action", object{"os-getSerialConsole": object{"type": "serial"}}, 200, "/console/serial/socket?token="},
			{"p", "2.1", "/action", object{"os-getVNCConsole": object{"type": "xvpvnc"}}, 400, "Unavailable console type xvpvnc."},
			{"p", "2.1", "/action", object{"os-getSPICEConsole": object{"type": "spice-html5"}}, 400, "Unavailable console type spice-html5."},
			{"p", "2.1", "/action", object{"os-getRDPConsole": object{"type": "rdp-html5"}}, 400, "Unavailable console type rdp-html5."},
			{"p", "2.1", "/action", object{"os-getVNCConsole": object{"type": "serial"}}, 400, "Invalid input"},
			{"p", "2.6", "/action", object{"os-getVNCConsole": object{"type": "novnc"}}, 404, ""},
			{"q", "2.1", "/action", object{"os-getSerialConsole": object{"type": "serial"}}, 404, "could not be found"},
		} {
			who := p.As(tc.who).At(tc.version)
			if tc.status != 200 {
				who.Fails(tc.status, tc.says, "POST", path+tc.path, tc.body)
				continue
			}
			out := who.Must(200, "POST", path+tc.path, tc.body)
			for _, key := range []string{"remote_console", "console"} {
				if console, ok := out[key].(object); ok {
					if url, _ := console["url"].(string); !strings.Contains(url, tc.says) || console["type"] == nil || (key == "remote_console") != (console["protocol"] != nil) {
						t.Errorf("%v gives %v", tc.body, console)
					}
				}
			}
			if len(out) != 1 {
				t.Errorf("%v gives %v", tc.body, out)
			}
		}
		p.At("2.6").Fails(404, "could not be found", "POST", "/v2.1/servers/nope/remote-consoles", remote("vnc", "novnc"))
		if g := c.Agent("h1").Guest(id); !g.Console.VNC {
			t.Error("the guest is started without a screen")
		}

		blind := p.Server(object{"name": "blind", "flavorRef": blindFlavor(p)})
		p.Wait(blind, "ACTIVE")
		if g := c.Agent("h1").Guest(blind); g.Console.VNC {
			t.Error("a flavor without a screen has one")
		}
		p.At("2.6").Fails(400, "Unavailable console type novnc.", "POST", "/v2.1/servers/"+blind+"/remote-consoles", remote("vnc", "novnc"))
		p.At("2.6").Must(200, "POST", "/v2.1/servers/"+blind+"/remote-consoles", remote("serial", "serial"))

		// A server without a guest has no consoles.
		p.Action(202, id, "shelve", nil)
		p.Wait(id, "SHELVED_OFFLOADED")
		p.At("2.6").Fails(409, "is not ready", "POST", path+"/remote-consoles", remote("vnc", "novnc"))
	})
	member(t, func(_ *testing.T, _ *computetest.Cloud, p *computetest.Client) {
		id := p.Server(nil) // nobody builds it
		p.At("2.6").Fails(409, "is not ready", "POST", "/v2.1/servers/"+id+"/remote-consoles", object{"remote_console": object{"protocol": "vnc", "type": "novnc"}})
		p.At("2.1").Fails(409, "is not ready", "POST", "/v2.1/servers/"+id+"/action", object{"os-getSerialConsole": object{"type": "serial"}})
	})
}

// blindFlavor makes a flavor whose guests have no screen.
func blindFlavor(p *computetest.Client) string {
	p.T.Helper()
	p.Flavor("blind", nil)
	p.As("ops:admin").Must(200, "POST", "/v2.1/flavors/blind/os-extra_specs", object{"extra_specs": object{"hw_video_model": "none"}})
	return "blind"
}

func TestConsoleAddresses(t *testing.T) {
	srv := &compute.Server{Name: "a & b?"}
	for _, tc := range []struct {
		base string
		kind hostapi.ConsoleKind
		want string
	}{
		{"http://192.0.2.1:5000", hostapi.ConsoleSerial, "ws://192.0.2.1:5000/console/serial/socket?token=t"},
		{"https://cloud.example.com", hostapi.ConsoleSerial, "wss://cloud.example.com/console/serial/socket?token=t"},
		{"https://cloud.example.com", hostapi.ConsoleScreen, "https://cloud.example.com/console/vnc?path=console%2Fvnc%2Fsocket%3Ftoken%3Dt&title=a+%26+b%3F"},
		{"https://example.com/cloud", hostapi.ConsoleScreen, "https://example.com/cloud/console/vnc?path=cloud%2Fconsole%2Fvnc%2Fsocket%3Ftoken%3Dt&title=a+%26+b%3F"},
	} {
		got := (&compute.ConsoleAccess{Token: "t", Kind: tc.kind, Server: srv}).URL(tc.base)
		if got != tc.want {
			t.Errorf("below %s: %s, want %s", tc.base, got, tc.want)
		}
		if u, err := url.Parse(got); err != nil || u.Host == "" {
			t.Errorf("%s: %v", got, err)
		}
	}
}

//go:build realdeps

package agent_test

import (
	"bytes"
	"testing"

	"kumoi/internal/hostapi"
)

// A real guest's screen greets, and its serial line answers and is logged while
// somebody uses it, also after another has taken it over.
func TestGuestConsoles(t *testing.T) {
	h := newRealHost(t)
	h.start()
	spec := h.spec("web", "echo web is up", h.network("10.5.0.0/24").nic())
	spec.Console.VNC = true
	h.cloud.ensure(spec)
	h.cloud.console(spec.ID, "login:", patience)

	open := func(kind hostapi.ConsoleKind) hostapi.ConsoleSession {
		t.Helper()
		s, err := h.cloud.client.OpenConsole(h.cloud.ctx(), "host-a", spec.ID, kind)
		if err != nil {
			t.Fatal(err)
		}
		return *s
	}
	write := func(s hostapi.ConsoleSession, text string) {
		t.Helper()
		if err := h.cloud.client.WriteConsole(h.cloud.ctx(), "host-a", hostapi.ConsoleInput{Session: s, Data: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	until := func(s hostapi.ConsoleSession, want string) {
		t.Helper()
		var got []byte
		for !bytes.Contains(got, []byte(want)) {
			data, err := h.cloud.client.ReadConsole(h.cloud.ctx(), "host-a", s)
			if err != nil {
				t.Fatalf("%q, not %q: %v", got, want, err)
			}
			got = append(got, data...)
		}
	}
	screen := open(hostapi.ConsoleScreen)
	until(screen, "RFB 003.008\n")
	line := open(hostapi.ConsoleSerial)
	write(line, "\n")
	until(line, "login:")
	newer := open(hostapi.ConsoleSerial)
	write(newer, "nobody-of-that-name\n")
	until(newer, "nobody-of-that-name")
	h.cloud.console(spec.ID, "nobody-of-that-name", patience)
	h.removeAll(spec)
	for _, s := range []hostapi.ConsoleSession{screen, line, newer} {
		if _, err := h.cloud.client.ReadConsole(h.cloud.ctx(), "host-a", s); err == nil {
			t.Error("a console of a removed guest is open")
		}
	}
}

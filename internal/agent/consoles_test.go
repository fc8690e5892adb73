package agent_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// guestWithScreen is a host with one running guest.
func guestWithScreen(t *testing.T, idle time.Duration) (*fakeHost, *hostapi.ServerSpec) {
	t.Helper()
	h := newFakeHost(t)
	h.consoleIdle = idle
	h.restart()
	spec := h.spec()
	spec.Console.VNC = true
	h.ensure(spec)
	return h, spec
}

func (h *fakeHost) open(id string, kind hostapi.ConsoleKind) hostapi.ConsoleSession {
	h.t.Helper()
	s, err := h.client.OpenConsole(h.ctx(), h.host, id, kind)
	if err != nil {
		h.t.Fatal(err)
	}
	return *s
}

func (h *fakeHost) typeIn(s hostapi.ConsoleSession, data []byte) error {
	return h.client.WriteConsole(h.ctx(), h.host, hostapi.ConsoleInput{Session: s, Data: data})
}

func (h *fakeHost) wantGone(s hostapi.ConsoleSession, what string) {
	h.t.Helper()
	if _, err := h.client.ReadConsole(h.ctx(), h.host, s); !errs.Is(err, errs.Gone) {
		h.t.Errorf("reading %s: %v", what, err)
	}
	if err := h.typeIn(s, []byte("x")); !errs.Is(err, errs.Gone) {
		h.t.Errorf("writing to %s: %v", what, err)
	}
	if err := h.client.CloseConsole(h.ctx(), h.host, s); err != nil {
		h.t.Errorf("closing %s: %v", what, err)
	}
}

func TestConsoleCarriesBytes(t *testing.T) {
	h, spec := guestWithScreen(t, 0)
	line := h.open(spec.ID, hostapi.ConsoleSerial)
	want := bytes.Repeat([]byte("0123456789abcdef"), hostapi.MaxConsoleChunk/16)
	sent := make(chan error, 1)
	go func() { sent <- h.typeIn(line, want) }()
	var got []byte
	for len(got) < len(want) {
		data, err := h.client.ReadConsole(h.ctx(), h.host, line)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, data...)
	}
	if err := <-sent; err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes came back of %d: %v", len(got), len(want), err)
	}
	screen := h.open(spec.ID, hostapi.ConsoleScreen)
	if data, err := h.client.ReadConsole(h.ctx(), h.host, screen); err != nil || string(data) != "RFB 003.008\n" {
		t.Errorf("the screen says %q, %v", data, err)
	}
	if err := h.client.CloseConsole(h.ctx(), h.host, screen); err != nil {
		t.Error(err)
	}
	h.wantGone(screen, "a closed session")

	// The guest goes off while somebody waits for it to say something.
	waiting := make(chan error, 1)
	go func() {
		_, err := h.client.ReadConsole(h.ctx(), h.host, line)
		waiting <- err
	}()
	spec.Generation, spec.Power = 2, hostapi.PowerStopped
	h.ensure(spec)
	if err := <-waiting; !errs.Is(err, errs.Gone) {
		t.Errorf("the guest is off, and the reader is told %v", err)
	}
	if _, err := h.client.OpenConsole(h.ctx(), h.host, spec.ID, hostapi.ConsoleSerial); !errs.Is(err, errs.Conflict) {
		t.Errorf("a console of a guest that is off: %v", err)
	}
}

func TestConsoleRefusals(t *testing.T) {
	h, spec := guestWithScreen(t, 0)
	for name, tc := range map[string]struct {
		id   string
		kind hostapi.ConsoleKind
		want errs.Kind
	}{
		"no such server":  {uuid.NewString(), hostapi.ConsoleScreen, errs.NotFound},
		"no such console": {spec.ID, "telnet", errs.Invalid},
		"no console":      {spec.ID, "", errs.Invalid},
	} {
		if _, err := h.client.OpenConsole(h.ctx(), h.host, tc.id, tc.kind); !errs.Is(err, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h.wantGone(hostapi.ConsoleSession{}, "a session without a name")
	h.wantGone(hostapi.ConsoleSession{ID: "guessed"}, "a guessed session")
	line := h.open(spec.ID, hostapi.ConsoleSerial)
	if err := h.typeIn(line, make([]byte, hostapi.MaxConsoleChunk+1)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("too much at once: %v", err)
	}
	newer := h.open(spec.ID, hostapi.ConsoleSerial)
	h.wantGone(line, "a serial line that another has taken over")
	for range hostapi.MaxConsoles - 1 {
		h.open(spec.ID, hostapi.ConsoleScreen)
	}
	if _, err := h.client.OpenConsole(h.ctx(), h.host, spec.ID, hostapi.ConsoleScreen); !errs.Is(err, errs.Conflict) {
		t.Errorf("one session too many: %v", err)
	}
	h.open(spec.ID, hostapi.ConsoleSerial) // takes the line's place
	h.wantGone(newer, "the line before")
	other := h.spec()
	h.ensure(other)
	h.open(other.ID, hostapi.ConsoleSerial)

	// An agent that ends hangs up, and the next one knows nothing of it.
	h.restart()
	if n := h.hv.Consoles(spec.ID); n != 0 {
		t.Errorf("%d consoles are open after the agent's end", n)
	}
	h.open(spec.ID, hostapi.ConsoleScreen)
}

func TestForgottenConsolesAreClosed(t *testing.T) {
	h, spec := guestWithScreen(t, 100*time.Millisecond)
	kept, forgotten := h.open(spec.ID, hostapi.ConsoleSerial), h.open(spec.ID, hostapi.ConsoleScreen)
	eventually(t, 10*time.Second, func() error {
		if err := h.typeIn(kept, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if data, err := h.client.ReadConsole(h.ctx(), h.host, kept); err != nil || string(data) != "x" {
			t.Fatalf("%q %v", data, err)
		}
		if n := h.hv.Consoles(spec.ID); n != 1 {
			return errors.New("the forgotten session is open")
		}
		return nil
	})
	h.wantGone(forgotten, "a forgotten session")
}

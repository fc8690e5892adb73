package bus_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/bus/bustest"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/waittest"
)

func startServer(t *testing.T, cfg bus.ServerConfig) *bus.Server {
	t.Helper()
	if cfg.DataDir == "" {
		cfg.DataDir = t.TempDir()
	}
	s, err := bus.StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func connect(t *testing.T, s *bus.Server) bus.Conn {
	t.Helper()
	c, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func issue(t *testing.T, s *bus.Server, host string) []byte {
	t.Helper()
	creds, err := s.IssueHost(host)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

func dial(t *testing.T, url string, creds []byte, log *slog.Logger, opts ...bus.Option) bus.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c, err := bus.Dial(ctx, url, creds, log, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConformance(t *testing.T) {
	t.Run("in process", func(t *testing.T) {
		bustest.Run(t, func(t *testing.T) bustest.Pair {
			s := startServer(t, bus.ServerConfig{})
			return bustest.Pair{
				Requester: connect(t, s), Handler: connect(t, s),
				Subject: func(verb string) string { return "kumoi.host.h1." + verb },
			}
		})
	})
	t.Run("control plane to host", func(t *testing.T) {
		bustest.Run(t, func(t *testing.T) bustest.Pair {
			s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
			return bustest.Pair{
				Requester: connect(t, s), Handler: dial(t, "", issue(t, s, "h1.example.org"), nil),
				Subject: func(verb string) string { return bus.HostSubject("h1.example.org", verb) },
			}
		})
	})
	t.Run("host to control plane", func(t *testing.T) {
		bustest.Run(t, func(t *testing.T) bustest.Pair {
			s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
			return bustest.Pair{
				Requester: dial(t, "", issue(t, s, "h1"), nil), Handler: connect(t, s),
				Subject: func(verb string) string { return bus.ControlSubject("h1", verb) },
			}
		})
	})
}

func TestHostOf(t *testing.T) {
	for _, host := range []string{"h1", "h1.example.org", "a_b-c"} {
		if got := bus.HostOf(bus.ReportSubject(host, "server.state")); got != host {
			t.Errorf("HostOf gives %q for %q", got, host)
		}
	}
	for _, s := range []string{"", "kumoi.host", "kumoi.report.h", "other.report.h.x"} {
		if got := bus.HostOf(s); got != "" {
			t.Errorf("HostOf(%q) = %q", s, got)
		}
	}
}

func TestIssueHostRefusesNamesThatReachFurther(t *testing.T) {
	s := startServer(t, bus.ServerConfig{})
	for _, name := range []string{"", ">", "*", "a b", "h1.>", "a%2Eb", strings.Repeat("x", 254)} {
		if _, err := s.IssueHost(name); !errs.Is(err, errs.Invalid) {
			t.Errorf("%q gave %v", name, err)
		}
	}
}

// logBuffer collects what a connection logs about itself.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	waittest.True(t, 20*time.Second, what, cond)
}

// A subject that is published to by somebody who may not stays silent: the
// next message to arrive is the control plane's own.
func TestHostMayPublishToItsOwnSubjectsOnly(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	control := connect(t, s)
	h1 := dial(t, "", issue(t, s, "h1"), nil)
	for i, tc := range []struct {
		subject string
		allowed bool
	}{
		{"kumoi.report.h1.state", true},
		{"kumoi.control.h1.chunk", true},
		{"kumoi.report.h2.state", false},
		{"kumoi.report.h1", false},
		{"kumoi.control.h2.chunk", false},
		{"kumoi.control.h10.chunk", false},
		{"kumoi.host.h2.ensure", false},
		{"kumoi.host.h1.ensure", false},
		{"kumoi.internal.wake", false},
		{"_INBOX_h2.forged", false},
		{"_CONTROL.forged", false},
	} {
		got := make(chan string, 2)
		sub, err := control.Subscribe(tc.subject, "", func(_ context.Context, m *bus.Msg) { got <- string(m.Data) })
		if err != nil {
			t.Fatal(err)
		}
		if err := h1.Publish(t.Context(), tc.subject, []byte("host")); err != nil {
			t.Fatal(err)
		}
		// Answered after the server has dealt with the publication.
		if _, err := h1.Subscribe(fmt.Sprintf("kumoi.host.h1.sync%d", i), "", func(context.Context, *bus.Msg) {}); err != nil {
			t.Fatal(err)
		}
		if err := control.Publish(t.Context(), tc.subject, []byte("control")); err != nil {
			t.Fatal(err)
		}
		if first := <-got; (first == "host") != tc.allowed {
			t.Errorf("%s: the first message came from the %s", tc.subject, first)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestHostMayReceiveItsOwnSubjectsOnly(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	control := connect(t, s)
	h1 := dial(t, "", issue(t, s, "h1"), nil)
	for i, tc := range []struct {
		subscribe, publish string
		allowed            bool
	}{
		{"kumoi.host.h1.>", "kumoi.host.h1.ensure", true},
		{"kumoi.host.h1.ensure", "kumoi.host.h1.ensure", true},
		{"kumoi.host.h2.>", "kumoi.host.h2.ensure", false},
		{"kumoi.host.*.ensure", "kumoi.host.h2.ensure", false},
		{"kumoi.host.h1%2Eorg.>", "kumoi.host.h1%2Eorg.ensure", false},
		{"kumoi.>", "kumoi.host.h2.ensure", false},
		{">", "kumoi.host.h2.ensure", false},
		{"kumoi.report.h1.>", "kumoi.report.h1.state", false},
		{"kumoi.control.>", "kumoi.control.h2.chunk", false},
		{"_INBOX_h2.>", "_INBOX_h2.x", false},
		{"_CONTROL.>", "_CONTROL.x", false},
		{"$SYS.>", "$SYS.x", false},
	} {
		got := make(chan string, 2)
		sub, err := h1.Subscribe(tc.subscribe, "", func(_ context.Context, m *bus.Msg) { got <- m.Subject })
		if err != nil {
			t.Fatal(err)
		}
		fence := fmt.Sprintf("kumoi.host.h1.fence%d", i)
		if _, err := h1.Subscribe(fence, "", func(context.Context, *bus.Msg) { got <- "fence" }); err != nil {
			t.Fatal(err)
		}
		if err := control.Publish(t.Context(), tc.publish, nil); err != nil {
			t.Fatal(err)
		}
		if err := control.Publish(t.Context(), fence, nil); err != nil {
			t.Fatal(err)
		}
		// Subscriptions are served side by side: collect until the fence.
		received := false
		for m := <-got; m != "fence"; m = <-got {
			received = true
		}
		if !received && tc.allowed {
			select {
			case <-got:
				received = true
			case <-time.After(10 * time.Second):
			}
		}
		if received != tc.allowed {
			t.Errorf("%s: received %v, want %v", tc.subscribe, received, tc.allowed)
		}
		if err := sub.Unsubscribe(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestForbiddenSubjectIsLogged(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	var logged logBuffer
	h1 := dial(t, "", issue(t, s, "h1"), slog.New(slog.NewTextHandler(&logged, nil)))
	if _, err := h1.Subscribe("kumoi.host.h2.>", "", func(context.Context, *bus.Msg) {}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a violation in the log", func() bool {
		return strings.Contains(strings.ToLower(logged.String()), "permissions violation")
	})
}

func TestRemovedHostIsRefused(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	control := connect(t, s)
	creds := issue(t, s, "h1")
	h1 := dial(t, "", creds, nil)
	if _, err := h1.Handle("kumoi.host.h1.ping", "", func(context.Context, *bus.Msg) (any, error) { return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if err := control.Request(t.Context(), "kumoi.host.h1.ping", nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveHost("h1"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the host is gone", func() bool {
		return errs.Is(control.Request(t.Context(), "kumoi.host.h1.ping", nil, nil), errs.Unavailable)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if c, err := bus.Dial(ctx, "", creds, nil); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("dialling again gave %v, %v", c, err)
	}
	if err := s.RemoveHost("h1"); !errs.Is(err, errs.NotFound) {
		t.Errorf("removing twice gave %v", err)
	}
	// New credentials under the old name work; the old ones still do not.
	dial(t, "", issue(t, s, "h1"), nil)
	ctx2, cancel2 := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel2()
	if _, err := bus.Dial(ctx2, "", creds, nil); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("old credentials gave %v", err)
	}
}

func TestStolenPublicKeyIsNotEnough(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	issue(t, s, "h1")
	other := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := bus.Dial(ctx, s.URL(), issue(t, other, "h1"), nil); !errs.Is(err, errs.Unauthenticated) {
		t.Errorf("credentials of another cloud gave %v", err)
	}
}

// freePort returns an address that nothing listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestHostSurvivesARestartOfTheServer(t *testing.T) {
	cfg := bus.ServerConfig{Listen: freePort(t), DataDir: t.TempDir()}
	s, err := bus.StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	again := make(chan struct{}, 16)
	h1 := dial(t, "", issue(t, s, "h1"), nil, bus.OnConnect(func() { again <- struct{}{} }))
	if _, err := h1.Handle("kumoi.host.h1.ping", "", func(context.Context, *bus.Msg) (any, error) { return "pong", nil }); err != nil {
		t.Fatal(err)
	}
	s.Stop()
	eventually(t, "publishing fails while the server is away", func() bool {
		return errs.Is(h1.Publish(t.Context(), "kumoi.report.h1.x", nil), errs.Unavailable)
	})
	s2 := startServer(t, cfg)
	select {
	case <-again:
	case <-time.After(20 * time.Second):
		t.Fatal("the host did not come back")
	}
	control := connect(t, s2)
	var out string
	eventually(t, "the host answers again", func() bool {
		return control.Request(t.Context(), "kumoi.host.h1.ping", nil, &out) == nil
	})
	if out != "pong" {
		t.Errorf("got %q", out)
	}
	if got := s2.Hosts(); len(got) != 1 || got[0] != "h1" {
		t.Errorf("hosts %v", got)
	}
}

func TestDialWaitsForTheServer(t *testing.T) {
	cfg := bus.ServerConfig{Listen: freePort(t), DataDir: t.TempDir()}
	s, err := bus.StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	creds := issue(t, s, "h1")
	s.Stop()
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var logged logBuffer
	go func() {
		c, err := bus.Dial(ctx, "", creds, slog.New(slog.NewTextHandler(&logged, nil)))
		if err == nil {
			err = c.Close()
		}
		result <- err
	}()
	eventually(t, "a failed attempt", func() bool { return strings.Contains(logged.String(), "trying on") })
	startServer(t, cfg)
	if err := <-result; err != nil {
		t.Error(err)
	}
}

// A server that is meant for other machines speaks TLS with an authority of
// its own; the test reaches it through loopback, as through a forwarded port.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cfg := bus.ServerConfig{Listen: freePort(t), Advertise: "cloud.example.org", DataDir: dir}
	local := "tls://" + cfg.Listen
	s, err := bus.StartServer(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, port, _ := net.SplitHostPort(cfg.Listen); s.URL() != "tls://cloud.example.org:"+port {
		t.Errorf("URL %s", s.URL())
	}
	creds := issue(t, s, "h1")
	s.Stop()
	s = startServer(t, cfg) // the authority is the same after a restart
	h1 := dial(t, local, creds, nil)
	control := connect(t, s)
	if _, err := control.Handle("kumoi.control.*.who", "", func(_ context.Context, m *bus.Msg) (any, error) {
		return bus.HostOf(m.Subject), nil
	}); err != nil {
		t.Fatal(err)
	}
	var who string
	if err := h1.Request(t.Context(), bus.ControlSubject("h1", "who"), nil, &who); err != nil {
		t.Fatal(err)
	}
	if who != "h1" {
		t.Errorf("got %q", who)
	}
	// Another authority is not trusted.
	foreign := bus.ServerConfig{Listen: freePort(t), Advertise: "cloud.example.org"}
	startServer(t, foreign)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := bus.Dial(ctx, "tls://"+foreign.Listen, creds, nil); !errs.Is(err, errs.Unavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a foreign server gave %v", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("files %v, %v", files, err)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", f, info.Mode(), err)
		}
	}
}

func TestBadConfigurations(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, listen := range []string{"nonsense", "127.0.0.1:http", "127.0.0.1:70000", taken.Addr().String()} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if s, err := bus.StartServer(ctx, bus.ServerConfig{Listen: listen, DataDir: t.TempDir()}); err == nil {
			s.Stop()
			t.Errorf("%q was accepted", listen)
		} else if !errs.Is(err, errs.Invalid) && !errs.Is(err, errs.Unavailable) {
			t.Errorf("%q gave %v", listen, err)
		}
		cancel()
	}
	for _, creds := range []string{"", "{}", `{"host":"h","seed":"x"}`} {
		if _, err := bus.Dial(t.Context(), "nats://127.0.0.1:1", []byte(creds), nil); !errs.Is(err, errs.Invalid) {
			t.Errorf("credentials %q gave %v", creds, err)
		}
	}
}

func TestControlPlaneShowsAHostNoDetails(t *testing.T) {
	s := startServer(t, bus.ServerConfig{Listen: "127.0.0.1:0"})
	control := connect(t, s)
	h1 := dial(t, "", issue(t, s, "h1"), nil)
	fail := func(context.Context, *bus.Msg) (any, error) { return nil, errors.New("row 7 of table secrets") }
	if _, err := control.Handle("kumoi.control.*.x", "", fail); err != nil {
		t.Fatal(err)
	}
	if _, err := h1.Handle("kumoi.host.h1.x", "", fail); err != nil {
		t.Fatal(err)
	}
	if err := h1.Request(t.Context(), "kumoi.control.h1.x", nil, nil); err == nil || strings.Contains(err.Error(), "secrets") {
		t.Errorf("the host sees %v", err)
	}
	if err := control.Request(t.Context(), "kumoi.host.h1.x", nil, nil); err == nil || !strings.Contains(err.Error(), "secrets") {
		t.Errorf("the control plane's log lacks the detail: %v", err)
	}
}

func BenchmarkRequestInProcess(b *testing.B) {
	s, err := bus.StartServer(b.Context(), bus.ServerConfig{DataDir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Stop()
	c, err := s.Connect()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Handle("kumoi.host.h1.ping", "", func(context.Context, *bus.Msg) (any, error) { return "pong", nil }); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := c.Request(b.Context(), "kumoi.host.h1.ping", "ping", nil); err != nil {
			b.Fatal(err)
		}
	}
}

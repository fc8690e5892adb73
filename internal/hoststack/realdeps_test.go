//go:build realdeps

package hoststack

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/kernel/nstest"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(secondHost); text != "" {
		if err := runSecondHost(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	nstest.Main(m)
}

// notAlone marks a test that has processes of its own beside the stack.
type notAlone struct{}

// testConfig is a host with everything. Its data directory is purged in the end, and
// then no process may be left, unless the test says that others run beside it.
func testConfig(t *testing.T, only ...notAlone) Config {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "kumoi-host-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	cfg := Config{
		DataDir: dir, Central: true, Host: true, HostName: "host-a",
		OutsideCIDR: netip.MustParsePrefix("172.24.4.0/24"),
		Log:         slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Purge(ctx, cfg); err != nil {
			t.Errorf("purge: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		if len(only) == 0 {
			requireAlone(t)
		}
	})
	return cfg
}

func up(t *testing.T, cfg Config) *Stack {
	t.Helper()
	begin := time.Now()
	s, err := Up(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	t.Logf("up in %s", time.Since(begin).Round(time.Millisecond))
	return s
}

func requireHealthy(t *testing.T, s *Stack) map[string]int {
	t.Helper()
	pids := map[string]int{}
	for _, c := range s.Health(t.Context()) {
		t.Logf("%-15s %-9s %7d %-7s %s %s", c.Name, c.State, c.PID, c.Managed, c.Version, c.Detail)
		if c.State != StateRunning {
			t.Errorf("%s is %s: %s", c.Name, c.State, c.Detail)
		}
		pids[c.Name] = c.PID
	}
	return pids
}

func TestComponentsOutliveAndAreAdopted(t *testing.T) {
	cfg := testConfig(t)
	s := up(t, cfg)
	before := requireHealthy(t, s)
	s.Close()
	s = up(t, cfg)
	after := requireHealthy(t, s)
	for name, pid := range before {
		if after[name] != pid {
			t.Errorf("%s was process %d and is %d: not adopted", name, pid, after[name])
		}
	}
	for name, pid := range after {
		if pid == 0 {
			continue
		}
		t.Run("kill "+name, func(t *testing.T) {
			begin := time.Now()
			if err := unix.Kill(pid, unix.SIGKILL); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if !poll(ctx, 20*time.Millisecond, func() bool {
				for _, c := range s.Health(ctx) {
					if c.State != StateRunning || (c.Name == name && c.PID == pid) {
						return false
					}
				}
				return true
			}) {
				requireHealthy(t, s)
				t.Fatalf("%s is not back", name)
			}
			t.Logf("back in %s", time.Since(begin).Round(time.Millisecond))
		})
	}
}

// A start that is given up halfway leaves nothing running that nobody knows of, and
// neither does a libvirtd that is killed while it examines QEMU.
func TestInterruptedStarts(t *testing.T) {
	for _, after := range []time.Duration{20 * time.Millisecond, 60 * time.Millisecond, 120 * time.Millisecond, 200 * time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			cfg := testConfig(t)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			if s, err := Up(ctx, cfg); err == nil {
				s.Close()
			}
		})
	}
	t.Run("libvirtd while it examines QEMU", func(t *testing.T) {
		cfg := testConfig(t)
		s := up(t, cfg)
		waitFor(t, "libvirt examines QEMU", 30*time.Second, func() bool { return len(s.probes()) > 0 })
		probe := s.probes()[0]
		kill(t, s, libvirtd)
		if probe.alive() {
			t.Error("the emulator of a libvirtd that is dead goes on")
		}
	})
}

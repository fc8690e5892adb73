//go:build realdeps

package agent_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/agent"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
)

// agentEnv has the test's own binary be an agent, described by its value.
const agentEnv = "KUMOI_TEST_AGENT"

// childConfig describes an agent in a process of its own.
type childConfig struct {
	Wiring wiring
	URL    string
	Creds  []byte
	DieAt  int64 // at which call of what it works with; 0 for never
}

func runAgent() error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(os.Getenv(agentEnv)), &cfg); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	conn, err := bus.Dial(ctx, cfg.URL, cfg.Creds, log)
	if err != nil {
		return err
	}
	deps, err := cfg.Wiring.deps(conn, log)
	if err != nil {
		return err
	}
	d := &death{at: cfg.DieAt}
	deps.Hypervisor, deps.VIF = mortalHypervisor{deps.Hypervisor, d}, mortalPlugger{deps.VIF, d}
	a, err := agent.New(agent.Config{Host: "host-a", DataDir: cfg.Wiring.Dir}, deps)
	if err != nil {
		return err
	}
	if err := a.Start(ctx); err != nil {
		return err
	}
	<-ctx.Done()
	return a.Stop(context.Background())
}

// death kills the process, without a word, at the nth call. Every call counts
// twice: before its work and after.
type death struct{ at, n int64 }

func (d *death) maybe() {
	if atomic.AddInt64(&d.n, 1) == d.at {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
}

func (d *death) around(f func() error) error {
	d.maybe()
	err := f()
	d.maybe()
	return err
}

// mortalHypervisor is one whose user may die at calls that change something.
type mortalHypervisor struct {
	hypervisor.Hypervisor
	d *death
}

func (m mortalHypervisor) Define(ctx context.Context, x hypervisor.Machine) error {
	return m.d.around(func() error { return m.Hypervisor.Define(ctx, x) })
}

func (m mortalHypervisor) Undefine(ctx context.Context, id string) error {
	return m.d.around(func() error { return m.Hypervisor.Undefine(ctx, id) })
}

func (m mortalHypervisor) Start(ctx context.Context, id string, paused bool) error {
	return m.d.around(func() error { return m.Hypervisor.Start(ctx, id, paused) })
}

func (m mortalHypervisor) Destroy(ctx context.Context, id string) error {
	return m.d.around(func() error { return m.Hypervisor.Destroy(ctx, id) })
}

type mortalPlugger struct {
	vif.Plugger
	d *death
}

func (m mortalPlugger) Unplug(ctx context.Context, ports ...string) error {
	return m.d.around(func() error { return m.Plugger.Unplug(ctx, ports...) })
}

func (m mortalPlugger) Serve(ctx context.Context, n vif.Network) (l []net.Listener, err error) {
	err = m.d.around(func() error { l, err = m.Plugger.Serve(ctx, n); return err })
	return l, err
}

func (m mortalPlugger) Remove(ctx context.Context, id string) error {
	return m.d.around(func() error { return m.Plugger.Remove(ctx, id) })
}

// child starts an agent in a process of its own. The channel is closed when it
// has ended.
func (h *realHost) child(dieAt int64) (*exec.Cmd, <-chan struct{}) {
	h.t.Helper()
	creds, err := h.cloud.server.IssueHost("host-a")
	if err != nil {
		h.t.Fatal(err)
	}
	cfg, err := json.Marshal(childConfig{h.wiring(), h.cloud.server.URL(), creds, dieAt})
	if err != nil {
		h.t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		h.t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), agentEnv+"="+string(cfg))
	cmd.Stderr = h.t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	h.t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	return cmd, ended
}

// TestKilledAgentIsFollowedByOneThatFinishes kills the agent before and after
// each thing that it does on the host, while it makes a server and while it
// removes one, and has the next agent do the same again.
func TestKilledAgentIsFollowedByOneThatFinishes(t *testing.T) {
	h := newRealHost(t)
	h.cloud.host = "host-a"
	n := h.network("10.5.0.0/24")
	work := map[string]struct {
		before, do func(*hostapi.ServerSpec) error
	}{
		"ensure": {
			func(*hostapi.ServerSpec) error { return nil },
			func(s *hostapi.ServerSpec) error { return h.try(s, 20*time.Second) },
		},
		"remove": {
			func(s *hostapi.ServerSpec) error { return h.try(s, 30*time.Second) },
			func(s *hostapi.ServerSpec) error {
				return h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", s.ID, 0)
			},
		},
	}
	for name, w := range work {
		died := true
		for at := int64(1); died; at++ {
			t.Run(name+" "+strconv.FormatInt(at, 10), func(t *testing.T) {
				h.t = t
				spec := h.spec("mortal", "true", n.nic())
				cmd, ended := h.child(0)
				h.await(nil)
				if err := w.before(spec); err != nil {
					t.Fatal(err)
				}
				_ = cmd.Process.Signal(syscall.SIGTERM)
				<-ended
				cmd, ended = h.child(at)
				if h.await(ended) {
					_ = w.do(spec)
				}
				select {
				case <-ended:
				case <-time.After(100 * time.Millisecond):
					died = false
					_ = cmd.Process.Kill()
					<-ended
				}
				h.child(0)
				h.await(nil)
				if err := w.do(spec); err != nil {
					t.Fatalf("not finished after the kill at call %d: %v", at, err)
				}
				if name == "ensure" {
					if err := h.is(spec.ID, hostapi.PowerRunning); err != nil {
						t.Fatal(err)
					}
					if pids := qemuPIDs(t, h.dir); len(pids) != 1 {
						t.Errorf("%d guests run", len(pids))
					}
				}
				if err := h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", spec.ID, 0); err != nil {
					t.Fatal(err)
				}
				h.nothingLeft()
			})
			if at > 40 || t.Failed() {
				break
			}
		}
	}
}

func (h *realHost) try(spec *hostapi.ServerSpec, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(h.t.Context(), limit)
	defer cancel()
	_, err := h.cloud.client.EnsureServer(ctx, "host-a", spec)
	return err
}

// await waits until an agent answers; false if its process has ended before.
func (h *realHost) await(ended <-chan struct{}) bool {
	h.t.Helper()
	alive := true
	eventually(h.t, 30*time.Second, func() error {
		select {
		case <-ended:
			alive = false
			return nil
		default:
		}
		_, err := h.cloud.client.Report(h.cloud.ctx(), "host-a")
		return err
	})
	return alive
}

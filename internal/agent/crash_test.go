package agent_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// TestCrashAtEveryCall lets the agent die, as far as it can tell, at each call
// of the hypervisor, before and after its work, and has the next one finish.
func TestCrashAtEveryCall(t *testing.T) {
	died := errs.New(errs.Unavailable, "died")
	for _, method := range []string{"Guest", "Define", "Start", "Shutdown", "Destroy", "Pause", "Resume", "Suspend", "DropSaved", "Devices"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", method, after), func(t *testing.T) {
				t.Parallel()
				h := newFakeHost(t)
				spec := h.spec()
				for i, change := range []func(){
					func() {},
					func() { spec.Power = hostapi.PowerPaused },
					func() { spec.Power = hostapi.PowerRunning },
					func() { spec.Boot++ },
					func() { spec.Power = hostapi.PowerSuspended },
					func() { spec.HardBoot++; spec.Power = hostapi.PowerRunning },
					func() { spec.Rebuild++ },
					func() { spec.Power = hostapi.PowerStopped; spec.StopGrace = 0 },
				} {
					change()
					spec.Generation++
					h.hv.Script(method, fake.Script{Times: 1, Err: died, After: after})
					if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); err != nil && !errs.Is(err, errs.Unavailable) {
						t.Errorf("step %d: %v", i, err)
					}
					h.hv.Unscript()
					h.restart()
					h.ensure(spec)
					if m, _ := h.hv.Machine(spec.ID); m.Mark.Boot != spec.Boot || m.Mark.HardBoot != spec.HardBoot || m.Mark.Rebuild != spec.Rebuild {
						t.Errorf("step %d: the guest is of %+v", i, m.Mark)
					}
				}
			})
		}
	}
}

func TestRebootOfTheHost(t *testing.T) {
	for name, silent := range map[string]bool{"control plane answers": false, "control plane is away": true} {
		t.Run(name, func(t *testing.T) { testReboot(t, silent) })
	}
}

func testReboot(t *testing.T, silent bool) {
	h := newFakeHost(t)
	specs := map[hostapi.Power]*hostapi.ServerSpec{}
	var wanted []*hostapi.ServerSpec
	for _, p := range []hostapi.Power{hostapi.PowerRunning, hostapi.PowerPaused, hostapi.PowerStopped, hostapi.PowerSuspended} {
		spec := h.spec()
		spec.Power = p
		if p == hostapi.PowerSuspended {
			spec.Power = hostapi.PowerRunning
			h.ensure(spec)
			spec.Power, spec.Generation = p, 2
		}
		h.ensure(spec)
		specs[p] = spec
		wanted = append(wanted, spec)
	}
	selfStopped, moved := h.spec(), h.spec()
	h.ensure(selfStopped)
	h.ensure(moved) // meanwhile to another host: the control plane's list lacks it
	h.hv.PowerOff(selfStopped.ID)
	h.awaitPower(selfStopped.ID, hostapi.PowerStopped)
	if err := h.agent.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.agent = nil
	for range len(h.reports) {
		<-h.reports
	}
	h.hv.Reboot()
	h.anotherBoot()
	h.wants(silent, append(wanted, selfStopped)...)
	h.restart()
	for p, spec := range specs {
		h.awaitPower(spec.ID, p)
	}
	for range len(h.reports) {
		if r := <-h.reports; r.Power == hostapi.PowerStopped && (r.ServerID == specs[hostapi.PowerRunning].ID || r.ServerID == specs[hostapi.PowerPaused].ID) {
			t.Errorf("the control plane was told that a guest is off which is being started again: %+v", r)
		}
	}
	h.awaitPower(selfStopped.ID, hostapi.PowerStopped)
	if silent {
		h.awaitPower(moved.ID, hostapi.PowerRunning)
	} else {
		h.awaitPower(moved.ID, hostapi.PowerStopped)
	}
}

// anotherBoot makes the agent's files look as if they were of an earlier boot.
func (h *fakeHost) anotherBoot() {
	h.t.Helper()
	files, _ := filepath.Glob(filepath.Join(h.dir, "servers/*/state.json"))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			h.t.Fatal(err)
		}
		at := bytes.Index(data, []byte(`"boot_id":"`)) + len(`"boot_id":"`)
		data[at] ^= 1
		if err := os.WriteFile(f, data, 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *fakeHost) awaitPower(id string, want hostapi.Power) {
	h.t.Helper()
	eventually(h.t, 10*time.Second, func() error {
		r, err := h.client.Report(h.ctx(), "host-a")
		if err != nil {
			return err
		}
		for _, s := range r.Servers {
			if s.ServerID == id && s.Power == want {
				return nil
			}
		}
		return fmt.Errorf("server %s is not %s in %+v", id, want, r.Servers)
	})
}

func TestGuestThatStopsByItselfIsReportedNotRestarted(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	h.hv.Crash(spec.ID)
	for r := range h.reports {
		if r.ServerID == spec.ID && r.Power == hostapi.PowerCrashed {
			break
		}
	}
	h.restart()
	h.awaitPower(spec.ID, hostapi.PowerCrashed)
	h.ensure(spec) // but ensure means ensure
}

func TestRebootIsNoNewsButItsEndIs(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	h.hv.Script("Define", fake.Script{Times: 1, Delay: 200 * time.Millisecond}) // between off and on
	spec.HardBoot, spec.Generation = 1, 2
	last := h.ensure(spec).Sequence
	for r := range h.reports {
		if r.Power != hostapi.PowerRunning {
			t.Errorf("reported as %s", r.Power)
		}
		if r.Sequence >= last {
			break
		}
	}
}

func TestRemainsAreTidiedUp(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	dir := filepath.Join(h.dir, "servers", spec.ID)
	for _, name := range []string{".root-0.123", "snapshot-x", "spec.json.new"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	empty := filepath.Join(h.dir, "servers", uuid.NewString())
	if err := os.Mkdir(empty, 0o700); err != nil {
		t.Fatal(err)
	}
	h.restart()
	for _, f := range h.files(spec.ID) {
		if strings.HasPrefix(f, ".") || strings.HasPrefix(f, "snapshot") || strings.HasSuffix(f, ".new") {
			t.Errorf("%s is left", f)
		}
	}
	if _, err := os.Stat(empty); err == nil {
		t.Error("an empty directory is left")
	}
}

func TestSequenceGrowsOverRestarts(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	last := h.ensure(spec).Sequence
	for range 3 {
		h.restart()
		spec.Generation++
		if r := h.ensure(spec); r.Sequence <= last {
			t.Fatalf("sequence %d after %d", r.Sequence, last)
		} else {
			last = r.Sequence
		}
	}
}

func TestSpecsMissedWhileAway(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	newer := *spec
	newer.Generation, newer.Power = 2, hostapi.PowerPaused
	unknown := h.spec()
	h.wants(false, &newer, unknown)
	h.restart()
	h.awaitPower(newer.ID, hostapi.PowerPaused)
	h.awaitPower(unknown.ID, hostapi.PowerRunning)
}

// Guests that the agent knows nothing of are met while it still starts.
func TestStartMeetsStrangers(t *testing.T) {
	h := newFakeHost(t)
	for range 10 {
		id := uuid.NewString()
		if err := h.hv.Define(t.Context(), hypervisor.Machine{Mark: hypervisor.Mark{ServerID: id}}); err != nil {
			t.Fatal(err)
		}
		// The watcher's own look fails, so the one after the start finds them.
		h.hv.Script("Guests", fake.Script{Times: 1, Err: errs.New(errs.Unavailable, "not yet")})
		h.restart()
		eventually(t, 10*time.Second, func() error {
			report, err := h.agent.Report(t.Context(), nil)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(report.Servers, func(r hostapi.ServerReport) bool { return r.ServerID == id && r.Orphan }) {
				return errors.New("the guest is not reported")
			}
			return nil
		})
	}
}

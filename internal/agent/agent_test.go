package agent_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent"
	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// fakeHost is a host whose guests and networks are pretended; its disks, its
// bus and its metadata service are real.
type fakeHost struct {
	*cloud
	hv    *fake.Hypervisor
	vif   *vif.Fake
	dir   string
	agent *agent.Agent
	image []byte
}

func newFakeHost(t *testing.T) *fakeHost {
	t.Helper()
	h := &fakeHost{cloud: newCloud(t), hv: fake.New(), vif: vif.NewFake(), dir: filepath.Join(t.TempDir(), "agent"), image: qcow2(1 << 20)}
	h.images["cirros"] = h.image
	h.restart()
	return h
}

// restart ends the agent, if it runs, and starts another.
func (h *fakeHost) restart() {
	h.t.Helper()
	if h.agent != nil {
		if err := h.agent.Stop(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	}
	h.agent = h.start("host-a", h.dir, h.deps)
}

func (h *fakeHost) deps() agent.Deps {
	log := slog.New(slog.NewTextHandler(h.t.Output(), nil))
	return agent.Deps{Bus: h.connect(), Hypervisor: h.hv, VIF: h.vif, Log: log}
}

func (h *fakeHost) spec() *hostapi.ServerSpec {
	sum := sha512.Sum512(h.image)
	network := uuid.NewString()
	return &hostapi.ServerSpec{
		ID: uuid.NewString(), Generation: 1, Name: "web", Hostname: "web", ProjectID: "p", UserID: "u", FlavorName: "m1.small",
		VCPUs: 2, MemoryMiB: 512, Power: hostapi.PowerRunning, StopGrace: 2 * time.Second,
		Root: hostapi.RootDisk{ImageID: "cirros", SizeGiB: 1, DiskFormat: "qcow2", ImageBytes: int64(len(h.image)), SHA512: hex.EncodeToString(sum[:])},
		NICs: []hostapi.NIC{{
			PortID: uuid.NewString(), NetworkID: network, MAC: "fa:16:3e:00:00:01", MTU: 1442, FixedIPs: []netip.Addr{netip.MustParseAddr("127.0.0.5")},
			MetadataPort: hostapi.MetadataPort{PortID: uuid.NewString(), MAC: "fa:16:3e:00:00:02"},
		}},
		Metadata: hostapi.Metadata{UserData: []byte("#!/bin/sh\n"), KeyName: "k", PublicKey: "ssh-ed25519 AAAA k", CreatedAt: time.Unix(1, 0)},
	}
}

// qcow2 is an empty image of the size.
func qcow2(size uint64) []byte {
	h := make([]byte, 4<<16)
	be := binary.BigEndian
	copy(h, "QFI\xfb")
	be.PutUint32(h[4:], 3)
	be.PutUint32(h[20:], 16)
	be.PutUint64(h[24:], size)
	be.PutUint32(h[36:], 1)
	be.PutUint64(h[40:], 3<<16)
	be.PutUint64(h[48:], 1<<16)
	be.PutUint32(h[56:], 1)
	be.PutUint32(h[96:], 4)
	be.PutUint32(h[100:], 104)
	be.PutUint64(h[1<<16:], 2<<16)
	for i := range 4 {
		be.PutUint16(h[2<<16+2*i:], 1)
	}
	return h
}

func TestPowerStates(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	for _, power := range []hostapi.Power{
		hostapi.PowerRunning, hostapi.PowerPaused, hostapi.PowerRunning, hostapi.PowerSuspended, hostapi.PowerRunning,
		hostapi.PowerStopped, hostapi.PowerPaused, hostapi.PowerSuspended, hostapi.PowerStopped, hostapi.PowerRunning,
	} {
		spec.Power, spec.Generation = power, spec.Generation+1
		for range 2 { // repeating is harmless
			r := h.ensure(spec)
			if r.Generation != spec.Generation {
				t.Errorf("report of generation %d, want %d", r.Generation, spec.Generation)
			}
		}
	}
}

func TestRebootsHappenOnce(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	started := h.ensure(spec).StartedAt
	for _, reboot := range []func(){func() { spec.Boot++ }, func() { spec.HardBoot++ }} {
		reboot()
		spec.Generation++
		r := h.ensure(spec)
		if !r.StartedAt.After(started) {
			t.Errorf("not rebooted: still started at %s", r.StartedAt)
		}
		started = r.StartedAt
		h.restart()
		if r := h.ensure(spec); !r.StartedAt.Equal(started) {
			t.Error("rebooted again by the next agent")
		}
	}
}

func TestSoftRebootOfADeafGuest(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.StopGrace = 100 * time.Millisecond
	started := h.ensure(spec).StartedAt
	h.hv.Deaf(spec.ID, true)
	spec.Boot, spec.Generation = 1, 2
	if r := h.ensure(spec); !r.StartedAt.After(started) {
		t.Error("not rebooted")
	}
}

func TestRebuildReplacesTheRootDisk(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	other := qcow2(2 << 20)
	sum := sha512.Sum512(other)
	h.images["other"] = other
	spec.Root = hostapi.RootDisk{ImageID: "other", SizeGiB: 1, DiskFormat: "qcow2", ImageBytes: int64(len(other)), SHA512: hex.EncodeToString(sum[:])}
	spec.Rebuild, spec.Generation = 1, 2
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	if got := m.Disks[0].Path; !strings.HasSuffix(got, "/root-1") {
		t.Errorf("runs from %s", got)
	}
	if base, err := os.ReadFile(m.Disks[0].Backing[0].Path); err != nil || !bytes.Equal(base, other) {
		t.Errorf("the base is not the new image: %v", err)
	}
	if files := h.files(spec.ID); slices.Contains(files, "root-0") || slices.Contains(files, "base-0") {
		t.Errorf("the old disk is still there: %v", files)
	}
}

func (h *fakeHost) files(id string) []string {
	entries, _ := os.ReadDir(filepath.Join(h.dir, "servers", id))
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestOlderSpecIsRefused(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.Generation = 5
	h.ensure(spec)
	spec.Generation = 4
	if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, errs.Precondition) {
		t.Errorf("an older spec gave %v", err)
	}
}

func TestNewerNewsEndsWaiting(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	h.hv.Deaf(spec.ID, true)
	stop := *spec
	stop.Power, stop.Generation, stop.StopGrace = hostapi.PowerStopped, 2, time.Hour
	stopped := make(chan error, 1)
	go func() {
		_, err := h.client.EnsureServer(h.ctx(), "host-a", &stop)
		stopped <- err
	}()
	eventually(t, 10*time.Second, func() error { // until the stop is under way
		data, err := os.ReadFile(filepath.Join(h.dir, "servers", spec.ID, "spec.json"))
		if err == nil && !strings.Contains(string(data), `"generation":2`) {
			err = errors.New("not yet")
		}
		return err
	})
	if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; !errs.Is(err, errs.Conflict) {
		t.Errorf("the stop ended with %v", err)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.Ephemeral, spec.SwapMiB, spec.ConfigDrive = []int{1}, 64, true
	h.ensure(spec)
	for range 2 {
		if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID); err != nil {
			t.Fatal(err)
		}
		if _, ok := h.hv.Machine(spec.ID); ok {
			t.Error("the hypervisor still has the guest")
		}
		if files := h.files(spec.ID); files != nil {
			t.Errorf("files are left: %v", files)
		}
		if n, _ := h.vif.Networks(t.Context()); len(n) > 0 {
			t.Errorf("networks are left: %v", n)
		}
	}
	if !h.vif.Unplugged(spec.NICs[0].PortID) {
		t.Error("the port was not unplugged")
	}
	// And it can come back.
	h.ensure(spec)
}

func TestRemoveOfAnUnknownServer(t *testing.T) {
	h := newFakeHost(t)
	if err := h.client.RemoveServer(h.ctx(), "host-a", uuid.NewString()); err != nil {
		t.Error(err)
	}
	if err := h.client.RemoveServer(h.ctx(), "host-a", "../../etc"); !errs.Is(err, errs.Invalid) {
		t.Errorf("a path for an id gave %v", err)
	}
}

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
	h := newFakeHost(t)
	specs := map[hostapi.Power]*hostapi.ServerSpec{}
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
	}
	selfStopped := h.spec()
	h.ensure(selfStopped)
	h.hv.PowerOff(selfStopped.ID)
	h.awaitPower(selfStopped.ID, hostapi.PowerStopped)
	if err := h.agent.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.agent = nil
	h.hv.Reboot()
	h.anotherBoot()
	h.server.Stop() // and the control plane does not answer
	alone := newCloud(t)
	alone.images, h.cloud = h.images, alone
	h.restart()
	for p, spec := range specs {
		h.awaitPower(spec.ID, p)
	}
	h.awaitPower(selfStopped.ID, hostapi.PowerStopped)
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
	h.specs = []*hostapi.ServerSpec{&newer, unknown}
	h.restart()
	h.awaitPower(newer.ID, hostapi.PowerPaused)
	h.awaitPower(unknown.ID, hostapi.PowerRunning)
}

func TestNICsAndVolumesComeAndGo(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	first := spec.NICs[0]
	second := first
	second.PortID, second.MAC, second.NetworkID = uuid.NewString(), "fa:16:3e:00:00:09", uuid.NewString()
	spec.Generation, spec.NICs = 2, []hostapi.NIC{first, second}
	spec.Volumes = []hostapi.Volume{{ID: "vol-1", Driver: "nbd", Source: map[string]string{"host": "x"}}}
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	if len(m.NICs) != 2 || len(m.Disks) != 2 || m.Disks[1].Serial != "vol-1" || m.Disks[1].Device != "vdb" {
		t.Fatalf("the guest has %+v and %+v", m.NICs, m.Disks)
	}
	spec.Generation, spec.NICs, spec.Volumes = 3, []hostapi.NIC{second}, nil
	h.ensure(spec)
	m, _ = h.hv.Machine(spec.ID)
	if len(m.NICs) != 1 || m.NICs[0].PortID != second.PortID || len(m.Disks) != 1 {
		t.Fatalf("the guest has %+v and %+v", m.NICs, m.Disks)
	}
	if n, _ := h.vif.Networks(t.Context()); len(n) != 1 || n[0] != second.NetworkID {
		t.Errorf("metadata is served on %v", n)
	}
	if !h.vif.Unplugged(first.PortID) {
		t.Error("the first port was not unplugged")
	}
}

func TestRefusals(t *testing.T) {
	h := newFakeHost(t)
	backed := qcow2(1 << 20)
	binary.BigEndian.PutUint64(backed[8:], 512)
	binary.BigEndian.PutUint32(backed[16:], 11)
	copy(backed[512:], "/etc/passwd")
	h.images["backed"] = backed
	for name, tc := range map[string]struct {
		change func(*hostapi.ServerSpec)
		kind   errs.Kind
	}{
		"wrong checksum":     {func(s *hostapi.ServerSpec) { s.Root.SHA512 = strings.Repeat("0", 128) }, errs.Unavailable},
		"no such image":      {func(s *hostapi.ServerSpec) { s.Root.ImageID = "nothing" }, errs.NotFound},
		"wrong format":       {func(s *hostapi.ServerSpec) { s.Root.DiskFormat = "raw" }, errs.Invalid},
		"backing file":       {func(s *hostapi.ServerSpec) { s.Root.ImageID, s.Root.SHA512 = "backed", "" }, errs.Invalid},
		"image ends early":   {func(s *hostapi.ServerSpec) { s.Root.ImageBytes *= 2 }, errs.Unavailable},
		"nothing to boot":    {func(s *hostapi.ServerSpec) { s.Root.ImageID = "" }, errs.Invalid},
		"impossible power":   {func(s *hostapi.ServerSpec) { s.Power = hostapi.PowerCrashed }, errs.Invalid},
		"id that is a path":  {func(s *hostapi.ServerSpec) { s.ID = "../x" }, errs.Invalid},
		"image that is path": {func(s *hostapi.ServerSpec) { s.Root.ImageID = "../x" }, errs.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			spec := h.spec()
			tc.change(spec)
			if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, tc.kind) {
				t.Errorf("got %v (%v), want %v", err, errs.KindOf(err), tc.kind)
			}
			if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID); err != nil && tc.kind != errs.Invalid {
				t.Error(err)
			}
		})
	}
}

func TestMetadataKnowsGuestsByNetworkAndAddress(t *testing.T) {
	h := newFakeHost(t)
	one, two := h.spec(), h.spec() // the same address on two networks
	two.Name, two.Hostname = "db", "db"
	h.ensure(one)
	h.ensure(two)
	get := func(network, from, path string) (int, string) {
		t.Helper()
		client := http.Client{Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext:       (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).DialContext,
		}}
		req, err := http.NewRequestWithContext(h.ctx(), http.MethodGet, "http://"+h.vif.Address(network).String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", "127.0.0.5")
		req.Header.Set("X-Instance-ID", one.ID)
		resp, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close() //nolint:errcheck // read to its end
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	for _, spec := range []*hostapi.ServerSpec{one, two} {
		network := spec.NICs[0].NetworkID
		if code, body := get(network, "127.0.0.5", "/openstack/latest/meta_data.json"); code != 200 || !strings.Contains(body, spec.ID) {
			t.Errorf("%s: %d %s", spec.Name, code, body)
		}
		if _, body := get(network, "127.0.0.5", "/2009-04-04/meta-data/local-hostname"); body != spec.Hostname {
			t.Errorf("%s: hostname %q", spec.Name, body)
		}
		if code, _ := get(network, "127.0.0.6", "/openstack/latest/meta_data.json"); code != 404 {
			t.Errorf("%s: a stranger got %d", spec.Name, code)
		}
	}
	h.restart()
	eventually(t, 10*time.Second, func() error {
		if h.vif.Address(one.NICs[0].NetworkID) == nil {
			return errors.New("not served")
		}
		return nil
	})
	if err := h.client.RemoveServer(h.ctx(), "host-a", one.ID); err != nil {
		t.Fatal(err)
	}
	if h.vif.Address(one.NICs[0].NetworkID) != nil {
		t.Error("the network is still served")
	}
}

func TestSnapshotReachesTheControlPlane(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	for _, image := range []string{"live", "cold"} {
		if err := h.client.Snapshot(h.ctx(), "host-a", hostapi.SnapshotRequest{ServerID: spec.ID, ImageID: image, Live: true}); err != nil {
			t.Fatal(err)
		}
		h.mu.Lock()
		data, end := h.written[image], h.done[image]
		h.mu.Unlock()
		if !end.Done || end.Size != int64(len(data)) || !bytes.HasPrefix(data, []byte("QFI\xfb")) || bytes.Contains(data, []byte(h.dir)) {
			t.Errorf("%s: %d bytes arrived, end %+v", image, len(data), end)
		}
		spec.Power, spec.Generation = hostapi.PowerStopped, 2
		h.ensure(spec)
	}
	if files := h.files(spec.ID); slices.ContainsFunc(files, func(f string) bool { return strings.HasPrefix(f, "snapshot") }) {
		t.Errorf("a copy is left: %v", files)
	}
}

func TestManyAtOnceShareOneFetch(t *testing.T) {
	h := newFakeHost(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			spec := h.spec()
			if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := h.reads.Load(); n != 1 {
		t.Errorf("the image was read %d times", n)
	}
}

func TestConsoleLog(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	path := filepath.Join(h.dir, "servers", spec.ID, "console.log")
	if err := os.WriteFile(path, []byte("one\ntwo\xff\nthree\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".0", []byte("zero\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for lines, want := range map[int]string{0: "zero\none\ntwo\uFFFD\nthree\n", 1: "three\n", 2: "two\uFFFD\nthree\n", 99: "zero\none\ntwo\uFFFD\nthree\n"} {
		if got, err := h.client.ConsoleLog(h.ctx(), "host-a", spec.ID, lines); err != nil || got != want {
			t.Errorf("%d lines: %q, %v", lines, got, err)
		}
	}
	if _, err := h.client.ConsoleLog(h.ctx(), "host-a", uuid.NewString(), 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("an unknown server gave %v", err)
	}
}

func TestDiagnosticsAndHostReport(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.ConfigDrive = true
	h.ensure(spec)
	d, err := h.client.Diagnostics(h.ctx(), "host-a", spec.ID)
	if err != nil || len(d.CPUTimeNs) != 2 || len(d.NICs) != 1 || !d.ConfigDrive {
		t.Errorf("diagnostics %+v, %v", d, err)
	}
	r, err := h.client.Report(h.ctx(), "host-a")
	if err != nil || r.VCPUs == 0 || r.DiskGiB == 0 || len(r.Servers) != 1 || r.ImageCacheBytes == 0 || r.UptimeSeconds == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}

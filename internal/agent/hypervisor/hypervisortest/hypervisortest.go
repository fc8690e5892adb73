// Package hypervisortest is what every hypervisor must do, pretended or real.
package hypervisortest

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Env is a hypervisor and a directory that it can open disks in.
type Env struct {
	Hypervisor hypervisor.Hypervisor
	Dir        string
	// NIC, if set, gives a machine a card that can be plugged in.
	NIC func() hypervisor.NIC
}

// Run exercises a hypervisor. Its guests have blank disks: nothing boots, so
// nobody hears the power button.
func Run(t *testing.T, env Env) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, s *suite)
	}{
		{"unknown guests", testUnknown},
		{"power", testPower},
		{"marks", testMarks},
		{"suspend", testSuspend},
		{"devices", testDevices},
		{"copy of a disk", testCopy},
		{"events", testEvents},
		{"diagnostics", testDiagnostics},
		{"consoles", testConsoles},
		{"info", testInfo},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			tc.test(t, &suite{Env: env, t: t, ctx: ctx})
		})
	}
}

type suite struct {
	Env
	t   *testing.T
	ctx context.Context
}

func (s *suite) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) wantKind(err error, kind errs.Kind, what string) {
	s.t.Helper()
	if !errs.Is(err, kind) {
		s.t.Errorf("%s gave %v, want %v", what, err, kind)
	}
}

// machine defines a small machine, which is gone after the test.
func (s *suite) machine() hypervisor.Machine {
	s.t.Helper()
	id := uuid.NewString()
	dir := filepath.Join(s.Dir, id)
	s.must(os.Mkdir(dir, 0o711))
	m := hypervisor.Machine{
		Mark:  hypervisor.Mark{ServerID: id, Name: `a "name" <&>`, ProjectID: "p", UserID: "u", Flavor: "f", Generation: 7, Boot: 1, HardBoot: 2, Rebuild: 3, StartedAt: time.Now().UTC().Truncate(time.Microsecond)},
		VCPUs: 1, MemoryMiB: 32, Console: filepath.Join(dir, "console.log"), Serial: filepath.Join(dir, "console.sock"),
		Disks: []hypervisor.Disk{{Device: "vda", Bus: "virtio", Format: "qcow2", Path: filepath.Join(dir, "root"), BootOrder: 1}},
	}
	s.must(disk.CreateOverlay(m.Disks[0].Path, 1<<20, "", ""))
	if s.NIC != nil {
		m.NICs = append(m.NICs, s.NIC())
	}
	s.must(s.Hypervisor.Define(s.ctx, m))
	s.t.Cleanup(func() {
		ctx := context.WithoutCancel(s.ctx)
		_ = s.Hypervisor.Destroy(ctx, id)
		_ = s.Hypervisor.Undefine(ctx, id)
	})
	return m
}

func (s *suite) is(id string, want hostapi.Power) hypervisor.Guest {
	s.t.Helper()
	g, err := s.Hypervisor.Guest(s.ctx, id)
	s.must(err)
	if g.Power != want {
		s.t.Fatalf("the guest is %s, want %s", g.Power, want)
	}
	return g
}

func testUnknown(t *testing.T, s *suite) {
	id, h := uuid.NewString(), s.Hypervisor
	_, err := h.Guest(s.ctx, id)
	s.wantKind(err, errs.NotFound, "Guest")
	for name, f := range map[string]func(context.Context, string) error{
		"Undefine": h.Undefine, "Shutdown": h.Shutdown, "Destroy": h.Destroy, "Pause": h.Pause, "Resume": h.Resume,
		"Suspend": h.Suspend, "DropSaved": h.DropSaved,
	} {
		s.wantKind(f(s.ctx, id), errs.NotFound, name)
	}
	s.wantKind(h.Start(s.ctx, id, false), errs.NotFound, "Start")
	_, err = h.Devices(s.ctx, id)
	s.wantKind(err, errs.NotFound, "Devices")
	_, err = h.Diagnostics(s.ctx, id)
	s.wantKind(err, errs.NotFound, "Diagnostics")
}

func testPower(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	s.is(id, hostapi.PowerStopped)
	s.wantKind(h.Shutdown(s.ctx, id), errs.Conflict, "Shutdown of a stopped guest")
	s.wantKind(h.Pause(s.ctx, id), errs.Conflict, "Pause of a stopped guest")
	s.must(h.Destroy(s.ctx, id)) // is no error
	s.must(h.Start(s.ctx, id, true))
	s.is(id, hostapi.PowerPaused)
	s.must(h.Resume(s.ctx, id))
	s.is(id, hostapi.PowerRunning)
	s.wantKind(h.Start(s.ctx, id, false), errs.Conflict, "Start of a running guest")
	s.wantKind(h.Undefine(s.ctx, id), errs.Conflict, "Undefine of a running guest")
	s.is(id, hostapi.PowerRunning)
	s.must(h.Pause(s.ctx, id))
	s.is(id, hostapi.PowerPaused)
	s.must(h.Destroy(s.ctx, id))
	if g := s.is(id, hostapi.PowerStopped); g.Why != hypervisor.WhyAsked {
		t.Errorf("it is off because %q", g.Why)
	}
	s.must(h.Undefine(s.ctx, id))
	_, err := h.Guest(s.ctx, id)
	s.wantKind(err, errs.NotFound, "a look at an undefined guest")
}

// testMarks: a running guest's mark is that of its start, whatever is defined
// meanwhile.
func testMarks(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id, first := m.Mark.ServerID, m.Mark
	if g := s.is(id, hostapi.PowerStopped); g.Mark != first {
		t.Errorf("defined mark %+v, want %+v", g.Mark, first)
	}
	s.must(h.Start(s.ctx, id, false))
	m.Mark.Boot, m.Mark.Generation = 9, 9
	s.must(h.Define(s.ctx, m))
	g := s.is(id, hostapi.PowerRunning)
	if g.Mark != first {
		t.Errorf("running mark %+v, want %+v", g.Mark, first)
	}
	if g.Name == "" {
		t.Error("the guest has no name")
	}
	guests, err := h.Guests(s.ctx)
	s.must(err)
	found := false
	for _, g := range guests {
		found = found || g.Mark == first
	}
	if !found {
		t.Errorf("the guest is not in the list %+v", guests)
	}
	s.must(h.Destroy(s.ctx, id))
	s.must(h.Start(s.ctx, id, false))
	if g := s.is(id, hostapi.PowerRunning); g.Mark != m.Mark {
		t.Errorf("mark after the next start %+v, want %+v", g.Mark, m.Mark)
	}
}

func testSuspend(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	s.must(h.DropSaved(s.ctx, id)) // is no error
	s.wantKind(h.Suspend(s.ctx, id), errs.Conflict, "Suspend of a stopped guest")
	s.must(h.Start(s.ctx, id, false))
	s.must(h.Suspend(s.ctx, id))
	s.is(id, hostapi.PowerSuspended)
	s.must(h.Start(s.ctx, id, false))
	s.is(id, hostapi.PowerRunning)
	s.must(h.Suspend(s.ctx, id))
	s.must(h.DropSaved(s.ctx, id))
	s.is(id, hostapi.PowerStopped)
	s.must(h.Start(s.ctx, id, false))
	s.must(h.Suspend(s.ctx, id))
	s.must(h.Undefine(s.ctx, id)) // and its memory with it
}

func testDevices(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	s.must(h.Start(s.ctx, id, false))
	volume := filepath.Join(filepath.Dir(m.Console), "volume")
	s.must(disk.CreateBlank(volume, 1<<20))
	s.must(h.AttachDisk(s.ctx, id, hypervisor.Disk{Device: "vdb", Bus: "virtio", Format: "raw", Path: volume, Serial: "vol-1"}))
	d, err := h.Devices(s.ctx, id)
	s.must(err)
	if len(d.Disks) != 2 || d.Disks[1].Serial != "vol-1" || d.Disks[1].Device != "vdb" || len(d.NICs) != len(m.NICs) {
		t.Fatalf("devices %+v", d)
	}
	if s.NIC == nil {
		return
	}
	nic := s.NIC()
	s.must(h.AttachNIC(s.ctx, id, nic))
	d, err = h.Devices(s.ctx, id)
	s.must(err)
	if n := d.NICs[len(d.NICs)-1]; len(d.NICs) != 2 || n.MAC != nic.MAC || n.PortID != nic.PortID || n.Target != nic.Target {
		t.Fatalf("NICs %+v, want %+v", d.NICs, nic)
	}
}

func testCopy(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	path := filepath.Join(filepath.Dir(m.Console), "copy")
	s.must(h.Start(s.ctx, id, false))
	s.must(h.CopyDisk(s.ctx, id, "vda", path))
	size, err := disk.Size(path)
	s.must(err)
	if size != 1<<20 {
		t.Errorf("the copy has %d bytes", size)
	}
	s.is(id, hostapi.PowerRunning)
	s.wantKind(h.CopyDisk(s.ctx, id, "vdz", path+"2"), errs.NotFound, "a copy of no disk")
}

func testEvents(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	events := make(chan hypervisor.Event, 100)
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		_ = h.Watch(ctx, func(e hypervisor.Event) { events <- e })
	}()
	await := func(id, what string) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.ServerID == id {
					return
				}
			case <-time.After(20 * time.Second):
				t.Fatalf("no event for %s", what)
			}
		}
	}
	await("", "the start of watching")
	for _, step := range []struct {
		name string
		do   func(context.Context, string) error
	}{
		{"start", func(ctx context.Context, id string) error { return h.Start(ctx, id, false) }},
		{"pause", h.Pause},
		{"resume", h.Resume},
		{"destroy", h.Destroy},
	} {
		s.must(step.do(s.ctx, id))
		await(id, step.name)
	}
	cancel()
	<-watched
}

func testDiagnostics(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	_, err := h.Diagnostics(s.ctx, id)
	s.wantKind(err, errs.Conflict, "Diagnostics of a stopped guest")
	s.must(h.Start(s.ctx, id, false))
	d, err := h.Diagnostics(s.ctx, id)
	s.must(err)
	if d.Power != hostapi.PowerRunning || len(d.CPUTimeNs) != 1 || len(d.Disks) != 1 || d.Disks[0].Device != "vda" || len(d.NICs) != len(m.NICs) || d.MemoryMiB != 32 {
		t.Errorf("diagnostics %+v", d)
	}
}

func testConsoles(t *testing.T, s *suite) {
	m, h := s.machine(), s.Hypervisor
	id := m.Mark.ServerID
	_, err := h.Console(s.ctx, uuid.NewString(), hostapi.ConsoleSerial)
	s.wantKind(err, errs.NotFound, "Console of no guest")
	_, err = h.Console(s.ctx, id, hostapi.ConsoleSerial)
	s.wantKind(err, errs.Conflict, "Console of a stopped guest")
	s.must(h.Start(s.ctx, id, false))
	_, err = h.Console(s.ctx, id, hostapi.ConsoleScreen)
	s.wantKind(err, errs.Conflict, "Console without a screen")
	s.must(h.Destroy(s.ctx, id))

	m.Screen = true
	s.must(h.Define(s.ctx, m))
	s.must(h.Start(s.ctx, id, false))
	var open []net.Conn
	for range 2 { // a screen has room for more than one
		screen, err := h.Console(s.ctx, id, hostapi.ConsoleScreen)
		s.must(err)
		defer screen.Close()
		greeting := make([]byte, 12)
		s.must(screen.SetReadDeadline(time.Now().Add(30 * time.Second)))
		_, err = io.ReadFull(screen, greeting)
		s.must(err)
		if string(greeting) != "RFB 003.008\n" {
			t.Errorf("the screen says %q", greeting)
		}
		open = append(open, screen)
	}
	for range 2 { // a serial line is for one after the other
		line, err := h.Console(s.ctx, id, hostapi.ConsoleSerial)
		s.must(err)
		_, err = line.Write([]byte("x"))
		s.must(err)
		s.must(line.Close())
	}
	s.must(h.Destroy(s.ctx, id))
	for _, screen := range open {
		if _, err := io.Copy(io.Discard, screen); err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the screen of a guest that was switched off: %v", err)
		}
	}
}

func testInfo(t *testing.T, s *suite) {
	info, err := s.Hypervisor.Info(s.ctx)
	s.must(err)
	if info.Type != "QEMU" || info.Version == 0 || info.CPUs == 0 || info.MemoryMiB == 0 || info.Sockets*info.Cores*info.Threads == 0 || info.Arch == "" {
		t.Errorf("info %+v", info)
	}
}

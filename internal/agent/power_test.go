package agent_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

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

func TestRescueBootsBesideTheServersOwnDisk(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	h.ensure(spec)
	rescue := spec.Root
	spec.Rescue, spec.HardBoot, spec.Generation = &rescue, 1, 2
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	if len(m.Disks) != 2 || !strings.HasSuffix(m.Disks[0].Path, "/rescue") || m.Disks[0].BootOrder != 1 ||
		!strings.HasSuffix(m.Disks[1].Path, "/root-0") || m.Disks[1].BootOrder != 0 || m.Disks[1].Device != "vdb" {
		t.Errorf("rescued with %+v", m.Disks)
	}
	spec.Rescue, spec.HardBoot, spec.Generation = nil, 2, 3
	h.ensure(spec)
	m, _ = h.hv.Machine(spec.ID)
	if len(m.Disks) != 1 || !strings.HasSuffix(m.Disks[0].Path, "/root-0") || m.Disks[0].BootOrder != 1 {
		t.Errorf("unrescued with %+v", m.Disks)
	}
	if files := h.files(spec.ID); slices.Contains(files, "rescue") || slices.Contains(files, "rescue-base") {
		t.Errorf("the rescue disk is still there: %v", files)
	}
}

func TestDisksGrowWithTheFlavor(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		t.Skip("qemu-img is not installed (qemu-utils)")
	}
	h := newFakeHost(t)
	spec := h.spec()
	spec.Swap = &hostapi.LocalDisk{SizeMiB: 16}
	h.ensure(spec)
	spec.Root.SizeGiB, spec.Swap, spec.HardBoot, spec.Generation = 3, &hostapi.LocalDisk{SizeMiB: 32}, 1, 2
	spec.Power, spec.StopGrace = hostapi.PowerStopped, 0
	h.ensure(spec)
	spec.Power, spec.Generation = hostapi.PowerRunning, 3
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	header, err := os.ReadFile(m.Disks[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if size := binary.BigEndian.Uint64(header[24:]); size != 3<<30 {
		t.Errorf("the root disk has %d bytes", size)
	}
	if info, err := os.Stat(m.Disks[1].Path); err != nil || info.Size() != 32<<20 {
		t.Errorf("the swap disk is %+v, %v", info, err)
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
	if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, 0); err != nil {
		t.Fatal(err)
	}
	if err := <-stopped; !errs.Is(err, errs.Conflict) {
		t.Errorf("the stop ended with %v", err)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.Ephemeral, spec.Swap, spec.ConfigDrive = []hostapi.LocalDisk{{SizeMiB: 1 << 10}}, &hostapi.LocalDisk{SizeMiB: 64}, true
	h.ensure(spec)
	for range 2 {
		if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, 0); err != nil {
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

// A build that was cancelled may reach the host after the removal that undoes it.
func TestRemovalOvertakesTheBuild(t *testing.T) {
	h := newFakeHost(t)
	spec := h.spec()
	spec.Generation = 3
	if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, 3); err != nil {
		t.Fatal(err)
	}
	if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, errs.Conflict) {
		t.Errorf("the late build gave %v", err)
	}
	spec.Generation = 4
	if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); err != nil {
		t.Errorf("the server may not come back: %v", err)
	}
}

func TestRemoveOfAnUnknownServer(t *testing.T) {
	h := newFakeHost(t)
	if err := h.client.RemoveServer(h.ctx(), "host-a", uuid.NewString(), 0); err != nil {
		t.Error(err)
	}
	if err := h.client.RemoveServer(h.ctx(), "host-a", "../../etc", 0); !errs.Is(err, errs.Invalid) {
		t.Errorf("a path for an id gave %v", err)
	}
}

package agent_test

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kumoi/internal/hostapi"
)

// evilHeader is what a guest writes at the start of its disks: to a prober, a
// disk that is based on a file of the host's.
func evilHeader() []byte {
	header := qcow2(1 << 20)
	copy(header[16<<10:], "/etc/passwd")
	header[14], header[19] = 64, 11
	return header
}

// evilGuest is a guest, now off, that has written such a header to its root
// disk and to its ephemeral disk.
func evilGuest(t *testing.T) (*fakeHost, *hostapi.ServerSpec) {
	t.Helper()
	for _, tool := range []string{"qemu-img", "qemu-io", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	h := newFakeHost(t)
	spec := h.spec()
	spec.Power, spec.StopGrace = hostapi.PowerStopped, 0
	spec.Ephemeral, spec.Swap = []hostapi.LocalDisk{{SizeMiB: 16, Format: "ext4"}}, &hostapi.LocalDisk{SizeMiB: 1}
	h.ensure(spec)
	dir := filepath.Join(h.dir, "servers", spec.ID)
	evil := filepath.Join(t.TempDir(), "evil")
	if err := os.WriteFile(evil, evilHeader(), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-io", "-f", "qcow2", "-c", "write -s "+evil+" 0 256k", filepath.Join(dir, "root-0"))
	f, err := os.OpenFile(filepath.Join(dir, "ephemeral-0"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(evilHeader()); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return h, spec
}

func tool(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// snapshot copies a disk of the guest into an image and returns the image as
// another disk is made from it.
func (h *fakeHost) snapshot(spec *hostapi.ServerSpec, image string, ephemeral int) hostapi.RootDisk {
	h.t.Helper()
	if err := h.client.Snapshot(h.ctx(), "host-a", hostapi.SnapshotRequest{ServerID: spec.ID, ImageID: image, Ephemeral: ephemeral}); err != nil {
		h.t.Fatal(err)
	}
	data := h.written[image]
	sum := sha512.Sum512(data)
	return hostapi.RootDisk{ImageID: image, SizeGiB: spec.Root.SizeGiB, DiskFormat: "qcow2", ImageBytes: int64(len(data)), SHA512: hex.EncodeToString(sum[:])}
}

// onRecord fails the test unless the guest's machine has its disks as we made
// them, in the order of names, whatever the guest has written there.
func (h *fakeHost) onRecord(spec *hostapi.ServerSpec, names ...string) {
	h.t.Helper()
	m, _ := h.hv.Machine(spec.ID)
	if len(m.Disks) != len(names) {
		h.t.Fatalf("%d disks, want %v", len(m.Disks), names)
	}
	for i, d := range m.Disks {
		name := filepath.Base(d.Path)
		ours := d.Format == "raw" && len(d.Backing) == 0
		if strings.HasPrefix(name, "root-") || name == "rescue" {
			ours = d.Format == "qcow2" && len(d.Backing) == 1 && d.Backing[0].Format == "qcow2" && filepath.Dir(d.Backing[0].Path) == filepath.Dir(d.Path)
		}
		if !ours || name != names[i] {
			h.t.Errorf("disk %d is %+v, want %s", i, d, names[i])
		}
	}
}

// shows tells whether a disk shows what the guest wrote.
func (h *fakeHost) shows(spec *hostapi.ServerSpec, name, format string) bool {
	h.t.Helper()
	start := filepath.Join(h.t.TempDir(), "start")
	tool(h.t.(*testing.T), "qemu-img", "dd", "-f", format, "-O", "raw", "bs=256k", "count=1",
		"if="+filepath.Join(h.dir, "servers", spec.ID, name), "of="+start)
	data, err := os.ReadFile(start)
	if err != nil {
		h.t.Fatal(err)
	}
	return bytes.Equal(data, evilHeader())
}

// What a guest writes onto its disks is never taken for a description of them:
// whatever is done to its server, the formats are those of our record, and the
// bytes are the guest's own.

func TestHeaderOnMigrate(t *testing.T) {
	h, spec := evilGuest(t)
	other := newFakeHost(t)
	spec.Root = h.snapshot(spec, "move", 0)
	from := h.snapshot(spec, "move-ephemeral0", 1)
	other.images = h.written
	spec.Ephemeral[0].From, spec.Ephemeral[0].SizeMiB = &from, 32
	spec.Generation++
	other.ensure(spec)
	other.onRecord(spec, "root-0", "ephemeral-0", "swap")
	if !other.shows(spec, "root-0", "qcow2") || !other.shows(spec, "ephemeral-0", "raw") {
		t.Error("the disks did not arrive as they were")
	}
	if info, err := os.Stat(filepath.Join(other.dir, "servers", spec.ID, "ephemeral-0")); err != nil || info.Size() != 32<<20 {
		t.Errorf("the ephemeral disk did not grow: %v %v", info, err)
	}
	cached, err := other.client.Images(other.ctx(), "host-a")
	if err != nil || len(cached.Images) != 1 || cached.Images[0].ID != "move" {
		t.Errorf("the cache keeps what carried the ephemeral disk: %+v, %v", cached, err)
	}
	err = h.client.Snapshot(h.ctx(), "host-a", hostapi.SnapshotRequest{ServerID: spec.ID, ImageID: "x", Ephemeral: 2})
	if err == nil || !strings.Contains(err.Error(), "no ephemeral disk number 2") {
		t.Errorf("a disk that there is not: %v", err)
	}
}

func TestHeaderOnRescue(t *testing.T) {
	h, spec := evilGuest(t)
	rescue := spec.Root
	rescue.SizeGiB = 0
	spec.Rescue, spec.HardBoot, spec.Power, spec.Generation = &rescue, 1, hostapi.PowerRunning, 2
	h.ensure(spec)
	h.onRecord(spec, "rescue", "root-0", "ephemeral-0", "swap")
	spec.Rescue, spec.HardBoot, spec.Generation = nil, 2, 3
	h.ensure(spec)
	h.onRecord(spec, "root-0", "ephemeral-0", "swap")
	if !h.shows(spec, "root-0", "qcow2") || !h.shows(spec, "ephemeral-0", "raw") {
		t.Error("the disks are not as they were")
	}
}

func TestHeaderOnRebuild(t *testing.T) {
	h, spec := evilGuest(t)
	spec.Rebuild, spec.Power, spec.Generation = 1, hostapi.PowerRunning, 2
	h.ensure(spec)
	h.onRecord(spec, "root-1", "ephemeral-0", "swap")
	if h.shows(spec, "root-1", "qcow2") || !h.shows(spec, "ephemeral-0", "raw") {
		t.Error("the root disk is not new, or the ephemeral disk is")
	}
}

func TestHeaderOnShelve(t *testing.T) {
	h, spec := evilGuest(t)
	spec.Root = h.snapshot(spec, "shelved", 0)
	if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, spec.Generation); err != nil {
		t.Fatal(err)
	}
	h.images["shelved"] = h.written["shelved"]
	spec.Power, spec.Generation = hostapi.PowerRunning, 2
	h.ensure(spec)
	h.onRecord(spec, "root-0", "ephemeral-0", "swap")
	if !h.shows(spec, "root-0", "qcow2") || h.shows(spec, "ephemeral-0", "raw") {
		t.Error("the root disk is not as it was, or the ephemeral disk is")
	}
}

// A snapshot of the whole root disk shows its bytes and no other file's.
func TestHeaderOnSnapshot(t *testing.T) {
	h, spec := evilGuest(t)
	h.snapshot(spec, "snap", 0)
	copied, raw := filepath.Join(t.TempDir(), "copied"), filepath.Join(t.TempDir(), "raw")
	if err := os.WriteFile(copied, h.written["snap"], 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "qemu-img", "convert", "-f", "qcow2", "-O", "raw", copied, raw)
	got, err := os.ReadFile(raw)
	if header := evilHeader(); err != nil || len(got) != 1<<30 || !bytes.Equal(got[:len(header)], header) {
		t.Errorf("the snapshot is not the disk as it was: %d bytes, %v", len(got), err)
	}
}

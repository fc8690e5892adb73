package agent_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// What is asked and cannot be given is refused, not left out.
func TestWhatCannotBeGivenIsRefused(t *testing.T) {
	h := newFakeHost(t)
	for name, change := range map[string]func(*hostapi.ServerSpec){
		"hw_disk_bus=floppy":      func(s *hostapi.ServerSpec) { s.Hints = map[string]string{"hw_disk_bus": "floppy"} },
		"hw:cpu_policy=dedicated": func(s *hostapi.ServerSpec) { s.Hints = map[string]string{"hw:cpu_policy": "dedicated"} },
		"quota:disk_total_iops_sec": func(s *hostapi.ServerSpec) {
			s.Hints = map[string]string{"quota:disk_total_iops_sec": "1"}
		},
		"hw:tpm_version=2.0": func(s *hostapi.ServerSpec) { s.Hints = map[string]string{"hw:tpm_version": "2.0"} },
		`"fdc"`:              func(s *hostapi.ServerSpec) { s.Ephemeral = []hostapi.LocalDisk{{SizeMiB: 64, Bus: "fdc"}} },
		`"token-ring"`:       func(s *hostapi.ServerSpec) { s.NICs[0].Model = "token-ring" },
		"reiserfs":           func(s *hostapi.ServerSpec) { s.Ephemeral = []hostapi.LocalDisk{{SizeMiB: 64, Format: "reiserfs"}} },
	} {
		spec := h.spec()
		change(spec)
		if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	type newer struct {
		*hostapi.ServerSpec
		Cooling string `json:"cooling"`
	}
	err := h.client.Bus.Request(h.ctx(), hostapi.HostSubject("host-a", hostapi.VerbEnsure), newer{h.spec(), "water"}, nil)
	if !errs.Is(err, errs.NoCapacity) || !strings.Contains(err.Error(), `"cooling"`) {
		t.Errorf("a field of a newer control plane: %v", err)
	}
}

// Local disks come formatted, survive the guest, grow with the flavor, are made
// anew by a rebuild that does not preserve them, and go with the server.
func TestLocalDisks(t *testing.T) {
	for _, tool := range []string{"mkfs.ext4", "mkfs.vfat"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	h := newFakeHost(t)
	spec := h.spec()
	spec.Hints = map[string]string{"os_type": "linux"}
	spec.Ephemeral = []hostapi.LocalDisk{{SizeMiB: 64}, {SizeMiB: 32, Format: "vfat", Bus: "scsi"}}
	spec.Swap = &hostapi.LocalDisk{SizeMiB: 16}
	h.ensure(spec)
	m, _ := h.hv.Machine(spec.ID)
	var devices []string
	for _, d := range m.Disks {
		devices = append(devices, d.Device+"/"+d.Bus+"/"+d.Format)
	}
	if want := []string{"vda/virtio/qcow2", "vdb/virtio/raw", "sda/scsi/raw", "vdc/virtio/raw"}; !slices.Equal(devices, want) {
		t.Fatalf("disks %v, want %v", devices, want)
	}
	first := m.Disks[1].Path
	at := func(path string, offset int, text string) {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(data[offset:], []byte(text)) {
			t.Errorf("%s has no %q at %d, %v", filepath.Base(path), text, offset, err)
		}
	}
	at(first, 0x438, "\x53\xef")
	at(first, 0x478, "ephemeral0")
	at(m.Disks[2].Path, 0x36, "FAT")
	at(m.Disks[3].Path, 4086, "SWAPSPACE2")

	// The guest writes what a prober would take for a disk that is based on
	// another file.
	header := qcow2(1 << 20)
	copy(header[16<<10:], "/etc/passwd")
	header[14], header[19] = 64, 11
	f, err := os.OpenFile(first, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(header); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	spec.Ephemeral[0].SizeMiB, spec.HardBoot, spec.Generation, spec.Power, spec.StopGrace = 128, 1, 2, hostapi.PowerStopped, 0
	h.ensure(spec)
	spec.Power, spec.Generation = hostapi.PowerRunning, 3
	h.ensure(spec)
	m, _ = h.hv.Machine(spec.ID)
	if info, err := os.Stat(first); err != nil || info.Size() != 128<<20 || m.Disks[1].Format != "raw" || m.Disks[1].Backing != nil || m.Disks[1].Path != first {
		t.Errorf("after a resize: %+v, %v", m.Disks[1], err)
	}
	at(first, 0, string(header[:1<<10]))

	spec.Rebuild, spec.Generation = 1, 4
	h.ensure(spec)
	at(first, 0, string(header[:1<<10])) // preserved
	spec.Rebuild, spec.Generation = 2, 5
	for i := range spec.Ephemeral {
		spec.Ephemeral[i].Rebuild = 2
	}
	h.ensure(spec)
	m, _ = h.hv.Machine(spec.ID)
	at(m.Disks[1].Path, 0x438, "\x53\xef")
	if _, err := os.Stat(first); !os.IsNotExist(err) {
		t.Errorf("the old ephemeral disk is left: %v", err)
	}
	if err := h.client.RemoveServer(h.ctx(), "host-a", spec.ID, 0); err != nil {
		t.Fatal(err)
	}
	if files := h.files(spec.ID); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

// A blank disk that was ordered without a file system has the one that Nova
// gives to guests of such an image.
func TestDefaultFileSystem(t *testing.T) {
	h := newFakeHost(t)
	for osType, want := range map[string]struct {
		tool, magic string
		at          int
	}{
		"": {"mkfs.vfat", "FAT", 0x36}, "linux": {"mkfs.ext4", "\x53\xef", 0x438}, "windows": {"mkfs.ntfs", "NTFS", 3}, "freebsd": {"mkfs.vfat", "FAT", 0x36},
	} {
		spec := h.spec()
		spec.Ephemeral = []hostapi.LocalDisk{{SizeMiB: 32}}
		if osType != "" {
			spec.Hints = map[string]string{"os_type": osType}
		}
		if _, err := exec.LookPath(want.tool); err != nil {
			if _, err := h.client.EnsureServer(h.ctx(), "host-a", spec); !errs.Is(err, errs.NoCapacity) || !strings.Contains(err.Error(), want.tool) {
				t.Errorf("%s without %s: %v", osType, want.tool, err)
			}
			continue
		}
		h.ensure(spec)
		m, _ := h.hv.Machine(spec.ID)
		data, err := os.ReadFile(m.Disks[1].Path)
		if err != nil || !bytes.HasPrefix(data[want.at:], []byte(want.magic)) {
			t.Errorf("os_type %q: no %q at %d, %v", osType, want.magic, want.at, err)
		}
	}
}

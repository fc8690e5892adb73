package libvirt

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/agent/hypervisor"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func machine() hypervisor.Machine {
	return hypervisor.Machine{
		Mark: hypervisor.Mark{
			ServerID: "7f1b2c3d-0000-4000-8000-000000000001", Name: "web <1>", ProjectID: "p1", UserID: "u1", Flavor: "m1.small",
			Generation: 3, Boot: 1, HardBoot: 2, Rebuild: 0, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		},
		VCPUs: 2, MemoryMiB: 512, Console: "/data/console.log", Serial: "/data/console.sock",
		Disks: []hypervisor.Disk{{
			Device: "vda", Bus: "virtio", Format: "qcow2", Path: "/data/root-0", BootOrder: 1,
			Backing: []hypervisor.Backing{{Path: "/data/base-0", Format: "qcow2"}},
		}},
		NICs: []hypervisor.NIC{{
			PortID: "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", MAC: "fa:16:3e:00:00:01", Bridge: "br-int", Target: "tapaaaaaaaa-bb", MTU: 1442,
		}},
	}
}

func TestDomainXML(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cfg    Config
		arch   string
		change func(*hypervisor.Machine)
	}{
		{"qemu", Config{VirtType: "qemu"}, "x86_64", func(m *hypervisor.Machine) { m.NICs[0].NoOffload = true }},
		{"kvm", Config{VirtType: "kvm"}, "x86_64", func(m *hypervisor.Machine) {
			m.Screen = true
			m.VCPUs = 8
			m.Hints = map[string]string{"hw:cpu_sockets": "2", "hw_machine_type": "q35", "hw_qemu_guest_agent": "yes", "hw_video_model": "virtio"}
		}},
		{"volumes", Config{VirtType: "kvm"}, "x86_64", func(m *hypervisor.Machine) {
			m.Disks = append(m.Disks,
				hypervisor.Disk{Device: "vdb", Bus: "virtio", Format: "raw", Socket: "/run/kumoi/a-1", Export: "vol", Serial: "vol-1", Direct: true},
				hypervisor.Disk{Device: "vdc", Bus: "virtio", Format: "raw", Socket: "/run/kumoi/a-2", Export: "vol-ro", ReadOnly: true, Shareable: true, Serial: "vol-2", Direct: true},
				hypervisor.Disk{Device: "hda", Bus: "ide", Format: "raw", Path: "/data/config.iso", CDROM: true},
			)
		}},
		{"arm", Config{VirtType: "kvm"}, "aarch64", func(m *hypervisor.Machine) {}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := New(tc.cfg)
			d.arch = tc.arch
			m := machine()
			tc.change(&m)
			got, err := d.domain(m)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", tc.name+".xml")
			if *update {
				if err := os.WriteFile(golden, []byte(got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("domain differs from %s (run with -update after a wanted change):\n%s", golden, got)
			}
		})
	}
}

func TestMarkSurvivesTheHypervisor(t *testing.T) {
	want := machine().Mark
	text := markXML(want)
	stripped := strings.NewReplacer("kumoi:server xmlns:kumoi=\""+markURI+"\"", "server", "kumoi:", "").Replace(text)
	for _, text := range []string{text, stripped} { // libvirt gives back the second
		if got, ok := parseMark(text); !ok || got != want {
			t.Errorf("%s came back as %+v", text, got)
		}
	}
	if _, ok := parseMark("<other/>"); ok {
		t.Error("a foreign element was taken for a mark")
	}
}

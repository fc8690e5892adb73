//go:build realdeps

package agent_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"kumoi/internal/agent"
	"kumoi/internal/hostapi"
)

// TestVolumeOutlivesItsServer has a guest write a file system to a volume,
// while the volume's storage daemon is killed and the volume grows, and another
// guest read it.
func TestVolumeOutlivesItsServer(t *testing.T) {
	h := newRealHost(t)
	t.Cleanup(func() {
		if err := agent.EndVolumes(context.Background(), h.dir); err != nil {
			t.Error(err)
		}
	})
	h.cloud.qemuUser, h.cloud.qemuGroup = h.stack.QEMUIDs()
	h.start()
	n := h.network("10.6.0.0/24")
	volumes := h.cloud.client.Volumes("host-a")
	ref := hostapi.VolumeRef{Backend: "file", ID: uuid.NewString()}
	if _, err := volumes.CreateVolume(h.cloud.ctx(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	attach := func(spec *hostapi.ServerSpec) {
		t.Helper()
		client := uuid.NewString()
		conn, err := volumes.ExportVolume(h.cloud.ctx(), &hostapi.VolumeExport{VolumeRef: ref, Client: client, Host: "host-a"})
		if err != nil {
			t.Fatal(err)
		}
		spec.Volumes = []hostapi.Volume{{ID: ref.ID, AttachmentID: client, Device: "vdb", SizeGiB: 1, Connection: *conn}}
		spec.Generation++
		for _, s := range h.cloud.ensure(spec).Steps {
			t.Logf("attach: %-12s %s", s.Name, s.Took)
		}
	}
	writer := h.spec("writer", `
until [ -b /dev/vdb ]; do sleep 0.2; done
/usr/sbin/mke2fs -q -t ext4 /dev/vdb; mkdir -p /v; mount /dev/vdb /v && echo volume mounted
for i in $(seq 1 200); do echo line $i >>/v/log; sync; [ $((i % 50)) = 0 ] && echo wrote $i; sleep 0.05; done
until [ $(cat /sys/block/vdb/size) = 4194304 ]; do sleep 0.2; done; echo volume has grown
resize2fs /dev/vdb && umount /v && echo volume unmounted`, n.nic())
	h.cloud.ensure(writer)
	attach(writer)
	h.cloud.console(writer.ID, "wrote 50", patience)

	// The daemon dies while the guest writes: the guest waits and goes on.
	pid, err := os.ReadFile(filepath.Join(h.dir, "run", "file-"+ref.ID+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	process, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	h.cloud.console(writer.ID, "wrote 200", patience)
	if err := volumes.ExtendVolume(h.cloud.ctx(), ref, 2); err != nil {
		t.Fatal(err)
	}
	writer.Volumes[0].SizeGiB = 2
	writer.Generation++
	h.cloud.ensure(writer)
	log := h.cloud.console(writer.ID, "volume unmounted", patience)
	if strings.Contains(log, "I/O error") {
		t.Errorf("the guest has seen errors:\n%s", log)
	}

	client := writer.Volumes[0].AttachmentID
	writer.Volumes = nil
	writer.Generation++
	h.cloud.ensure(writer)
	if err := volumes.UnexportVolume(h.cloud.ctx(), ref, client); err != nil {
		t.Fatal(err)
	}
	reader := h.spec("reader", `
until [ -b /dev/vdb ]; do sleep 0.2; done
mkdir -p /v; mount -o ro /dev/vdb /v && echo lines $(wc -l </v/log) last $(tail -n 1 /v/log)`, n.nic())
	attach(reader) // from its start
	h.cloud.console(reader.ID, "lines 200 last line 200", patience)
	for _, spec := range []*hostapi.ServerSpec{writer, reader} {
		if err := h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", spec.ID, spec.Generation); err != nil {
			t.Error(err)
		}
	}
	if err := volumes.UnexportVolume(h.cloud.ctx(), ref, reader.Volumes[0].AttachmentID); err != nil {
		t.Error(err)
	}
	if err := volumes.DeleteVolume(h.cloud.ctx(), ref); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(h.dir, "run", "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestGuestBootsFromVolume has nothing but a volume, which shows an image until
// the guest writes to it.
func TestGuestBootsFromVolume(t *testing.T) {
	h := newRealHost(t)
	t.Cleanup(func() {
		if err := agent.EndVolumes(context.Background(), h.dir); err != nil {
			t.Error(err)
		}
	})
	h.cloud.qemuUser, h.cloud.qemuGroup = h.stack.QEMUIDs()
	h.start()
	n := h.network("10.7.0.0/24")
	spec := h.spec("booted", "echo booted from $(lsblk -dno NAME,SIZE | tr '\\n' ' ')", n.nic())
	volumes, image := h.cloud.client.Volumes("host-a"), spec.Root
	ref := hostapi.VolumeRef{Backend: "file", ID: uuid.NewString()}
	if _, err := volumes.CreateVolume(h.cloud.ctx(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 2, Image: &image}); err != nil {
		t.Fatal(err)
	}
	conn, err := volumes.ExportVolume(h.cloud.ctx(), &hostapi.VolumeExport{VolumeRef: ref, Client: spec.ID, Host: "host-a"})
	if err != nil {
		t.Fatal(err)
	}
	spec.Root = hostapi.RootDisk{}
	spec.Volumes = []hostapi.Volume{{ID: ref.ID, AttachmentID: spec.ID, Device: "vda", Boot: true, SizeGiB: 2, Connection: *conn}}
	h.cloud.ensure(spec)
	h.cloud.console(spec.ID, "booted from vda 2G", patience)
	if err := h.cloud.client.RemoveServer(h.cloud.ctx(), "host-a", spec.ID, spec.Generation); err != nil {
		t.Error(err)
	}
	if err := volumes.UnexportVolume(h.cloud.ctx(), ref, spec.ID); err != nil {
		t.Error(err)
	}
	if err := volumes.DeleteVolume(h.cloud.ctx(), ref); err != nil {
		t.Error(err)
	}
}

package agent_test

import (
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent"
	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
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

func newFakeHost(t testing.TB) *fakeHost {
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
	return agent.Deps{Bus: h.connect(), Hypervisor: h.hv, VIF: h.vif, Log: log, Volumes: map[string]hostapi.VolumeHost{}}
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

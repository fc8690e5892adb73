package agent_test

import (
	"testing"
	"time"

	"kumoi/internal/agent"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume/backend/backendtest"
	"kumoi/internal/volume/backend/fake"
)

// TestVolumesOverTheBus judges a backend as the control plane reaches it.
func TestVolumesOverTheBus(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		h, control := newFakeHost(t), backendtest.NewControl()
		volumes := fake.New(fake.Config{Host: "host-b", Control: control})
		h.start("host-b", t.TempDir(), func() agent.Deps {
			deps := h.deps()
			deps.Volumes = volumes.ByBackend()
			return deps
		})
		return backendtest.Harness{
			Host: h.client.Volumes("host-b"), Name: "host-b", Backend: "fake", Control: control, Thick: true, Bitmaps: true,
			Open: func(conn *hostapi.VolumeConnection) (backendtest.Device, error) { return volumes.Open(conn) },
		}
	})
}

// A host says by itself which backends it has, and how they are.
func TestBackendsAreReported(t *testing.T) {
	t.Parallel()
	h := newFakeHost(t)
	h.start("host-b", t.TempDir(), func() agent.Deps {
		deps := h.deps()
		deps.Volumes = fake.New(fake.Config{Host: "host-b", TotalGiB: 17}).ByBackend()
		return deps
	})
	waittest.True(t, time.Minute, "the backends are reported", func() bool { return h.backends.Load() != nil })
	if list := *h.backends.Load(); len(list) != 1 || list[0].Name != "fake" || list[0].FreeGiB != 17 {
		t.Errorf("reported: %+v", list)
	}
}

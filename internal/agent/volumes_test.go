package agent_test

import (
	"testing"

	"kumoi/internal/agent"
	"kumoi/internal/hostapi"
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

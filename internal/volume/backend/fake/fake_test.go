package fake_test

import (
	"testing"

	"kumoi/internal/hostapi"
	"kumoi/internal/volume/backend/backendtest"
	"kumoi/internal/volume/backend/fake"
)

func TestFake(t *testing.T) {
	t.Parallel()
	backendtest.Run(t, func(*testing.T) backendtest.Harness {
		control := backendtest.NewControl()
		h := fake.New(fake.Config{Host: "host-a", Control: control})
		return backendtest.Harness{
			Host: h, Name: "host-a", Backend: "fake", Control: control, Thick: true, Bitmaps: true,
			Open: func(conn *hostapi.VolumeConnection) (backendtest.Device, error) { return h.Open(conn) },
		}
	})
}

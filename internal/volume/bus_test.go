package volume_test

import (
	"slices"
	"testing"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/waittest"
	"kumoi/internal/volume"
	"kumoi/internal/volume/volumetest"
)

// The service knows a host and its backends as soon as the host reports them.
func TestHostsReport(t *testing.T) {
	t.Parallel()
	server, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := volumetest.New(t, func(d *volume.Deps) { d.Bus = conn })
	before := time.Now()
	if seen, err := c.Svc.Backends.SeenSince(t.Context(), "far", before); err != nil || seen {
		t.Errorf("a host that has said nothing was seen: %v, %v", seen, err)
	}
	report := hostapi.VolumeReport{Backends: []hostapi.VolumeBackend{{Name: "nfs", Pool: "share", FreeGiB: 7, Thin: true}}}
	if err := conn.Publish(t.Context(), hostapi.ReportSubject("far", hostapi.ReportVolumes), report); err != nil {
		t.Fatal(err)
	}
	waittest.True(t, time.Minute, "the host is seen", func() bool {
		seen, err := c.Svc.Backends.SeenSince(t.Context(), "far", before)
		return err == nil && seen
	})
	list, err := c.Svc.Backends.States(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(b *volume.Backend) bool {
		return b.Place().String() == "far@nfs#share" && c.Svc.Backends.Fault(b) == ""
	}) {
		t.Errorf("%v: %+v", err, list)
	}
}

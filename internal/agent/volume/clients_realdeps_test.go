//go:build realdeps

package volume_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
)

// Limits hold for what clients do together, and are changed while they do it.
func TestLimitsHold(t *testing.T) {
	h := newHost(t, "host-a")
	ref := h.create(t, 1)
	conn := h.export(t, ref, "c", "host-a")
	c := h.dial(t, "c", conn)
	took := func(writes int) time.Duration {
		begin := time.Now()
		for i := range writes {
			put(t, c, int64(i)*4096, "x")
		}
		return time.Since(begin)
	}
	for _, limits := range []hostapi.VolumeLimits{{TotalIOPS: 100}, {WriteIOPS: 100}, {TotalBytes: 100 * 4096}} {
		if err := h.LimitVolume(t.Context(), ref, limits); err != nil {
			t.Fatal(err)
		}
		if d := took(200); d < 1700*time.Millisecond {
			t.Errorf("%+v: 200 writes took %s", limits, d)
		}
	}
	if err := h.LimitVolume(t.Context(), ref, hostapi.VolumeLimits{}); err != nil {
		t.Fatal(err)
	}
	if d := took(200); d > 1700*time.Millisecond {
		t.Errorf("without limits 200 writes took %s", d)
	}
}

// What a guest makes zero, or discards, takes no room; a copy takes as much as there is data.
func TestRoomIsGivenBack(t *testing.T) {
	h := newHost(t, "host-a")
	ref := h.create(t, 1)
	c := h.dial(t, "c", h.export(t, ref, "c", "host-a"))
	const size = 32 << 20
	if _, err := c.WriteAt(bytes.Repeat([]byte("data"), size/4), 0); err != nil {
		t.Fatal(err)
	}
	used := func(ref hostapi.VolumeRef) int64 {
		t.Helper()
		got, err := h.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1, Volume: &ref})
		if err != nil {
			t.Fatal(err)
		}
		return got.UsedBytes
	}
	if n := used(ref); n < size || n > size+4<<20 {
		t.Errorf("%d bytes of data take %d", size, n)
	}
	clone := hostapi.VolumeRef{Backend: "file", ID: uuid.NewString()}
	if _, err := h.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: clone, SizeGiB: 1, Volume: &ref}); err != nil {
		t.Fatal(err)
	}
	if n := used(clone); n < size || n > size+4<<20 {
		t.Errorf("a copy of %d bytes of data takes %d", size, n)
	}
	if err := c.WriteZeroes(0, size); err != nil {
		t.Fatal(err)
	}
	if n := used(ref); n > 4<<20 {
		t.Errorf("without data %d bytes are taken", n)
	}
}

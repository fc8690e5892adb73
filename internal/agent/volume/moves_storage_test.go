//go:build realdeps && storage

package volume_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/volume"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
)

// with opens another backend on the same host.
func (h *host) with(t *testing.T, name string, open func(volume.Config) (*volume.Backend, error)) *host {
	t.Helper()
	other := *h
	other.cfg.Name, other.cfg.Dir, other.openBackend = name, filepath.Join(t.TempDir(), name), open
	other.restart(t)
	return &other
}

// A volume goes from files to an NFS share, to Ceph and back while its client
// writes: no byte is lost, and no hole is filled.
func TestStorageMoves(t *testing.T) {
	file := newHost(t, "host-a")
	nfs := file.with(t, "nfs", newGanesha(t).open)
	ceph := file.with(t, "ceph", newCeph(t).open)
	ref := hostapi.VolumeRef{Backend: "file", ID: uuid.NewString()}
	if _, err := file.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	const piece = 1 << 20
	client := file.dial(t, "c", file.export(t, ref, "c", "host-a"))
	written := map[int64]string{}
	write := func(c *nbd.Client, text string) {
		t.Helper()
		at := rand.Int64N(1024) * piece
		if _, err := c.WriteAt(bytes.Repeat([]byte(text), piece/len(text)+1)[:piece], at); err != nil {
			t.Fatal(err)
		}
		written[at] = text
	}
	for i := range 30 {
		write(client, fmt.Sprintf("before %d;", i))
	}
	from := file
	for round, to := range []*host{nfs, ceph, file} {
		begin := time.Now()
		name := to.backend()
		there := hostapi.VolumeRef{Backend: name, ID: ref.ID}
		if _, err := to.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: there, SizeGiB: 1}); err != nil {
			t.Fatal(err)
		}
		copied := to.export(t, there, "copy", "host-a")
		done := make(chan error, 1)
		go func() { done <- from.CopyVolume(t.Context(), &hostapi.VolumeCopy{From: ref, To: *copied}) }()
		for i := 0; ; i++ {
			write(client, fmt.Sprintf("to %s, write %d;", name, i%10))
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(20 * time.Millisecond):
				continue
			}
			break
		}
		write(client, "after round "+name)
		if err := from.FinishCopy(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		moved := to.export(t, there, "c", "host-a")
		if err := from.UnexportVolume(t.Context(), ref, "c"); err != nil {
			t.Fatal(err)
		}
		if err := to.UnexportVolume(t.Context(), there, "copy"); err != nil {
			t.Fatal(err)
		}
		if err := from.DeleteVolume(t.Context(), ref); err != nil {
			t.Fatal(err)
		}
		from, ref = to, there
		client = to.dial(t, "c", moved)
		got := make([]byte, piece)
		for at := int64(0); at < 1<<30; at += piece {
			want := make([]byte, piece)
			if text, ok := written[at]; ok {
				want = bytes.Repeat([]byte(text), piece/len(text)+1)[:piece]
			}
			if _, err := client.ReadAt(got, at); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("round %d: at %d lies %.20q, want %.20q: %v", round, at, got, want, err)
			}
		}
		b, err := to.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("to %s: %s, %d MiB written, %d MiB taken", name, time.Since(begin), len(written), b.UsedBytes>>20)
		if most := int64(len(written)*4+32) << 20; b.UsedBytes > min(most, 900<<20) { // Ceph's objects have 4 MiB
			t.Errorf("%d MiB of data take %d MiB", len(written), b.UsedBytes>>20)
		}
	}
}

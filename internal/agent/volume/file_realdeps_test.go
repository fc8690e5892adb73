//go:build realdeps

package volume_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"kumoi/internal/agent/imagecache"
	"kumoi/internal/agent/volume"
	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
	"kumoi/internal/volume/backend/backendtest"
)

// host is a host with a file backend and real storage daemons.
type host struct {
	*volume.Backend
	name, run string
	control   *backendtest.Control
	cfg       volume.Config

	openBackend func(volume.Config) (*volume.Backend, error)
}

func newHost(t *testing.T, name string) *host {
	t.Helper()
	dir := t.TempDir()
	run, err := os.MkdirTemp("", "kv") //nolint:usetesting // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	control := backendtest.NewControl()
	images, err := imagecache.New(imagecache.Config{Dir: filepath.Join(dir, "images"), Source: control.ReadImage, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	h := &host{name: name, run: run, control: control, openBackend: volume.New, cfg: volume.Config{
		Host: name, Address: "127.0.0.1", Dir: filepath.Join(dir, "volumes"), RunDir: run, Images: images, Control: control, Log: log,
	}}
	h.restart(t)
	t.Cleanup(func() {
		images.Close()
		if err := volume.EndAll(context.Background(), run); err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(run); err != nil {
			t.Error(err)
		}
	})
	return h
}

// restart is another agent for the same host.
func (h *host) restart(t *testing.T) {
	t.Helper()
	b, err := h.openBackend(h.cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Backend = b
}

func (h *host) connector() volume.Connector {
	return volume.Connector{Host: h.name, RunDir: h.run}
}

// open reaches a volume as a guest of the host does.
func (h *host) open(ctx context.Context, attachment string, conn *hostapi.VolumeConnection) (*nbd.Client, error) {
	if err := h.connector().Connect(ctx, attachment, *conn, 0); err != nil {
		return nil, err
	}
	return nbd.Dial(ctx, h.connector().Socket(attachment), conn.Export)
}

func TestFileBackend(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backendtest.Harness {
		h := newHost(t, "host-a")
		return backendtest.Harness{
			Host: h, Name: h.name, Backend: "file", Control: h.control, Thick: true, Encrypts: true, Bitmaps: true,
			Open: func(conn *hostapi.VolumeConnection) (backendtest.Device, error) {
				c, err := h.open(t.Context(), conn.VolumeID+conn.Export, conn)
				if err != nil {
					return nil, err
				}
				return c, nil
			},
		}
	})
}

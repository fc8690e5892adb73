//go:build realdeps

package volume_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/waittest"
)

func (h *host) backend() string { return cmp.Or(h.cfg.Name, "file") }

func (h *host) create(t *testing.T, sizeGiB int) hostapi.VolumeRef {
	t.Helper()
	ref := hostapi.VolumeRef{Backend: h.backend(), ID: uuid.NewString()}
	if _, err := h.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: sizeGiB}); err != nil {
		t.Fatal(err)
	}
	return ref
}

func (h *host) export(t *testing.T, ref hostapi.VolumeRef, client, host string) *hostapi.VolumeConnection {
	t.Helper()
	conn, err := h.ExportVolume(t.Context(), &hostapi.VolumeExport{VolumeRef: ref, Client: client, Host: host})
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// dial opens what a guest of the host finds, as soon as it is there.
func (h *host) dial(t *testing.T, client string, conn *hostapi.VolumeConnection) *nbd.Client {
	t.Helper()
	var c *nbd.Client
	waittest.Until(t, 20*time.Second, func() (err error) {
		c, err = h.open(t.Context(), client, conn)
		return err
	})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// kill ends a storage daemon of the host as a power cut of the process would.
func (h *host) kill(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(h.run, pattern+".pid"))
	if err != nil || len(files) != 1 {
		t.Fatalf("daemons %s: %v, %v", pattern, files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waittest.Until(t, 10*time.Second, func() error {
		if line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline")); err == nil && len(line) > 0 {
			return fmt.Errorf("daemon %d is still there", pid)
		}
		return nil
	})
}

func put(t *testing.T, c *nbd.Client, at int64, text string) {
	t.Helper()
	if _, err := c.WriteAt(bytes.Repeat([]byte(text), 4096/len(text)+1)[:4096], at); err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, c *nbd.Client, at int64, text string) {
	t.Helper()
	p := make([]byte, 4096)
	if _, err := c.ReadAt(p, at); err != nil || !bytes.HasPrefix(p, []byte(text)) {
		t.Fatalf("at %d lies %.20q, want %q: %v", at, p, text, err)
	}
}

// What was acknowledged is there after the daemon was killed, though nobody
// has flushed it; and an agent that was not there finds out whom to serve.
func TestKilledDaemonLosesNothing(t *testing.T) {
	h := newHost(t, "host-a")
	ref := h.create(t, 1)
	conn := h.export(t, ref, "c", "host-a")
	for round := range 3 {
		c := h.dial(t, "c", conn)
		for i := range 50 {
			put(t, c, int64(i)*(5<<20)+int64(round)*4096, fmt.Sprintf("round %d write %d;", round, i))
		}
		h.kill(t, "file-*")
		h.restart(t)
		h.Watch(t.Context())
		c = h.dial(t, "c", conn)
		for i := range 50 {
			get(t, c, int64(i)*(5<<20)+int64(round)*4096, fmt.Sprintf("round %d write %d;", round, i))
		}
	}
}

// A killed daemon's snapshots and merges are done again by the same call.
func TestKilledDaemonWithSnapshots(t *testing.T) {
	h := newHost(t, "host-a")
	ref := h.create(t, 1)
	conn := h.export(t, ref, "c", "host-a")
	snapshots := []hostapi.VolumeSnapshotRef{{VolumeRef: ref, SnapshotID: uuid.NewString()}, {VolumeRef: ref, SnapshotID: uuid.NewString()}}
	for i, s := range snapshots {
		put(t, h.dial(t, "c", conn), int64(i)<<20, fmt.Sprintf("before snapshot %d", i))
		if err := h.CreateVolumeSnapshot(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		h.kill(t, "file-*")
		h.Watch(t.Context())
	}
	put(t, h.dial(t, "c", conn), 2<<20, "after snapshots")
	for _, s := range snapshots {
		h.kill(t, "file-*")
		if err := h.DeleteVolumeSnapshot(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	h.Watch(t.Context())
	c := h.dial(t, "c", conn)
	get(t, c, 0, "before snapshot 0")
	get(t, c, 1<<20, "before snapshot 1")
	get(t, c, 2<<20, "after snapshots")
	if layers, _ := filepath.Glob(filepath.Join(h.cfg.Dir, ref.ID, "layer-*")); len(layers) != 1 {
		t.Errorf("layers that are left: %v", layers)
	}
}

// A guest on another host: its relay keeps what is asked while the volume's host
// has lost its daemons, and the answer comes in the end.
func TestRelayOutlastsItsServer(t *testing.T) {
	owner, other := newHost(t, "host-a"), newHost(t, "host-b")
	ref := owner.create(t, 1)
	conn := owner.export(t, ref, "c", "host-b")
	if conn.Address == "" || len(conn.Key) != 32 {
		t.Fatalf("connection %+v", conn)
	}
	c := other.dial(t, "c", conn)
	put(t, c, 0, "over TLS")
	for range 2 {
		owner.kill(t, "g-*")
		owner.kill(t, "file-*")
		answered := make(chan error, 1)
		go func() {
			_, err := c.WriteAt(bytes.Repeat([]byte("written while away;"), 512)[:4096], 1<<20)
			answered <- err
		}()
		select {
		case err := <-answered:
			t.Fatalf("answered while the volume was away: %v", err)
		case <-time.After(300 * time.Millisecond): // how long nothing happens is what is looked at
		}
		owner.Watch(t.Context())
		if err := <-answered; err != nil {
			t.Fatal(err)
		}
		get(t, c, 1<<20, "written while away;")
		get(t, c, 0, "over TLS")
	}
	local := owner.dial(t, "d", owner.export(t, ref, "d", "host-a"))
	get(t, local, 0, "over TLS")
	// Growing reaches the relay when it is asked for.
	if err := owner.ExtendVolume(t.Context(), ref, 2); err != nil {
		t.Fatal(err)
	}
	if err := other.connector().Connect(t.Context(), "c", *conn, 2<<30); err != nil {
		t.Fatal(err)
	}
	grown := other.dial(t, "c", conn)
	if size, _ := grown.Size(); size != 2<<30 {
		t.Errorf("the relay offers %d bytes", size)
	}
	// A wrong key opens nothing, and an end is an end.
	wrong := *conn
	wrong.Key = make([]byte, 32)
	if c, err := other.open(t.Context(), "thief", &wrong); err == nil {
		_ = c.Close()
		t.Error("a wrong key opens the volume")
	}
	if err := owner.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Fatal(err)
	}
	if c, err := other.open(t.Context(), "late", conn); err == nil {
		_ = c.Close()
		t.Error("a client whose export has ended opens the volume")
	}
	for _, client := range []string{"c", "thief", "late"} {
		if err := other.connector().Disconnect(t.Context(), client); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(other.run, "*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}

// A volume moves to another host while it is written.
func TestCopyToAnotherHost(t *testing.T) {
	from, to := newHost(t, "host-a"), newHost(t, "host-b")
	ref := from.create(t, 1)
	client := from.dial(t, "c", from.export(t, ref, "c", "host-a"))
	put(t, client, 0, "before")
	if _, err := to.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: ref, SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	copied := to.export(t, ref, "copy", "host-a")
	if err := from.CopyVolume(t.Context(), &hostapi.VolumeCopy{From: ref, To: *copied}); err != nil {
		t.Fatal(err)
	}
	put(t, client, 1<<20, "after")
	if err := from.FinishCopy(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	moved := to.export(t, ref, "c", "host-a")
	if err := from.UnexportVolume(t.Context(), ref, "c"); err != nil {
		t.Fatal(err)
	}
	if err := to.UnexportVolume(t.Context(), ref, "copy"); err != nil {
		t.Fatal(err)
	}
	client = from.dial(t, "c", moved)
	get(t, client, 0, "before")
	get(t, client, 1<<20, "after")
	if err := from.DeleteVolume(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
}

// copying is a volume of one host with a client that writes, and a copy of it on
// another host that has all its bytes.
type copying struct {
	from, to *host
	ref      hostapi.VolumeRef
	conn     *hostapi.VolumeConnection // the client's
	order    *hostapi.VolumeCopy
}

func newCopying(t *testing.T) *copying {
	t.Helper()
	c := &copying{from: newHost(t, "host-a"), to: newHost(t, "host-b")}
	c.ref = c.from.create(t, 1)
	c.conn = c.from.export(t, c.ref, "c", "host-a")
	put(t, c.from.dial(t, "c", c.conn), 0, "before")
	if _, err := c.to.CreateVolume(t.Context(), &hostapi.VolumeCreate{VolumeRef: c.ref, SizeGiB: 1}); err != nil {
		t.Fatal(err)
	}
	c.order = &hostapi.VolumeCopy{From: c.ref, To: *c.to.export(t, c.ref, "copy", "host-a")}
	if err := c.from.CopyVolume(t.Context(), c.order); err != nil {
		t.Fatal(err)
	}
	return c
}

// shut fails the test if the volume's client is let in.
func (c *copying) shut(t *testing.T) {
	t.Helper()
	c.from.Watch(t.Context())
	if client, err := c.from.open(t.Context(), "c", c.conn); err == nil {
		_ = client.Close()
		t.Fatal("a client is let in that the copy would not hear of")
	}
}

// The daemon that copies is killed: what is written after that is in the volume
// alone, so the copy is not taken for it until it was made again. Once it is
// finished no daemon lets a client in.
func TestCopyOutlastsItsDaemons(t *testing.T) {
	c := newCopying(t)
	c.from.kill(t, "file-*")
	c.from.restart(t)
	c.from.Watch(t.Context())
	put(t, c.from.dial(t, "c", c.conn), 1<<20, "after the kill")
	if err := c.from.FinishCopy(t.Context(), c.ref); !errs.Is(err, errs.Conflict) {
		t.Fatalf("a copy was finished that lacks a write: %v", err)
	}
	if err := c.from.CopyVolume(t.Context(), c.order); err != nil {
		t.Fatal(err)
	}
	put(t, c.from.dial(t, "c", c.conn), 2<<20, "after the second copy")
	if err := c.from.FinishCopy(t.Context(), c.ref); err != nil {
		t.Fatal(err)
	}
	c.shut(t)
	c.from.kill(t, "file-*")
	c.from.restart(t)
	c.shut(t)
	moved := c.to.export(t, c.ref, "c", "host-b")
	there := c.to.dial(t, "c", moved)
	get(t, there, 0, "before")
	get(t, there, 1<<20, "after the kill")
	get(t, there, 2<<20, "after the second copy")
	if err := c.from.UnexportVolume(t.Context(), c.ref, "c"); err != nil {
		t.Fatal(err)
	}
	if err := c.from.DeleteVolume(t.Context(), c.ref); err != nil {
		t.Fatal(err)
	}
}

// A copy that is given up leaves the volume as it was, whether it was finished or
// its target is away.
func TestEndCopyLetsClientsIn(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, c *copying){
		"copied": func(*testing.T, *copying) {},
		"finished": func(t *testing.T, c *copying) {
			t.Helper()
			if err := c.from.FinishCopy(t.Context(), c.ref); err != nil {
				t.Fatal(err)
			}
			c.shut(t)
		},
		"finished and killed": func(t *testing.T, c *copying) {
			t.Helper()
			if err := c.from.FinishCopy(t.Context(), c.ref); err != nil {
				t.Fatal(err)
			}
			c.from.kill(t, "file-*")
			c.from.restart(t)
			c.shut(t)
		},
		"target killed": func(t *testing.T, c *copying) { t.Helper(); c.to.kill(t, "file-*") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCopying(t)
			before(t, c)
			if err := c.from.EndCopy(t.Context(), c.order); err != nil {
				t.Fatal(err)
			}
			client := c.from.dial(t, "c", c.conn)
			get(t, client, 0, "before")
			put(t, client, 1<<20, "goes on")
		})
	}
}

package backendtest

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Device is a volume that was opened.
type Device interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
}

// Harness is a host to judge.
type Harness struct {
	Host    hostapi.VolumeHost
	Name    string // of the host
	Backend string
	Control *Control
	// Open reaches a volume as a client on the host does.
	Open func(conn *hostapi.VolumeConnection) (Device, error)
	// Thick says that the backend can take all room at once, Encrypts that it
	// knows encryption, Bitmaps that it knows what has changed since a backup
	// while the volume stays exported.
	Thick, Encrypts, Bitmaps bool
}

const (
	gib = 1 << 30
	mib = 1 << 20
)

// Run judges; each test has a host of its own.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	for name, test := range map[string]func(*judge){
		"empty": (*judge).empty, "image": (*judge).image, "snapshots": (*judge).snapshots, "clones": (*judge).clones,
		"extend": (*judge).extend, "exports": (*judge).exports, "limits": (*judge).limits, "copy": (*judge).copies,
		"upload": (*judge).upload, "backups": (*judge).backups, "in use": (*judge).inUse, "manage": (*judge).manage, "manage snapshots": (*judge).manageSnapshots,
		"not there": (*judge).notThere, "encryption": (*judge).encryption, "thick": (*judge).thick,
	} {
		t.Run(name, func(t *testing.T) {
			j := &judge{T: t, Harness: start(t), ctx: t.Context()}
			test(j)
		})
	}
}

type judge struct {
	*testing.T
	Harness
	ctx context.Context
}

func (j *judge) ok(err error) {
	j.Helper()
	if err != nil {
		j.Fatal(err)
	}
}

// twice fails the test unless the call works, and works again.
func (j *judge) twice(call func() error) {
	j.Helper()
	for range 2 {
		j.ok(call())
	}
}

func (j *judge) is(err error, kind errs.Kind) {
	j.Helper()
	if !errs.Is(err, kind) {
		j.Fatalf("got %v, want an error of the kind %q", err, kind)
	}
}

// ref is a new volume's name.
func (j *judge) ref() hostapi.VolumeRef {
	return hostapi.VolumeRef{Backend: j.Backend, ID: uuid.NewString()}
}

// create makes a volume; whatever the test has left of it goes with the test.
func (j *judge) create(c *hostapi.VolumeCreate) hostapi.VolumeRef {
	j.Helper()
	if c.ID == "" {
		c.VolumeRef = j.ref()
	}
	if c.SizeGiB == 0 {
		c.SizeGiB = 1
	}
	j.twice(func() error {
		got, err := j.Host.CreateVolume(j.ctx, c)
		if err == nil && got.SizeGiB != c.SizeGiB {
			j.Fatalf("made with %d GiB, want %d", got.SizeGiB, c.SizeGiB)
		}
		return err
	})
	return c.VolumeRef
}

// export opens a volume for a client.
func (j *judge) export(e *hostapi.VolumeExport) (Device, *hostapi.VolumeConnection) {
	j.Helper()
	if e.Client == "" {
		e.Client = uuid.NewString()
	}
	e.Host = j.Name
	var conn *hostapi.VolumeConnection
	j.twice(func() (err error) { conn, err = j.Host.ExportVolume(j.ctx, e); return err })
	d, err := j.Open(conn)
	j.ok(err)
	j.Cleanup(func() {
		_ = d.Close()
		ctx, cancel := context.WithTimeout(context.WithoutCancel(j.ctx), 20*time.Second)
		defer cancel()
		if err := j.Host.UnexportVolume(ctx, e.VolumeRef, e.Client); err != nil {
			j.Error(err)
		}
	})
	return d, conn
}

// with exports a volume for as long as f runs.
func (j *judge) with(ref hostapi.VolumeRef, key *hostapi.VolumeEncryption, f func(d Device)) {
	j.Helper()
	client := uuid.NewString()
	d, _ := j.export(&hostapi.VolumeExport{VolumeRef: ref, Client: client, Encryption: key})
	f(d)
	j.ok(d.Close())
	j.twice(func() error { return j.Host.UnexportVolume(j.ctx, ref, client) })
}

func (j *judge) write(d Device, at int64, data []byte) {
	j.Helper()
	if n, err := d.WriteAt(data, at); err != nil || n != len(data) {
		j.Fatalf("wrote %d of %d bytes at %d: %v", n, len(data), at, err)
	}
}

// holds fails the test unless the data lie there.
func (j *judge) holds(d Device, at int64, data []byte) {
	j.Helper()
	got := make([]byte, len(data))
	if n, err := d.ReadAt(got, at); err != nil || n != len(data) {
		j.Fatalf("read %d of %d bytes at %d: %v", n, len(data), at, err)
	}
	if !bytes.Equal(got, data) {
		j.Fatalf("at %d lies %.20q…, want %.20q…", at, got, data)
	}
}

// text is data that can be told from others.
func text(what string, n int) []byte { return bytes.Repeat([]byte(what), n/len(what)+1)[:n] }

func (j *judge) snapshot(ref hostapi.VolumeRef) hostapi.VolumeSnapshotRef {
	j.Helper()
	s := hostapi.VolumeSnapshotRef{VolumeRef: ref, SnapshotID: uuid.NewString()}
	j.twice(func() error { return j.Host.CreateVolumeSnapshot(j.ctx, s) })
	return s
}

func (j *judge) delete(ref hostapi.VolumeRef) {
	j.Helper()
	j.twice(func() error { return j.Host.DeleteVolume(j.ctx, ref) })
}

package volume

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/uuid"

	"kumoi/internal/agent/disk"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// folders keeps each volume in a folder of a share: its record, and layers of
// which the newest is written to.
type folders struct {
	b      *Backend
	share  share
	driver string
	thick  bool // set by prepare
	// ready makes the share usable, if that takes something.
	ready func(ctx context.Context) error

	mu    sync.Mutex
	swept bool
}

var _ store = (*folders)(nil)

const (
	recordName = "volume.json"
	// parkedDir holds what no volume owns: folders of released volumes, and image
	// files (NAME.raw, NAME.qcow2) that an operator has put there to be taken over.
	parkedDir = "parked"
	// imagesDir holds the images that volumes of a shared backend are based on.
	imagesDir = "images"
	// servingDir is the host's own, with notes of what it serves of a shared backend.
	servingDir = "serving"
)

// in is a file of a volume.
func (v *volume) in(name string) string { return path.Join(v.dir, name) }

// prepare makes the share's folders and removes, once, what a crash of this host
// has left half made.
func (f *folders) prepare(ctx context.Context) error {
	if f.ready != nil {
		if err := f.ready(ctx); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.swept {
		return nil
	}
	for _, dir := range []string{parkedDir, imagesDir} {
		if err := f.share.mkdir(ctx, dir); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	names, err := f.share.list(ctx, "")
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasPrefix(name, f.aside("")) || strings.HasPrefix(name, ".del-") {
			if err := removeAll(ctx, f.share, name); err != nil {
				return err
			}
		}
	}
	if at, near := f.share.(folder); near {
		f.thick = allocates(string(at))
	}
	f.swept = true
	return nil
}

// aside is where something is made before it gets its name.
func (f *folders) aside(id string) string { return ".new-" + f.b.cfg.Host + "-" + id }

func (f *folders) self() hostapi.VolumeBackend {
	return hostapi.VolumeBackend{Name: f.b.cfg.Name, Driver: f.driver, Pool: f.b.cfg.Name, Shared: f.b.shared, Thin: true}
}

func (f *folders) report(ctx context.Context, to *hostapi.VolumeBackend) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	total, free, err := f.share.room(ctx)
	to.Thick, to.TotalGiB, to.FreeGiB, to.UsedGiB = f.thick, int(total>>30), int(free>>30), int((total-free)>>30)
	return err
}

func (f *folders) load(ctx context.Context, id string) (*record, error) { return f.loadAt(ctx, id) }

func (f *folders) loadAt(ctx context.Context, dir string) (*record, error) {
	if f.ready != nil {
		if err := f.ready(ctx); err != nil {
			return nil, err
		}
	}
	data, err := f.share.read(ctx, path.Join(dir, recordName))
	if err != nil {
		return nil, err
	}
	return parseRecord(path.Base(dir), data)
}

// save writes the record so that a crash leaves the old one or the new one, and
// with it the files that it names.
func (f *folders) save(ctx context.Context, v *volume) error {
	data, err := json.Marshal(v.rec)
	if err != nil {
		return err
	}
	if err := f.noteServed(v); err != nil {
		return err
	}
	if err := f.share.write(ctx, v.in(recordName), data); err != nil {
		return disk.Full(fmt.Errorf("record of volume %s: %w", v.rec.ID, err))
	}
	return nil
}

// noteServed keeps a note of a volume that has clients.
func (f *folders) noteServed(v *volume) error {
	if !f.b.shared {
		return nil
	}
	return v.noteServed()
}

func (v *volume) noteServed() error {
	note := filepath.Join(v.b.cfg.Dir, servingDir, v.rec.ID)
	if len(v.rec.Clients) == 0 {
		if err := os.Remove(note); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(note, nil, 0o600)
}

// served are all volumes of a folder of the host, and those of a shared one
// that the host has noted.
func (f *folders) served(ctx context.Context) ([]string, error) {
	if f.b.shared {
		return volumesIn(ctx, folder(f.b.cfg.Dir), servingDir)
	}
	return volumesIn(ctx, f.share, "")
}

// volumesIn are the names in a folder that are volumes' ids.
func volumesIn(ctx context.Context, s share, dir string) ([]string, error) {
	names, err := s.list(ctx, dir)
	var out []string
	for _, name := range names {
		if _, err := uuid.Parse(name); err == nil && len(name) == 36 {
			out = append(out, name)
		}
	}
	return out, err
}

func (f *folders) begin(ctx context.Context, v *volume) error {
	if err := f.prepare(ctx); err != nil {
		return err
	}
	v.dir = f.aside(v.rec.ID)
	return disk.Full(errors.Join(removeAll(ctx, f.share, v.dir), f.share.mkdir(ctx, v.dir)))
}

func (f *folders) commit(ctx context.Context, v *volume) error {
	if err := f.share.rename(ctx, v.dir, v.rec.ID); err != nil {
		return err
	}
	v.dir = v.rec.ID
	return nil
}

// remove takes a volume's name away first: what is left of it after a crash is
// no volume.
func (f *folders) remove(ctx context.Context, v *volume) error {
	gone := ".del-" + v.rec.ID
	if err := removeAll(ctx, f.share, gone); err != nil {
		return err
	}
	if v.dir == "" { // there is no such volume, at most its remains
		return removeAll(ctx, f.share, f.aside(v.rec.ID))
	}
	if err := f.share.rename(ctx, v.dir, gone); err != nil {
		return fmt.Errorf("delete volume %s: %w", v.rec.ID, err)
	}
	if err := removeAll(ctx, f.share, gone); err != nil {
		return err
	}
	return f.dropImage(ctx, v.rec.Image)
}

// dropImage removes an image that no volume is based on any more.
func (f *folders) dropImage(ctx context.Context, key string) error {
	if key == "" {
		return nil
	}
	name := path.Join(imagesDir, key)
	a, err := f.share.stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && a.links == 1:
		return f.share.remove(ctx, name)
	}
	return err
}

func (f *folders) used(ctx context.Context, v *volume) (n int64) {
	for _, l := range v.rec.Layers {
		if a, err := f.share.stat(ctx, v.in(l.file())); err == nil {
			n += a.used
		}
	}
	return n
}

// parked is where something that no volume owns lies.
func parked(name string) (string, error) {
	if name == "" || name != path.Base(name) || strings.HasPrefix(name, ".") || len(name) > 200 {
		return "", errs.New(errs.Invalid, "%q is no name of something that can be managed.", name)
	}
	return path.Join(parkedDir, name), nil
}

package volume

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// listed is an image or a snapshot as rbd lists it.
type listed struct {
	Image    string `json:"image"`
	Snapshot string `json:"snapshot"`
	Size     int64  `json:"size"`
}

func (i *images) manageable(ctx context.Context) ([]hostapi.ManageableVolume, error) {
	var list []listed
	if err := i.ask(ctx, &list, "rbd", "ls", "-l", i.Pool); err != nil {
		return nil, err
	}
	clashes := map[string]string{}
	for _, l := range list {
		if marked.MatchString(l.Snapshot) {
			clashes[l.Image] = l.Snapshot
		}
	}
	var out []hostapi.ManageableVolume
	for _, l := range list {
		m := hostapi.ManageableVolume{Name: l.Image, SizeGiB: gib(l.Size), Safe: true}
		switch {
		case l.Snapshot != "", ours.MatchString(l.Image) && strings.HasPrefix(l.Image, "image-"):
			continue
		case clashes[l.Image] != "":
			m.Safe, m.Reason = false, clashOf(clashes[l.Image])
		}
		if ours.MatchString(l.Image) {
			id := strings.TrimPrefix(l.Image, "volume-")
			if rec, err := i.load(ctx, id); err == nil {
				m = hostapi.ManageableVolume{Name: l.Image, SizeGiB: rec.SizeGiB, Reason: "already managed", Volume: id}
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// clashOf says why an image with such a snapshot is left alone.
func clashOf(snapshot string) string {
	return "it has a snapshot " + snapshot + ", which is a name that the backend gives itself"
}

// parkedRecord is where the record of a released volume is, which knows its key.
func parkedRecord(name string) string { return "parked-" + name }

// adopt takes over any image: what it is was never asked, it is a raw disk.
func (i *images) adopt(ctx context.Context, id, name string) error {
	if !poolName.MatchString(name) || len(name) > 200 {
		return errs.New(errs.Invalid, "%q is no name of an image that can be managed.", name)
	}
	from := name
	var info struct {
		Size      int64 `json:"size"`
		Snapshots int   `json:"snapshot_count"`
	}
	err := i.ask(ctx, &info, "rbd", "info", i.at(from))
	if errors.Is(err, fs.ErrNotExist) { // an attempt that was cut short has renamed it
		from = imageOf(id)
		err = i.ask(ctx, &info, "rbd", "info", i.at(from))
	}
	switch {
	case err != nil:
		return err
	case info.Snapshots > 0:
		if err := i.clash(ctx, from); err != nil {
			return err
		}
	}
	rec, err := i.loadAt(ctx, parkedRecord(name))
	if errors.Is(err, fs.ErrNotExist) {
		rec, err = &record{SizeGiB: gib(info.Size), Clients: map[string]client{}}, nil
		rec.grow("raw")
	}
	if err != nil {
		return err
	}
	rec.ID = id
	if err := i.resize(ctx, from, max(rec.bytes(), info.Size)); err != nil {
		return err
	}
	if from == name {
		if err := i.rbd(ctx, "rename", i.at(name), i.at(imageOf(id))); err != nil {
			return err
		}
	}
	if err := i.saveAt(ctx, imageOf(id), rec); err != nil {
		return err
	}
	return i.forget(ctx, parkedRecord(name))
}

// clash refuses an image that has snapshots which the backend would take for its own.
func (i *images) clash(ctx context.Context, name string) error {
	list, err := i.marksOf(ctx, name)
	for _, m := range list {
		if marked.MatchString(m.Name) {
			return errs.New(errs.Conflict, "Image %s cannot be managed: %s.", name, clashOf(m.Name))
		}
	}
	return err
}

func (i *images) release(ctx context.Context, v *volume, name string) error {
	if !poolName.MatchString(name) || len(name) > 200 || ours.MatchString(name) {
		return errs.New(errs.Invalid, "%q is no name for an image that nobody manages.", name)
	}
	if v.rec.Bitmap != "" { // the next backup is a full one
		if err := i.unmark(ctx, v, backupMark+v.rec.Bitmap); err != nil {
			return err
		}
		v.rec.Bitmap = ""
	}
	if err := i.saveAt(ctx, parkedRecord(name), v.rec); err != nil {
		return err
	}
	if err := i.rbd(ctx, "rename", i.at(imageOf(v.rec.ID)), i.at(name)); err != nil {
		return err
	}
	return i.forget(ctx, imageOf(v.rec.ID))
}

package volume

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// manageableSnapshots reads the records of those volumes that have snapshots.
func (i *images) manageableSnapshots(ctx context.Context) ([]hostapi.ManageableSnapshot, error) {
	var list []listed
	if err := i.ask(ctx, &list, "rbd", "ls", "-l", i.Pool); err != nil {
		return nil, err
	}
	records := map[string]*record{}
	var out []hostapi.ManageableSnapshot
	for _, l := range list {
		id, isVolume := strings.CutPrefix(l.Image, "volume-")
		if l.Snapshot == "" || !isVolume || !ours.MatchString(l.Image) || marked.MatchString(l.Snapshot) {
			continue
		}
		rec, known := records[id]
		if !known {
			rec, _ = i.load(ctx, id) // nobody manages it, so nobody manages its snapshots
			records[id] = rec
		}
		switch {
		case rec == nil:
		case rec.snapshot(l.Snapshot) >= 0:
			size := rec.Layers[rec.snapshot(l.Snapshot)].SizeGiB
			out = append(out, hostapi.ManageableSnapshot{Name: l.Snapshot, Volume: id, SizeGiB: size, Reason: "already managed", Snapshot: l.Snapshot})
		default:
			out = append(out, strayOf(rec, l.Snapshot, l.Size))
		}
	}
	return out, nil
}

// strayOf is a snapshot that the record does not know.
func strayOf(r *record, name string, size int64) hostapi.ManageableSnapshot {
	return hostapi.ManageableSnapshot{Name: name, Volume: r.ID, SizeGiB: gib(size - r.Header), Safe: true}
}

func (i *images) strays(ctx context.Context, v *volume) (out []hostapi.ManageableSnapshot, err error) {
	list, err := i.marksOf(ctx, imageOf(v.rec.ID))
	if errors.Is(err, fs.ErrNotExist) { // a deletion that was cut short
		return nil, nil
	}
	for _, m := range list {
		if !marked.MatchString(m.Name) && v.rec.snapshot(m.Name) < 0 {
			out = append(out, strayOf(v.rec, m.Name, m.Size))
		}
	}
	return out, err
}

// adoptSnapshot gives a snapshot the name that its id is, and its place in the
// record by its age.
func (i *images) adoptSnapshot(ctx context.Context, v *volume, id, name string) error {
	image := imageOf(v.rec.ID)
	list, err := i.marksOf(ctx, image)
	if err != nil {
		return err
	}
	called := func(name string) int { return slices.IndexFunc(list, func(m mark) bool { return m.Name == name }) }
	at := called(id) // an attempt that was cut short has renamed it
	if at < 0 {
		if at = called(name); at < 0 || marked.MatchString(name) || v.rec.snapshot(name) >= 0 {
			return fs.ErrNotExist
		}
		if list[at].Protected == "true" { // as clones of old need it, and no others
			err := i.rbd(ctx, "snap", "unprotect", i.at(image+"@"+name))
			if errs.Is(err, errs.Unavailable) {
				return errs.Wrap(errs.Conflict, err, "Snapshot %s is protected and has clones of Ceph's first format; flatten them first.", name)
			}
			if err != nil {
				return err
			}
		}
		if err := i.rbd(ctx, "snap", "rename", i.at(image+"@"+name), i.at(image+"@"+id)); err != nil {
			return err
		}
	}
	before := 0
	for _, m := range list[:at] {
		if v.rec.snapshot(m.Name) >= 0 {
			before++
		}
	}
	l := layer{N: v.rec.Next, Format: "raw", Snapshot: id, SizeGiB: gib(list[at].Size - v.rec.Header)}
	v.rec.Layers = slices.Insert(slices.Clone(v.rec.Layers), before, l)
	v.rec.Next++
	return v.save(ctx)
}

func (i *images) releaseSnapshot(ctx context.Context, v *volume, id, name string) error {
	if !poolName.MatchString(name) || marked.MatchString(name) {
		return errs.New(errs.Invalid, "%q is no name for a snapshot that nobody manages.", name)
	}
	image := imageOf(v.rec.ID)
	err := i.rbd(ctx, "snap", "rename", i.at(image+"@"+id), i.at(image+"@"+name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // an attempt that was cut short has renamed it
		return err
	}
	at := v.rec.snapshot(id)
	v.rec.Layers = slices.Delete(slices.Clone(v.rec.Layers), at, at+1)
	return v.save(ctx)
}

package volume

import (
	"cmp"
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// The moment at which a volume is read is a snapshot. That of the last backup
// stays: what has changed since is what Ceph tells them apart by.
const (
	readMark   = "read"
	backupMark = "backup-"
)

func (i *images) read(ctx context.Context, ref hostapi.VolumeRef, want view, use func(s still) error) error {
	moment := readMark
	if want.backup != "" {
		moment = backupMark + want.backup
	}
	var s still
	d := daemon{i.b.cfg.RunDir, "s-" + short(ref.ID+moment)}
	err := i.b.with(ctx, ref, func(v *volume) (err error) {
		if want.plain {
			if err := v.checkKey(want.key); err != nil {
				return err
			}
		}
		if v.state.readers > 0 {
			return errs.New(errs.Unavailable, "Volume %s is being read for something else; try again.", ref.ID)
		}
		if s.changed, err = i.freeze(ctx, v, want, moment); err != nil {
			return err
		}
		if err := d.begin(ctx, func(q *qmp) error { return i.offerStill(ctx, v, q, d, want, moment) }); err != nil {
			return errors.Join(err, i.unmark(context.WithoutCancel(ctx), v, moment))
		}
		v.state.readers++
		return nil
	})
	if err != nil {
		return err
	}
	if s.Client, err = nbd.Dial(ctx, d.socket(), frozen, nbd.Allocation); err == nil {
		err = use(s)
		_ = s.Close() // it only reads
	}
	rest := context.WithoutCancel(ctx)
	return errors.Join(err, d.stop(rest), i.b.with(rest, ref, func(v *volume) error {
		v.state.readers--
		if want.backup == "" || err != nil {
			return i.unmark(rest, v, moment)
		}
		return i.keep(rest, v, want.backup)
	}))
}

// freeze makes the moment, and tells how to learn what has changed since an
// older one; nil: nobody knows.
func (i *images) freeze(ctx context.Context, v *volume, want view, moment string) (changed func(func(nbd.Extent) error) error, err error) {
	for _, old := range i.marks(ctx, v) {
		if !strings.HasPrefix(old.Name, "clone-") && marked.MatchString(old.Name) && old.Name != backupMark+v.rec.Bitmap { // of something that was cut short
			if err := i.unmark(ctx, v, old.Name); err != nil {
				return nil, err
			}
		}
	}
	if err := i.mark(ctx, v, moment); err != nil {
		return nil, err
	}
	if want.since == "" || want.since != v.rec.Bitmap {
		return nil, nil
	}
	var list []struct {
		Offset int64 `json:"offset"`
		Length int64 `json:"length"`
	}
	if err := i.ask(ctx, &list, "rbd", "diff", "--from-snap", backupMark+want.since, i.at(imageOf(v.rec.ID)+"@"+moment)); err != nil {
		i.b.log.WarnContext(ctx, "what a volume has changed since its backup is not known", "volume", v.rec.ID, "error", err)
		return nil, nil
	}
	return func(f func(nbd.Extent) error) error {
		for _, e := range list {
			if err := f(nbd.Extent{Offset: e.Offset, Length: e.Length}); err != nil {
				return err
			}
		}
		return nil
	}, nil
}

// mark is a snapshot as Ceph knows it. Those that are made later have higher ids.
type mark struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	Size      int64  `json:"size"`
	Protected string `json:"protected"`
}

// marksOf are an image's snapshots.
func (i *images) marksOf(ctx context.Context, name string) (list []mark, err error) {
	err = i.ask(ctx, &list, "rbd", "snap", "ls", i.at(name))
	slices.SortFunc(list, func(a, b mark) int { return cmp.Compare(a.ID, b.ID) })
	return list, err
}

// marks are a volume's snapshots; none if they cannot be told.
func (i *images) marks(ctx context.Context, v *volume) []mark {
	list, err := i.marksOf(ctx, imageOf(v.rec.ID))
	if err != nil {
		return nil
	}
	return list
}

// marked are the names of snapshots that the backend makes for itself.
var marked = regexp.MustCompile(`^(read|(backup|clone)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})$`)

// offerStill has a daemon serve the moment.
func (i *images) offerStill(ctx context.Context, v *volume, q *qmp, d daemon, want view, moment string) error {
	node, err := i.openAt(ctx, v, q, moment)
	if err != nil {
		return err
	}
	if want.plain && v.rec.Header > 0 {
		if err := q.addKey(ctx, want.key); err != nil {
			return err
		}
		crypt := object{"driver": "luks", "node-name": cryptNode, "file": node, "key-secret": "key", "read-only": true}
		if err := q.do(ctx, "blockdev-add", crypt, nil); err != nil {
			return err
		}
		node = cryptNode
	}
	if err := q.listen(ctx, object{"type": "unix", "data": object{"path": d.socket()}}, ""); err != nil {
		return err
	}
	return q.do(ctx, "block-export-add", object{"type": "nbd", "id": frozen, "node-name": node, "name": frozen}, nil)
}

// keep makes a backup the one that the next counts from.
func (i *images) keep(ctx context.Context, v *volume, backup string) error {
	old := v.rec.Bitmap
	if old == backup {
		return nil
	}
	v.rec.Bitmap = backup
	if err := v.save(ctx); err != nil || old == "" {
		return err
	}
	return i.unmark(ctx, v, backupMark+old)
}

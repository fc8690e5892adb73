package volume

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/schedule"
)

// making makes volumes: it chooses a backend and has the bytes made there.
type making struct{ s *Service }

// saga makes a volume in a backend. If one turns out to be full, the next
// is tried.
func (f *making) saga() saga.Definition[Work] {
	return saga.Definition[Work]{
		Kind: kindCreate, Version: 1,
		Steps: []step{
			{Name: "schedule", Do: f.schedule, Undo: f.unschedule},
			{Name: "create", Do: f.makeBytes, Undo: f.dropBytes, Timeout: long},
		},
		Done: f.s.finish(func(_ context.Context, _ *store.Tx, _ *Work, v *Volume) error {
			v.Status, v.LaunchedAt = Available, f.s.now()
			return nil
		}),
		Failed: f.s.fail(Error, actSchedule, createFailed),
	}
}

// schedule chooses a backend and writes it down.
func (f *making) schedule(ctx context.Context, w *Work) error {
	err := f.place(ctx, w)
	if errs.Is(err, errs.NoCapacity) { // there may be room since the last reports
		if err := f.s.Backends.ask(ctx); err != nil {
			return err
		}
		err = f.place(ctx, w)
	}
	return err
}

func (f *making) place(ctx context.Context, w *Work) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		if err != nil {
			return err
		}
		if v.Host != "" && !slices.Contains(w.Tried, v.Host) { // a run that crashed has chosen
			w.Place = v.Host
			return nil
		}
		if w.Place, err = f.choose(ctx, tx, v, w); err != nil {
			return err
		}
		v.Host = w.Place
		return f.s.Volumes.save(ctx, tx, v)
	})
}

// choose asks the scheduler for a backend.
func (f *making) choose(ctx context.Context, tx *store.Tx, v *Volume, w *Work) (string, error) {
	only, err := f.sourcePlace(ctx, tx, v)
	if err != nil {
		return "", err
	}
	return f.chooseAt(ctx, tx, v, w, only)
}

// chooseAt is choose among the backends of one name; "": all.
func (f *making) chooseAt(ctx context.Context, tx *store.Tx, v *Volume, w *Work, only string) (string, error) {
	kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
	if err != nil {
		return "", err
	}
	pools, err := f.s.Backends.pools(ctx, tx)
	if err != nil {
		return "", err
	}
	r := schedule.Request{SizeGiB: v.SizeGiB, Zone: v.Zone, Specs: kind.ExtraSpecs, Thick: thick(kind), Not: w.Tried, Only: only}
	if r.Different, err = f.placesOf(ctx, tx, w.Hints.Different); err != nil {
		return "", err
	}
	if r.Same, err = f.placesOf(ctx, tx, w.Hints.Same); err != nil {
		return "", err
	}
	best, found, refused := schedule.Choose(pools, r)
	if found {
		return best.Name, nil
	}
	why := make([]string, len(refused))
	for i, no := range refused {
		why[i] = no.Pool + ": " + no.Why
	}
	if len(why) == 0 {
		why = []string{"no host has reported a backend"}
	}
	return "", errs.New(errs.NoCapacity, "No valid backend was found. %s", strings.Join(why, "; "))
}

func thick(kind *Type) bool { return kind.ExtraSpecs["provisioning:type"] == "thick" }

// sourcePlace is where a volume must be because its source is there.
func (f *making) sourcePlace(ctx context.Context, tx *store.Tx, v *Volume) (string, error) {
	id := v.SourceID
	if v.SnapshotID != "" {
		snap, err := f.s.tables.Snapshots.Get(ctx, tx, v.SnapshotID)
		if err != nil {
			return "", err
		}
		id = snap.VolumeID
	}
	if id == "" {
		return f.s.Groups.HostOf(ctx, tx, v.GroupID)
	}
	src, err := f.s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return "", err
	}
	return src.Host, nil
}

func (f *making) placesOf(ctx context.Context, tx *store.Tx, volumes []string) ([]string, error) {
	if len(volumes) == 0 {
		return nil, nil
	}
	list, err := f.s.tables.Volumes.All(ctx, tx, store.In("id", volumes))
	out := []string{}
	for _, v := range list {
		out = append(out, v.Host)
	}
	return out, err
}

// pools are the backends as the scheduler sees them.
func (f *Backends) pools(ctx context.Context, tx *store.Tx) ([]schedule.Pool, error) {
	list, err := f.all(ctx, tx)
	if err != nil {
		return nil, err
	}
	room, err := f.s.tables.Allocated(ctx, tx)
	if err != nil {
		return nil, err
	}
	out := make([]schedule.Pool, 0, len(list))
	for _, b := range list {
		name := b.Place().String()
		p := schedule.Pool{
			Name: name, Host: b.Host, Backend: b.Name, Driver: b.Report.Driver, Zone: f.s.cfg.Zone,
			TotalGiB: b.Report.TotalGiB, FreeGiB: b.Report.FreeGiB, Thin: b.Report.Thin, Thick: b.Report.Thick,
			Reserved: b.Report.ReservedPercent, OverSubscription: cmp.Or(b.Report.OverSubscription, f.s.cfg.OverSubscription),
		}
		for _, o := range list {
			if o == b || sameBytes(o, b) { // what lies there by whichever host
				there := room[o.Place().String()]
				p.AllocatedGiB, p.Volumes = p.AllocatedGiB+there.GiB, p.Volumes+there.Volumes
			}
		}
		p.Out = f.Fault(b)
		out = append(out, p)
	}
	return out, nil
}

// unschedule forgets the backend, unless bytes may be left there for a deletion to find.
func (f *making) unschedule(ctx context.Context, w *Work) error {
	if w.Place == "" {
		return nil
	}
	return f.s.write(ctx, func(tx *store.Tx) error {
		return f.s.finish(func(_ context.Context, _ *store.Tx, _ *Work, v *Volume) error {
			v.Host = ""
			return nil
		})(ctx, tx, w)
	})
}

// makeBytes has the backend make the volume.
func (f *making) makeBytes(ctx context.Context, w *Work) error {
	order, err := f.order(ctx, w)
	if err != nil {
		return err
	}
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	_, err = h.CreateVolume(ctx, order)
	if errs.Is(err, errs.NoCapacity) {
		w.Tried = append(w.Tried, w.Place)
		return saga.Retry("schedule", err)
	}
	if err == nil && w.Backup != "" {
		err = f.s.Contents.restoreInto(ctx, h, w)
	}
	return err
}

// order is what the backend is told.
func (f *making) order(ctx context.Context, w *Work) (o *hostapi.VolumeCreate, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) error {
		v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		if err != nil {
			return err
		}
		kind, err := f.s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		o = &hostapi.VolumeCreate{SizeGiB: v.SizeGiB, Thick: thick(kind), Image: w.Image}
		o.VolumeRef = hostapi.VolumeRef{Backend: ParsePlace(w.Place).Backend, ID: v.ID}
		switch {
		case v.SnapshotID != "":
			snap, err := f.s.tables.Snapshots.Get(ctx, tx, v.SnapshotID)
			if err != nil {
				return err
			}
			ref := hostapi.VolumeSnapshotRef{SnapshotID: snap.ID}
			ref.VolumeRef = hostapi.VolumeRef{Backend: o.Backend, ID: snap.VolumeID}
			o.Snapshot = &ref
		case v.SourceID != "":
			o.Volume = &hostapi.VolumeRef{Backend: o.Backend, ID: v.SourceID}
		}
		o.Encryption, err = f.s.keys.encryption(ctx, tx, v)
		return err
	})
	return o, err
}

// dropBytes removes what a failed order left.
func (f *making) dropBytes(ctx context.Context, w *Work) error {
	h, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	err = gone(h.DeleteVolume(ctx, hostapi.VolumeRef{Backend: ParsePlace(w.Place).Backend, ID: w.Volume}))
	if away(err) {
		f.s.log.Warn("a volume's bytes are left until it is deleted", "volume", w.Volume, "place", w.Place, "error", err)
		w.Place = "" // the record keeps it
		return nil
	}
	return err
}

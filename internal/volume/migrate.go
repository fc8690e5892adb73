package volume

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Moves take volumes to other backends and types, while clients have them.
type Moves struct{ s *Service }

// Migrate moves a volume's bytes to another backend. lock keeps its user from
// stopping that.
func (f *Moves) Migrate(ctx context.Context, id, place string, lock bool) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume_extension:volume_admin_actions:migrate_volume", id)
		if err != nil {
			return err
		}
		list, err := f.s.Backends.all(ctx, tx)
		if err != nil {
			return err
		}
		b := backendOf(list, place)
		if b == nil || f.s.Backends.Fault(b) != "" {
			return errs.New(errs.Invalid, "Invalid host: No available service named '%s'", place)
		}
		place = b.Place().String()
		if err := f.movable(ctx, tx, v); err != nil {
			return err
		}
		if v.Host == place {
			return invalid("Volume %s: destination host/cluster must be different than the current one", v.ID)
		}
		was := v.Status
		v.MigrationStatus, v.PreviousStatus = "starting", was
		if lock && v.Status == Available {
			v.Status = Maintenance
		}
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindMigrate, resource(v.ID), Work{
			Volume: v.ID, Place: v.Host, To: place, Was: was, Same: sameBytes(backendOf(list, v.Host), b),
		})
	})
}

// sameBytes tells whether two hosts' backends are the same storage: then a volume
// moves without a copy, which would be one onto itself.
func sameBytes(a, b *Backend) bool {
	return a != nil && b != nil && a.Report.Shared && b.Report.Shared && a.Name == b.Name && a.Report.Driver == b.Report.Driver && a.Report.Pool == b.Report.Pool
}

// movable refuses to move what cannot be.
func (f *Moves) movable(ctx context.Context, tx *store.Tx, v *Volume) error {
	snaps, err := f.s.tables.Snapshots.Any(ctx, tx, store.Eq("volume_id", v.ID))
	if err != nil {
		return err
	}
	if snaps || v.Status != Available && v.Status != InUse || migrating(v) || v.GroupID != "" {
		return invalid("Volume %s status must be available or in-use, must not be migrating, have snapshots, be replicated, be part of a group "+
			"and destination host/cluster must be different than the current one", v.ID)
	}
	return nil
}

// Retype gives a volume another type; with onDemand its bytes are moved if they
// must be.
func (f *Moves) Retype(ctx context.Context, id, newType string, onDemand bool) error {
	return f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.Volumes.get(ctx, tx, "volume:retype", id)
		if err != nil {
			return err
		}
		kind, err := f.s.parts.typeOf(ctx, tx, newType)
		if err != nil {
			return err
		}
		multi := strings.EqualFold(kind.ExtraSpecs["multiattach"], "<is> true")
		switch {
		case multi != v.Multiattach && v.Status != Available:
			return errs.New(errs.Invalid, "Invalid input received: Invalid volume_type passed, retypes affecting multiattach are only allowed on available volumes, "+
				"the specified volume however currently has a status of: %s.", v.Status)
		case v.Status != Available && v.Status != InUse || migrating(v) || v.GroupID != "" || kind.ID == v.TypeID:
			return invalid("Retype needs volume to be in available or in-use state, not be part of an active migration or a consistency group, requested type has " +
				"to be different that the one from the volume, and for in-use volumes front-end qos specs cannot change.")
		case (kind.Encryption != nil) != v.Encrypted:
			return errs.New(errs.Invalid, "Invalid input received: A retype cannot begin or end the encryption of a volume; create a volume of the new type from it.")
		}
		if err := f.s.parts.spend(ctx, tx, Demand{Project: v.ProjectID, Type: kind.Name, Retyped: 1, GiB: v.SizeGiB}); err != nil {
			return err
		}
		w := Work{Volume: v.ID, Place: v.Host, Was: v.Status, Type: kind.ID, Multiattach: multi}
		if w.To, err = f.retypePlace(ctx, tx, v, kind); err != nil {
			return err
		}
		if w.To != v.Host {
			if !onDemand {
				return errs.New(errs.Invalid, "Invalid input received: The volume's backend does not fit the type %s, and the migration policy is never.", kind.Name)
			}
			if err := f.movable(ctx, tx, v); err != nil {
				return err
			}
			v.MigrationStatus = "starting"
			list, err := f.s.Backends.all(ctx, tx)
			if err != nil {
				return err
			}
			w.Same = sameBytes(backendOf(list, v.Host), backendOf(list, w.To))
		}
		v.PreviousStatus, v.Status = v.Status, Retyping
		if err := f.s.Volumes.save(ctx, tx, v); err != nil {
			return err
		}
		return f.s.begin(ctx, tx, kindMigrate, resource(v.ID), w)
	})
}

// retypePlace is where a volume of the new type would be: where it is, if that does.
func (f *Moves) retypePlace(ctx context.Context, tx *store.Tx, v *Volume, kind *Type) (string, error) {
	stays := *v
	stays.SnapshotID, stays.SourceID, stays.TypeID = "", "", kind.ID
	if _, err := f.s.making.chooseAt(ctx, tx, &stays, &Work{}, v.Host); err == nil {
		return v.Host, nil
	}
	return f.s.making.chooseAt(ctx, tx, &stays, &Work{}, "")
}

// migrateSaga copies a volume to another backend while its clients write, and
// lets them go on there. A retype that needs no copy is its last step alone.
func (f *Moves) migrateSaga() saga.Definition[Work] {
	stays := func(w *Work) bool { return w.To == "" || w.To == w.Place || w.Same }
	return saga.Definition[Work]{
		Kind: kindMigrate, Version: 1,
		Steps: []step{
			{Name: "create", Do: f.makeCopy, Undo: f.dropCopy, Timeout: long, Skip: stays},
			{Name: "copy", Do: f.copyBytes, Undo: f.endCopy, Timeout: long, Skip: stays},
			{Name: "switch", Do: f.switchPlace, Timeout: long},
		},
		Done: f.s.finish(func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error {
			v.Status, v.PreviousStatus = w.Was, ""
			if w.Type != "" {
				v.TypeID, v.Multiattach = w.Type, w.Multiattach
				if err := f.retypeSnapshots(ctx, tx, v); err != nil {
					return err
				}
			}
			if w.To == "" || w.To == w.Place {
				return nil
			}
			v.MigrationStatus = "success"
			return f.s.tellServers(ctx, tx, v, nil)
		}),
		Failed: func(ctx context.Context, tx *store.Tx, w *Work, cause *errs.Error) error {
			return f.s.finish(func(ctx context.Context, tx *store.Tx, w *Work, v *Volume) error {
				v.Status, v.PreviousStatus, v.MigrationStatus = w.Was, "", Error
				if v.Host == w.To { // it has moved, though not all of what it left is cleared away
					if err := f.s.tellServers(ctx, tx, v, nil); err != nil {
						return err
					}
				}
				return f.s.message(ctx, tx, "VOLUME", v.ID, v.ProjectID, actSchedule, detailOf(cause, unknownError))
			})(ctx, tx, w)
		},
	}
}

func (f *Moves) retypeSnapshots(ctx context.Context, tx *store.Tx, v *Volume) error {
	_, err := f.s.tables.Snapshots.Patch(ctx, tx, store.Changes{"volume_type_id": v.TypeID}, store.Eq("volume_id", v.ID))
	return err
}

// toRef is the volume where it will be.
func (w *Work) toRef() hostapi.VolumeRef {
	return hostapi.VolumeRef{Backend: ParsePlace(w.To).Backend, ID: w.Volume}
}

// mover is the client of the copy, which writes it.
const mover = "migration"

func (f *Moves) makeCopy(ctx context.Context, w *Work) error {
	h, err := f.s.host(w.To)
	if err != nil {
		return err
	}
	order := &hostapi.VolumeCreate{VolumeRef: w.toRef()}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		if err != nil {
			return err
		}
		order.SizeGiB = v.SizeGiB
		if order.Encryption, err = f.s.keys.encryption(ctx, tx, v); err != nil {
			return err
		}
		v.MigrationStatus = "migrating"
		return f.s.Volumes.save(ctx, tx, v)
	})
	if err == nil {
		_, err = h.CreateVolume(ctx, order)
	}
	return err
}

// moved reads a volume, and tells whether the copy is the volume now: then there
// is no way back.
func (f *Moves) moved(ctx context.Context, w *Work) (v *Volume, moved bool, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		v, err = f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		return err
	})
	return v, err == nil && v.Host == w.To, err
}

func (f *Moves) dropCopy(ctx context.Context, w *Work) error {
	v, moved, err := f.moved(ctx, w)
	if moved || err != nil {
		return gone(err)
	}
	h, err := f.s.host(w.To)
	if err != nil {
		return err
	}
	var ends []error
	for _, a := range connected(v) { // who was let in there and has not turned
		ends = append(ends, gone(h.UnexportVolume(ctx, w.toRef(), a.ID)))
	}
	ends = append(ends, gone(h.UnexportVolume(ctx, w.toRef(), mover)), gone(h.DeleteVolume(ctx, w.toRef())))
	for _, err := range ends {
		if away(err) {
			f.s.log.Warn("a copy of a volume is left in a backend whose host does not answer", "volume", w.Volume, "place", w.To)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *Moves) copyBytes(ctx context.Context, w *Work) error {
	to, err := f.s.host(w.To)
	if err != nil {
		return err
	}
	from, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	key, err := f.keyOf(ctx, w)
	if err != nil {
		return err
	}
	conn, err := to.ExportVolume(ctx, &hostapi.VolumeExport{VolumeRef: w.toRef(), Client: mover, Host: ParsePlace(w.Place).Host, Encryption: key})
	if err != nil {
		return err
	}
	return from.CopyVolume(ctx, &hostapi.VolumeCopy{From: w.ref(), To: *conn, Encryption: key})
}

func (f *Moves) keyOf(ctx context.Context, w *Work) (key *hostapi.VolumeEncryption, err error) {
	err = f.s.read(ctx, func(tx *store.Tx) error {
		v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		if err == nil {
			key, err = f.s.keys.encryption(ctx, tx, v)
		}
		return err
	})
	return key, err
}

// endCopy lets the clients in again where the volume is and stays.
func (f *Moves) endCopy(ctx context.Context, w *Work) error {
	_, moved, err := f.moved(ctx, w)
	if moved || err != nil {
		return gone(err)
	}
	key, err := f.keyOf(ctx, w)
	if err != nil {
		return gone(err)
	}
	from, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	return from.EndCopy(ctx, &hostapi.VolumeCopy{From: w.ref(), Encryption: key})
}

// switchPlace shuts the old place, lets the clients in at the new one, and
// tells them of it. Between the two nobody can write, so nothing is lost. From
// the change of the record on there is no way back.
func (f *Moves) switchPlace(ctx context.Context, w *Work) error {
	if w.To == "" || w.To == w.Place {
		return nil
	}
	to, err := f.s.host(w.To)
	if err != nil {
		return err
	}
	from, err := f.s.host(w.Place)
	if err != nil {
		return err
	}
	v, moved, err := f.moved(ctx, w)
	if err != nil {
		return err
	}
	if moved { // before a crash
		return f.leave(ctx, w, v, from, to)
	}
	if !w.Same {
		err := from.FinishCopy(ctx, w.ref())
		if errs.Is(err, errs.Conflict) {
			return saga.Retry("copy", err)
		}
		if err != nil {
			return err
		}
	}
	exports := map[string]opening{}
	err = f.s.read(ctx, func(tx *store.Tx) (err error) {
		if v, err = f.s.tables.Volumes.Get(ctx, tx, w.Volume); err != nil {
			return err
		}
		at := *v
		at.Host = w.To
		for _, a := range connected(v) {
			if exports[a.ID], err = f.s.Attachments.opening(ctx, tx, &at, a.ID, a.AttachedHost, a.Mode == "ro"); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if w.Same { // one host at a time serves the same bytes
		if err := f.shut(ctx, w, v); err != nil {
			return err
		}
	}
	reach := map[string]*Connection{}
	for _, a := range connected(v) {
		if reach[a.ID], err = f.s.Attachments.export(ctx, w.To, exports[a.ID]); err != nil {
			return err
		}
	}
	err = f.s.write(ctx, func(tx *store.Tx) error {
		v, err := f.s.tables.Volumes.Get(ctx, tx, w.Volume)
		if err != nil {
			return err
		}
		for _, a := range connected(v) {
			if reach[a.ID] == nil { // it has come meanwhile
				return errs.New(errs.Unavailable, "Volume %s has another client now.", v.ID)
			}
			a.Connection = reach[a.ID]
			if err := f.s.tables.Attachments.Update(ctx, tx, a); err != nil {
				return err
			}
		}
		v.Host, v.MigrationStatus = w.To, "completing"
		return f.s.Volumes.save(ctx, tx, v)
	})
	if err != nil {
		return err
	}
	return f.leave(ctx, w, v, from, to)
}

// leave shuts the place that a volume has left. What does not answer is asked
// again; nothing else may undo a volume that has moved.
func (f *Moves) leave(ctx context.Context, w *Work, v *Volume, from, to hostapi.VolumeHost) error {
	if w.Same {
		return nil
	}
	var all []error
	for _, a := range connected(v) {
		all = append(all, from.UnexportVolume(ctx, w.ref(), a.ID))
	}
	all = append(all, to.UnexportVolume(ctx, w.toRef(), mover), from.DeleteVolume(ctx, w.ref()))
	for _, err := range all {
		if away(err) {
			return err
		}
		if gone(err) != nil {
			f.s.log.Warn("something of a volume that has moved is left", "volume", w.Volume, "place", w.Place, "error", err)
		}
	}
	return nil
}

// connected are a volume's clients that have a connection.
func connected(v *Volume) []*Attachment {
	return slices.DeleteFunc(slices.Clone(v.Attachments), func(a *Attachment) bool { return a.Connection == nil })
}

// Complete answers whom Cinder would have waiting for the end of a
// migration: the volume that goes on is the new one, if both have none in progress.
func (f *Moves) Complete(ctx context.Context, id, other string) (string, error) {
	const rule = "volume_extension:volume_admin_actions:migrate_volume_completion"
	v, err := f.s.Volumes.ShowBy(ctx, rule, id)
	if err != nil {
		return "", err
	}
	next, err := f.s.Volumes.ShowBy(ctx, rule, other)
	if err != nil {
		return "", err
	}
	if migrating(v) || migrating(next) {
		return "", invalid("Destination volume not mid-migration: a migration completes itself.")
	}
	return next.ID, nil
}

package volume

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// ServerAttachment is a volume that becomes a server's. Compute chooses the id.
type ServerAttachment struct {
	ID, VolumeID, ServerID, ProjectID string
	Device                            string // /dev/vdb
}

// VolumeTx finds a volume that the actor may attach to his servers.
func (s *Service) VolumeTx(ctx context.Context, tx *store.Tx, id string) (*Volume, error) {
	return s.get(ctx, tx, "volume:get", id)
}

// SnapshotTx finds a snapshot that the actor may use.
func (s *Service) SnapshotTx(ctx context.Context, tx *store.Tx, id string) (*Snapshot, error) {
	return s.Snapshots.get(ctx, tx, "volume:get_snapshot", id)
}

// AwaitVolume waits until a volume is made, and says why if it is not.
func (s *Service) AwaitVolume(ctx context.Context, id string) error {
	return s.await(ctx, resource(id), func(tx *store.Tx) (bool, error) {
		v, err := s.tables.Volumes.Get(ctx, tx, id)
		switch {
		case errs.Is(err, errs.NotFound):
			return false, NotFound(id)
		case err == nil && v.Status == Error:
			return false, errs.New(errs.Conflict, "Volume %s is in status error; its messages say why.", id)
		case err != nil:
			return false, err
		}
		return v.Status == Creating || v.Status == Downloading, nil
	})
}

// await waits for the saga of a resource, until the resource is no longer pending.
func (s *Service) await(ctx context.Context, about string, pending func(tx *store.Tx) (bool, error)) error {
	const every = 500 * time.Millisecond // for sagas of another process; ours are waited for
	for {
		var at string
		var more bool
		err := s.read(ctx, func(tx *store.Tx) (err error) {
			if more, err = pending(tx); err != nil {
				return err
			}
			x, _, err := s.sagas.Active(ctx, tx, about)
			at = x.ID
			return err
		})
		if err != nil || !more {
			return err
		}
		if at != "" {
			x, err := s.sagas.Wait(ctx, at)
			if err != nil {
				return err
			}
			if x.State.Ended() {
				continue
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(every):
		}
	}
}

// ReserveTx takes a volume for a server, in the request's transaction.
func (s *Service) ReserveTx(ctx context.Context, tx *store.Tx, r ServerAttachment) error {
	v, err := s.tables.Volumes.Get(ctx, tx, r.VolumeID)
	if errs.Is(err, errs.NotFound) {
		return NotFound(r.VolumeID)
	}
	if err != nil {
		return err
	}
	if slices.ContainsFunc(v.Attachments, func(a *Attachment) bool { return a.ID == r.ID }) {
		return nil
	}
	if err := s.policy.Check(ctx, "volume:attachment_create", v.target()); err != nil {
		return err
	}
	shared := v.Multiattach && slices.Contains([]string{InUse, Reserved, Attaching}, v.Status)
	if migrating(v) || v.Status != Available && !shared {
		return errs.New(errs.Invalid, "Invalid volume: Volume %s status must be available or downloading to reserve, but the current status is %s.", v.ID, v.Status)
	}
	if err := s.frozen(ctx, tx, v.Host); err != nil {
		return err
	}
	a := &Attachment{
		ID: r.ID, VolumeID: v.ID, ProjectID: r.ProjectID, InstanceID: r.ServerID, Mountpoint: r.Device, Mode: "rw",
		Status: "reserved", New: true, CreatedAt: s.now(), UpdatedAt: s.now(),
	}
	if v.ReadOnly {
		a.Mode = "ro"
	}
	if err := s.tables.Attachments.Insert(ctx, tx, a); err != nil {
		return err
	}
	return s.restate(ctx, tx, v.ID)
}

// byAttachment are the statuses that only attachments make: a volume with
// another has an operation at work, which ends as it says.
var byAttachment = []string{Available, Reserved, Attaching, InUse, Detaching, "error_attaching", "error_detaching"}

// restate gives a volume the status that its attachments make.
func (s *Service) restate(ctx context.Context, tx *store.Tx, id string) error {
	v, err := s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	before := v.Status
	v.settle()
	if !slices.Contains(byAttachment, before) {
		if slices.Contains(byAttachment, v.PreviousStatus) {
			v.PreviousStatus = v.Status
		}
		v.Status = before
	}
	return s.save(ctx, tx, v)
}

// ofServer reads an attachment with its volume.
func (s *Service) ofServer(ctx context.Context, tx *store.Tx, id string) (*Attachment, *Volume, error) {
	a, err := s.tables.Attachments.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, nil, attachmentNotFound(id)
	}
	if err != nil {
		return nil, nil, err
	}
	v, err := s.tables.Volumes.Get(ctx, tx, a.VolumeID)
	return a, v, err
}

// ConnectVolume makes a reserved volume reachable from a host, and from no
// other: one that was reached from elsewhere is cut off there first. complete
// tells whether CompleteTx was said of it already.
func (s *Service) ConnectVolume(ctx context.Context, id, host string) (complete bool, err error) {
	var a *Attachment
	var v *Volume
	export := &hostapi.VolumeExport{Client: id, Host: host}
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		if a, v, err = s.ofServer(ctx, tx, id); err != nil {
			return err
		}
		kind, err := s.parts.typeByID(ctx, tx, v.TypeID)
		if err != nil {
			return err
		}
		export.VolumeRef, export.ReadOnly, export.Limits = v.ref(), a.Mode == "ro", kind.Spec.Limits(v.SizeGiB)
		export.Encryption, err = s.encryptionTx(ctx, tx, v)
		return err
	})
	if err != nil {
		return false, err
	}
	if a.AttachedHost == host && len(a.Connection) > 0 {
		return a.Status == "attached", nil
	}
	if err := s.DisconnectVolume(ctx, id, a.AttachedHost); err != nil {
		return false, err
	}
	h, err := s.host(v.Host)
	if err != nil {
		return false, err
	}
	c, err := h.ExportVolume(ctx, export)
	if err != nil {
		return false, err
	}
	return false, s.write(ctx, func(tx *store.Tx) error {
		a, _, err := s.ofServer(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.Connection, err = toMap(c); err != nil {
			return err
		}
		a.AttachedHost, a.UpdatedAt = host, s.now()
		if a.Status == "reserved" {
			a.Status = "attaching"
		}
		if err := s.tables.Attachments.Update(ctx, tx, a); err != nil {
			return err
		}
		return s.restate(ctx, tx, a.VolumeID)
	})
}

// DisconnectVolume ends a host's way to a volume, which stays reserved. host ""
// means whichever has one.
func (s *Service) DisconnectVolume(ctx context.Context, id, host string) error {
	var a *Attachment
	var v *Volume
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		a, v, err = s.ofServer(ctx, tx, id)
		return err
	})
	if err != nil || a.AttachedHost == "" || host != "" && a.AttachedHost != host {
		return err
	}
	h, err := s.host(v.Host)
	if err != nil {
		return err
	}
	if err := gone(h.UnexportVolume(ctx, v.ref(), id)); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		a, v, err := s.ofServer(ctx, tx, id)
		if err != nil {
			return err
		}
		a.AttachedHost, a.Connection, a.Status, a.UpdatedAt = "", nil, "reserved", s.now()
		if err := s.tables.Attachments.Update(ctx, tx, a); err != nil || v.Status == Detaching {
			return err
		}
		return s.restate(ctx, tx, a.VolumeID)
	})
}

// ServerConnection is how a server's host reaches a volume, and what it finds.
type ServerConnection struct {
	hostapi.VolumeConnection
	SizeGiB     int
	Multiattach bool
}

// Connections are how a server's host reaches its volumes, by attachment.
func (s *Service) Connections(ctx context.Context, serverID string) (map[string]ServerConnection, error) {
	out := map[string]ServerConnection{}
	err := s.read(ctx, func(tx *store.Tx) error {
		list, err := s.tables.Attachments.All(ctx, tx, store.Eq("instance_id", serverID))
		if err != nil {
			return err
		}
		for _, a := range list {
			if len(a.Connection) == 0 {
				continue
			}
			v, err := s.tables.Volumes.Get(ctx, tx, a.VolumeID)
			if err != nil {
				return err
			}
			c := ServerConnection{SizeGiB: v.SizeGiB, Multiattach: v.Multiattach}
			if err := fromMap(a.Connection, &c.VolumeConnection); err != nil {
				return fmt.Errorf("connection of attachment %s: %w", a.ID, err)
			}
			out[a.ID] = c
		}
		return nil
	})
	return out, err
}

// CompleteTx says that the server's guest has the volume.
func (s *Service) CompleteTx(ctx context.Context, tx *store.Tx, id string) error {
	a, _, err := s.ofServer(ctx, tx, id)
	if err != nil || a.Status == "attached" {
		return err
	}
	a.Status, a.AttachedAt, a.UpdatedAt = "attached", s.now(), s.now()
	if err := s.tables.Attachments.Update(ctx, tx, a); err != nil {
		return err
	}
	return s.restate(ctx, tx, a.VolumeID)
}

// DetachingTx says that the guest is about to lose the volume, or does not after all.
func (s *Service) DetachingTx(ctx context.Context, tx *store.Tx, id string, going bool) error {
	a, v, err := s.ofServer(ctx, tx, id)
	if err != nil {
		return err
	}
	if !going {
		return s.restate(ctx, tx, a.VolumeID)
	}
	if migrating(v) || !slices.Contains([]string{InUse, Attaching, Detaching, Reserved}, v.Status) {
		return errs.New(errs.Invalid, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.")
	}
	v.Status = Detaching
	return s.save(ctx, tx, v)
}

// DetachTx gives a volume back that no host reaches any more.
func (s *Service) DetachTx(ctx context.Context, tx *store.Tx, id string) error {
	a, _, err := s.ofServer(ctx, tx, id)
	if err != nil {
		return err
	}
	if a.AttachedHost != "" {
		return errs.New(errs.Conflict, "Volume %s is still connected to host %s.", a.VolumeID, a.AttachedHost)
	}
	if err := s.tables.Attachments.Delete(ctx, tx, id); err != nil {
		return err
	}
	return s.restate(ctx, tx, a.VolumeID)
}

// DeleteTx begins the deletion of a volume whose server has ended.
func (s *Service) DeleteTx(ctx context.Context, tx *store.Tx, id string) error {
	v, err := s.tables.Volumes.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return NotFound(id)
	}
	if err != nil {
		return err
	}
	return s.deleteTx(ctx, tx, v, deletion{})
}

func toMap(v any) (m map[string]any, err error) {
	data, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	return m, err
}

func fromMap(m map[string]any, v any) error {
	data, err := json.Marshal(m)
	if err == nil {
		err = json.Unmarshal(data, v)
	}
	return err
}

// SnapshotVolumeTx begins a snapshot of a server's volume.
func (s *Service) SnapshotVolumeTx(ctx context.Context, tx *store.Tx, n NewSnapshot) (*Snapshot, error) {
	return s.Snapshots.CreateTx(ctx, tx, n)
}

// AwaitSnapshot waits until a snapshot is made, and says why if it is not.
func (s *Service) AwaitSnapshot(ctx context.Context, id string) error {
	return s.await(ctx, "snapshot/"+id, func(tx *store.Tx) (bool, error) {
		p, err := s.tables.Snapshots.Get(ctx, tx, id)
		switch {
		case errs.Is(err, errs.NotFound):
			return false, snapshotNotFound(id)
		case err == nil && p.Status == Error:
			return false, errs.New(errs.Conflict, "Snapshot %s is in status error; its messages say why.", id)
		case err != nil:
			return false, err
		}
		return p.Status == Creating, nil
	})
}

// DeleteSnapshotTx begins the deletion of a snapshot of the actor's.
func (s *Service) DeleteSnapshotTx(ctx context.Context, tx *store.Tx, id string) error {
	p, err := s.Snapshots.get(ctx, tx, "volume:delete_snapshot", id)
	if err != nil {
		return err
	}
	return s.Snapshots.DeleteTx(ctx, tx, p, false)
}

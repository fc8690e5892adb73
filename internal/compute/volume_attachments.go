package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// AttachVolume is a request to give a server a volume.
type AttachVolume struct {
	VolumeID, Device, Tag string
	DeleteOnTermination   bool
	// Shared is whether the client knows of volumes with several servers.
	Shared bool
}

// List lists a server's volumes in their order.
func (s *VolumeAttachments) List(ctx context.Context, id, rule string) ([]*VolumeDevice, error) {
	var list []*VolumeDevice
	err := s.read(ctx, func(tx *store.Tx) error {
		if _, err := s.load(ctx, tx, id, rule); err != nil {
			return err
		}
		var err error
		list, err = s.connections.of(ctx, tx, id)
		return err
	})
	return list, err
}

// Show returns one of a server's volumes.
func (s *VolumeAttachments) Show(ctx context.Context, id, volumeID, rule string) (*VolumeDevice, error) {
	var d *VolumeDevice
	err := s.read(ctx, func(tx *store.Tx) error {
		if _, err := s.load(ctx, tx, id, rule); err != nil {
			return err
		}
		var err error
		d, err = s.connections.one(ctx, tx, id, volumeID)
		return err
	})
	return d, err
}

// Attach gives a server a volume, and returns when the guest has it. One
// without a guest gets it with its next.
func (s *VolumeAttachments) Attach(ctx context.Context, id string, want AttachVolume) (*VolumeDevice, error) {
	if err := s.settled(ctx, id, "attach_volume"); err != nil {
		return nil, err
	}
	var d *VolumeDevice
	var at saga.Saga
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("attach_volume"))
		if err != nil {
			return err
		}
		if s.volumes == nil {
			return errs.New(errs.NotFound, "Volume %s could not be found.", want.VolumeID)
		}
		if d, err = s.newDevice(ctx, tx, srv, want); err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "attach_volume"); err != nil {
			return err
		}
		if err := s.volumes.ReserveTx(ctx, tx, srv.attachment(d)); err != nil {
			return err
		}
		if err := s.devices.Insert(ctx, tx, d); err != nil {
			return err
		}
		if srv.Host == "" { // nobody reaches it yet, but it is the server's: in use, as Nova says
			if err := s.volumes.CompleteTx(ctx, tx, d.AttachmentID); err != nil {
				return err
			}
			return s.journal.recordDone(ctx, tx, srv, "attach_volume")
		}
		at, err = s.start(ctx, tx, srv, "attach_volume", d)
		return err
	})
	if err != nil || at.ID == "" {
		return d, err
	}
	_, err = s.Interfaces.awaitPlugging(ctx, at, "Volume "+d.VolumeID+" of instance "+at.Resource+" stays as it was")
	return d, err
}

// newDevice is the device that the request makes of a volume.
func (s *VolumeAttachments) newDevice(ctx context.Context, tx *store.Tx, srv *Server, want AttachVolume) (*VolumeDevice, error) {
	v, err := s.volumes.VolumeTx(ctx, tx, want.VolumeID)
	if err != nil {
		return nil, err
	}
	shelved := srv.VMState == VMShelvedOffloaded
	switch {
	case v.Multiattach && !want.Shared:
		return nil, errs.New(errs.Invalid, "Multiattach volumes are only supported starting with compute API version 2.60.")
	case v.Multiattach && shelved:
		return nil, errs.New(errs.Invalid, "Attaching multiattach volumes is not supported for shelved-offloaded instances.")
	case want.Tag != "" && shelved:
		return nil, errs.New(errs.Invalid, "Tagged volume attachment is not supported for shelved-offloaded instances.")
	}
	others, err := s.connections.of(ctx, tx, srv.ID)
	if err != nil {
		return nil, err
	}
	d := &VolumeDevice{
		ID: ids.New(), ServerID: srv.ID, VolumeID: v.ID, AttachmentID: ids.New(), Source: "volume", SourceID: v.ID, SizeGiB: v.SizeGiB,
		BootIndex: -1, Tag: want.Tag, DeleteOnTermination: want.DeleteOnTermination, Multiattach: v.Multiattach,
		State: DeviceReserved, CreatedAt: s.now().UTC(),
	}
	for _, o := range others {
		if o.VolumeID == v.ID {
			return nil, errs.New(errs.Invalid, "Invalid volume: volume %s already attached", v.ID)
		}
		d.Number = max(d.Number, o.Number+1)
	}
	return d, srv.nameDevice(d, want.Device, others)
}

// Detach takes a volume from a server, and returns when the guest has let
// go of it. What takes longer goes on.
func (s *VolumeAttachments) Detach(ctx context.Context, id, volumeID string) error {
	if err := s.settled(ctx, id, "detach_volume"); err != nil {
		return err
	}
	var d *VolumeDevice
	var at saga.Saga
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("detach_volume"))
		if err != nil {
			return err
		}
		if d, err = s.connections.one(ctx, tx, id, volumeID); err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "detach_volume"); err != nil {
			return err
		}
		switch {
		case d.root():
			return errs.New(errs.Invalid, "Cannot detach a root device volume")
		case srv.Host == "":
			if err := s.volumes.DetachTx(ctx, tx, d.AttachmentID); err != nil {
				return err
			}
			if err := s.devices.Delete(ctx, tx, d.ID); err != nil {
				return err
			}
			return s.journal.recordDone(ctx, tx, srv, "detach_volume")
		}
		if err := s.volumes.DetachingTx(ctx, tx, d.AttachmentID, true); err != nil {
			return err
		}
		d.State = DeviceDetaching
		if err := s.devices.Update(ctx, tx, d); err != nil {
			return err
		}
		at, err = s.start(ctx, tx, srv, "detach_volume", d)
		return err
	})
	if err != nil || at.ID == "" {
		return err
	}
	_, err = s.Interfaces.awaitPlugging(ctx, at, "Volume "+d.VolumeID+" of instance "+at.Resource+" stays as it was")
	return err
}

// Keep says whether a volume ends with its server.
func (s *VolumeAttachments) Keep(ctx context.Context, id, volumeID string, deleteOnTermination bool) error {
	return s.write(ctx, func(tx *store.Tx) error {
		if _, err := s.load(ctx, tx, id, "os-volumes-attachments:update"); err != nil {
			return err
		}
		d, err := s.connections.one(ctx, tx, id, volumeID)
		if err != nil {
			return err
		}
		d.DeleteOnTermination = deleteOnTermination
		return s.devices.Update(ctx, tx, d)
	})
}

// Swap would give a guest another volume in the place of one, with its
// bytes. This cloud moves the bytes of a volume in use by retyping or migrating it.
func (s *VolumeAttachments) Swap(ctx context.Context, id, volumeID, with string) error {
	return s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "os-volumes-attachments:swap")
		if err != nil {
			return err
		}
		if _, err := s.connections.one(ctx, tx, id, volumeID); err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "swap_volume"); err != nil {
			return err
		}
		if _, err := s.volumes.VolumeTx(ctx, tx, with); err != nil {
			return invalidIfMissing(err, "Volume %s could not be found.", with)
		}
		return errs.New(errs.Invalid, "Volume %s cannot be swapped with volume %s: this cloud's hosts do not copy between two volumes of a guest. "+
			"To move the bytes of a volume in use, retype or migrate it.", volumeID, with)
	})
}

// settled waits for what is being plugged or unplugged of the server: in
// Nova such requests go side by side, and clients send them so.
func (s *VolumeAttachments) settled(ctx context.Context, id, action string) error {
	patience, cancel := context.WithTimeout(ctx, s.cfg.InterfaceWait)
	defer cancel()
	for {
		var at saga.Saga
		var busy bool
		err := s.read(ctx, func(tx *store.Tx) error {
			_, err := s.load(ctx, tx, id, policyOf(action))
			if err == nil {
				at, busy, err = s.sagas.Active(ctx, tx, id)
			}
			return err
		})
		if err != nil || !busy || at.Kind != kindVolume && at.Kind != kindInterface {
			return err
		}
		if _, err := s.sagas.Wait(patience, at.ID); err != nil {
			return ctx.Err() // the request itself then says what is going on
		}
	}
}

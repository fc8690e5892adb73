package compute

import (
	"context"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// start begins volumeSaga on the server and says which it is. Servers
// show no task for it, as in Nova.
func (s *VolumeAttachments) start(ctx context.Context, tx *store.Tx, srv *Server, action string, d *VolumeDevice) (saga.Saga, error) {
	srv.Generation++
	if err := s.journal.begin(ctx, tx, srv, kindVolume, action, &attaching{Device: d.ID}); err != nil {
		return saga.Saga{}, err
	}
	at, _, err := s.sagas.Active(ctx, tx, srv.ID)
	return at, err
}

// volumeSaga plugs a volume that is reserved, or unplugs one and gives it back.
func (s *VolumeAttachments) volumeSaga() saga.Definition[attaching] {
	attach := func(j *attaching) bool { return j.Name == "attach_volume" }
	return saga.Definition[attaching]{
		Kind: kindVolume, Version: 1,
		Steps: []saga.Step[attaching]{
			{Name: "ensure", Timeout: 15 * time.Minute, Do: s.plug, Undo: s.unplug},
			{Name: "disconnect", Do: func(ctx context.Context, j *attaching) error {
				if attach(j) {
					return nil
				}
				return s.disconnect(ctx, j)
			}},
		},
		Done: finish(s.core, func(ctx context.Context, tx *store.Tx, j *attaching, _ *Server) error {
			if attach(j) {
				return nil
			}
			return s.drop(ctx, tx, j)
		}),
		Failed: fail(s.core, func(ctx context.Context, tx *store.Tx, j *attaching, srv *Server, _ *errs.Error) error {
			srv.Generation++ // the repair ensures the server as it is now
			if attach(j) {
				return s.drop(ctx, tx, j)
			}
			return nil
		}),
	}
}

// plug has the server's host give the guest what it should have.
func (s *VolumeAttachments) plug(ctx context.Context, j *attaching) error {
	return step(s.core, "compute_"+j.Name, each[attaching](s.machines.spawn))(ctx, j)
}

// unplug takes a volume back that the guest may have got, or leaves it
// the one that it was about to lose. A host that does not answer loses the
// connection: whatever its guest does then does not reach the volume.
func (s *VolumeAttachments) unplug(ctx context.Context, j *attaching) error {
	if j.Name == "detach_volume" {
		return s.change(ctx, j, func(tx *store.Tx, d *VolumeDevice) error {
			if d.State != DeviceDetaching {
				return nil
			}
			d.State = DeviceReserved // until the guest is seen with it
			return s.volumes.DetachingTx(ctx, tx, d.AttachmentID, false)
		})
	}
	err := s.change(ctx, j, func(_ *store.Tx, d *VolumeDevice) error {
		d.State = DeviceDetaching
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := s.machines.ensure(ctx, j.Host, j.Server); err != nil {
		s.log.WarnContext(ctx, "a volume is taken from a guest that may still have it", "server", j.Server, "host", j.Host, "error", err)
	}
	return s.disconnect(ctx, j)
}

// change changes the saga's device and raises the server's generation.
func (s *VolumeAttachments) change(ctx context.Context, j *attaching, f func(tx *store.Tx, d *VolumeDevice) error) error {
	return s.write(ctx, func(tx *store.Tx) error {
		d, err := s.devices.Get(ctx, tx, j.Device)
		if err != nil {
			return err
		}
		if err := f(tx, d); err != nil {
			return err
		}
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		srv.Generation++
		if err := s.save(ctx, tx, srv); err != nil {
			return err
		}
		return s.devices.Update(ctx, tx, d)
	})
}

// disconnect ends the host's way to the saga's volume.
func (s *VolumeAttachments) disconnect(ctx context.Context, j *attaching) error {
	var d *VolumeDevice
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		d, err = s.devices.Get(ctx, tx, j.Device)
		return err
	})
	if err != nil {
		return err
	}
	err = s.volumes.DisconnectVolume(ctx, d.AttachmentID, j.Host)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return ofVolume(err, "disconnect", d, j.Host)
	}
	return nil
}

// drop gives the saga's volume back and forgets the device.
func (s *VolumeAttachments) drop(ctx context.Context, tx *store.Tx, j *attaching) error {
	d, err := s.devices.Get(ctx, tx, j.Device)
	if err != nil {
		return err
	}
	if err := s.volumes.DetachTx(ctx, tx, d.AttachmentID); err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	return s.devices.Delete(ctx, tx, d.ID)
}

package compute

import (
	"context"
	"errors"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// A server's volumes follow it: whoever has a host ensure the server connects
// them to that host before, and whoever removes the guest disconnects them
// after. In between nobody else gives a volume another client.

// readDevices reads a server's volumes.
func (s *connections) readDevices(ctx context.Context, id string) (list []*VolumeDevice, err error) {
	if s.volumes == nil {
		return nil, nil
	}
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.of(ctx, tx, id)
		return err
	})
	return list, err
}

// connect makes a server's volumes reachable from a host, and returns
// those of which nobody has said that the guest has them.
func (s *connections) connect(ctx context.Context, host, id string) ([]*VolumeDevice, error) {
	list, err := s.readDevices(ctx, id)
	if err != nil {
		return nil, err
	}
	var fresh []*VolumeDevice
	for _, d := range list {
		if d.State != DeviceReserved && d.State != DeviceAttached {
			continue
		}
		complete, err := s.volumes.ConnectVolume(ctx, d.AttachmentID, host)
		if err != nil {
			return nil, ofVolume(err, "connect", d, host)
		}
		if !complete || d.State != DeviceAttached {
			fresh = append(fresh, d)
		}
	}
	return fresh, nil
}

// ofVolume says which volume an error is about.
func ofVolume(err error, verb string, d *VolumeDevice, host string) error {
	return errs.Wrap(errs.KindOf(err), err, "Could not %s volume %s for host %s: %s", verb, d.VolumeID, host, errs.As(err).Msg)
}

// complete says of the volumes that were connected that the guest has them.
func (s *connections) complete(ctx context.Context, connected []*VolumeDevice) error {
	if len(connected) == 0 {
		return nil
	}
	return s.write(ctx, func(tx *store.Tx) error {
		for _, d := range connected {
			now, err := s.devices.Get(ctx, tx, d.ID)
			if errors.Is(err, store.ErrNoRows) || err == nil && now.State == DeviceDetaching {
				continue
			}
			if err != nil {
				return err
			}
			if err := s.volumes.CompleteTx(ctx, tx, now.AttachmentID); err != nil {
				return err
			}
			now.State = DeviceAttached
			if err := s.devices.Update(ctx, tx, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// disconnect ends the connections of a server's volumes to a host that
// has no guest of it any more. Volumes that are connected elsewhere stay so.
func (s *connections) disconnect(ctx context.Context, host, id string) error {
	list, err := s.readDevices(ctx, id)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.State == DeviceMaking {
			continue
		}
		if err := s.volumes.DisconnectVolume(ctx, d.AttachmentID, host); err != nil && !errs.Is(err, errs.NotFound) {
			return ofVolume(err, "disconnect", d, host)
		}
	}
	return nil
}

// park notes that no guest has the server's volumes, which stay reserved for it.
func (s *connections) park(ctx context.Context, tx *store.Tx, id string) error {
	list, err := s.of(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.State != DeviceAttached {
			continue
		}
		d.State = DeviceReserved
		if err := s.devices.Update(ctx, tx, d); err != nil {
			return err
		}
	}
	return nil
}

// await waits until the volumes that the request began to make are
// there, and reserves them.
func (s *connections) await(ctx context.Context, j *job) error {
	list, err := s.readDevices(ctx, j.Server)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.State != DeviceMaking {
			continue
		}
		if err := s.volumes.AwaitVolume(ctx, d.VolumeID); err != nil {
			return errs.Wrap(errs.KindOf(err), err, "Build of instance %s aborted: volume %s was not made: %s", j.Server, d.VolumeID, errs.As(err).Msg)
		}
		err := s.write(ctx, func(tx *store.Tx) error {
			srv, err := s.servers.Get(ctx, tx, j.Server)
			if err != nil {
				return err
			}
			if err := s.volumes.ReserveTx(ctx, tx, srv.attachment(d)); err != nil {
				return err
			}
			d.State = DeviceReserved
			return s.devices.Update(ctx, tx, d)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// abandon gives back the volumes of a server that was not built.
func (s *connections) abandon(ctx context.Context, j *job) error {
	list, err := s.readDevices(ctx, j.Server)
	if err != nil {
		return err
	}
	for _, d := range list {
		if d.State == DeviceMaking { // one that is being made cannot be deleted
			if err := s.volumes.AwaitVolume(ctx, d.VolumeID); err != nil && ctx.Err() != nil {
				return err
			}
		}
	}
	return s.write(ctx, func(tx *store.Tx) error { return s.release(ctx, tx, j.Server) })
}

// release gives a server's volumes back, and deletes those that end with
// it. One that cannot be deleted, because it has snapshots, say, stays: it is its
// owner's, who sees it.
func (s *connections) release(ctx context.Context, tx *store.Tx, id string) error {
	list, err := s.of(ctx, tx, id)
	if err != nil {
		return err
	}
	for _, d := range list {
		if err := s.volumes.DetachTx(ctx, tx, d.AttachmentID); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		if err := s.devices.Delete(ctx, tx, d.ID); err != nil {
			return err
		}
		if !d.DeleteOnTermination {
			continue
		}
		err := s.volumes.DeleteTx(ctx, tx, d.VolumeID)
		switch errs.KindOf(err) {
		case errs.NotFound, errs.Invalid, errs.Conflict, errs.Forbidden:
			s.log.WarnContext(ctx, "volume of a deleted server stays", "server", id, "volume", d.VolumeID, "error", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// specs are the server's volumes as its host is to know them: those that
// are connected, and not those that the guest is to lose.
func (s *connections) specs(ctx context.Context, id string, list []*VolumeDevice) ([]hostapi.Volume, error) {
	if len(list) == 0 {
		return nil, nil
	}
	connections, err := s.volumes.Connections(ctx, id)
	if err != nil {
		return nil, err
	}
	var out []hostapi.Volume
	for _, d := range list {
		c, ok := connections[d.AttachmentID]
		if !ok || d.State == DeviceDetaching {
			continue
		}
		out = append(out, hostVolume(d, c))
	}
	return out, nil
}

// hostVolume is a device as its host is told of it.
func hostVolume(d *VolumeDevice, c volume.ServerConnection) hostapi.Volume {
	return hostapi.Volume{
		ID: d.VolumeID, AttachmentID: d.AttachmentID, Device: strings.TrimPrefix(d.Name, "/dev/"), Boot: d.root(), Bus: d.Bus,
		DeviceType: d.Type, Tag: d.Tag, Shareable: c.Multiattach, SizeGiB: c.SizeGiB, Connection: c.VolumeConnection,
	}
}

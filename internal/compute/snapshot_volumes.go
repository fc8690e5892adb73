package compute

import (
	"context"
	"encoding/json"
	"maps"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// An image of a server that boots from a volume holds no bytes: it names
// snapshots of the server's volumes, from which the next server gets its own.

// beginVolumes begins snapshots of a server's volumes, makes the image that
// names them, and begins the saga that waits for them.
func (s *Snapshots) beginVolumes(ctx context.Context, tx *store.Tx, srv *Server, name string, metadata map[string]string, imageID string) error {
	devices, err := s.connections.of(ctx, tx, srv.ID)
	if err != nil {
		return err
	}
	var entries []imageDevice
	for _, d := range devices {
		snap, err := s.volumes.SnapshotVolumeTx(ctx, tx, volume.NewSnapshot{
			VolumeID: d.VolumeID, Name: "snapshot for " + name, Force: true,
		})
		if err != nil {
			return err
		}
		e := imageDevice{
			SourceType: "snapshot", DestinationType: "volume", SnapshotID: snap.ID, VolumeSize: snap.SizeGiB, DeviceName: d.Name,
			DeviceType: d.Type, DiskBus: d.Bus, Tag: d.Tag, DeleteOnTermination: d.DeleteOnTermination,
		}
		if d.BootIndex >= 0 {
			e.BootIndex = &d.BootIndex
		}
		entries = append(entries, e)
	}
	text, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	props := map[string]string{}
	for k, v := range srv.ImageProps {
		if !notInherited(k) && !describesBytes[k] {
			props[k] = v
		}
	}
	maps.Copy(props, metadata) // which must not say what is deleted if this fails
	maps.Copy(props, map[string]string{
		"block_device_mapping": string(text), "bdm_v2": "True", "root_device_name": rootName(devices), "instance_uuid": srv.ID, "image_type": "snapshot",
	})
	if err := s.images.CreateSnapshot(ctx, tx, NewImage{ID: imageID, Name: name, DiskFormat: "raw", ContainerFormat: "bare", Properties: props}); err != nil {
		return err
	}
	return s.journal.begin(ctx, tx, srv, kindSnapshot, "createImage", &snapshotting{Image: imageID})
}

// describesBytes are what a volume remembers of an image that lies in it: true
// of no other image.
var describesBytes = map[string]bool{
	"image_id": true, "image_name": true, "checksum": true, "container_format": true, "disk_format": true, "min_disk": true, "min_ram": true, "size": true,
}

func rootName(devices []*VolumeDevice) string {
	for _, d := range devices {
		if d.root() {
			return d.Name
		}
	}
	return ""
}

// snapshotsOf are the snapshots that an image names.
func snapshotsOf(image *Image) []string {
	var entries []imageDevice
	if err := json.Unmarshal([]byte(image.Properties["block_device_mapping"]), &entries); err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		if e.SnapshotID != "" {
			out = append(out, e.SnapshotID)
		}
	}
	return out
}

// finishVolumes waits for the snapshots that an image names, and ends
// the image, which has no bytes of its own.
func (s *Snapshots) finishVolumes(ctx context.Context, image *Image) error {
	for _, id := range snapshotsOf(image) {
		if err := s.volumes.AwaitSnapshot(ctx, id); err != nil {
			return err
		}
	}
	return s.imageData.WriteImage(ctx, image.ID, 0, nil, true, "")
}

// drop gives a snapshot of a server up: the image, and of a server that
// boots from a volume the snapshots that it names.
func (s *Snapshots) drop(ctx context.Context, j *snapshotting) error {
	var backed bool
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		backed = err == nil && srv.volumeBacked()
		return err
	})
	if err == nil && backed {
		err = s.dropVolumes(ctx, j.Image)
	}
	if err != nil {
		return err
	}
	return s.dropImage(ctx, j.Image)
}

// dropVolumes deletes the snapshots that an image names.
func (s *Snapshots) dropVolumes(ctx context.Context, imageID string) error {
	image, err := s.images.Show(ctx, imageID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, id := range snapshotsOf(image) {
		if err := s.volumes.AwaitSnapshot(ctx, id); err != nil && ctx.Err() != nil {
			return err
		}
		err := s.write(ctx, func(tx *store.Tx) error { return s.volumes.DeleteSnapshotTx(ctx, tx, id) })
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

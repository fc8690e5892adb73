package compute

import (
	"context"
	"maps"
	"strings"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Create begins a snapshot of a server's disk and returns the new image's id.
func (s *Snapshots) Create(ctx context.Context, id, name string, metadata map[string]string) (string, error) {
	image := ids.New()
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("createImage"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "createImage"); err != nil {
			return err
		}
		if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(metadata),
			"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
			return err
		}
		srv.TaskState = TaskSnapshotPending
		if srv.volumeBacked() {
			if err := s.checkServer(ctx, srv, "servers:create_image:allow_volume_backed"); err != nil {
				return err
			}
			return s.beginVolumes(ctx, tx, srv, name, metadata, image)
		}
		return s.begin(ctx, tx, srv, "createImage", kindSnapshot, name, metadata, image, &snapshotting{Image: image})
	})
	return image, err
}

// Backup is CreateImage that keeps only the newest rotation images of its type.
func (s *Snapshots) Backup(ctx context.Context, id, name, kind string, rotation int, metadata map[string]string) (string, error) {
	image := ids.New()
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("createBackup"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "createBackup"); err != nil {
			return err
		}
		if srv.volumeBacked() {
			return errs.New(errs.Invalid, "Backup is not supported for volume-backed instances.")
		}
		props := map[string]string{"backup_type": kind, "image_type": "backup"}
		maps.Copy(props, metadata)
		srv.TaskState = TaskBackup
		j := &snapshotting{Image: image, Backup: kind, Rotation: rotation}
		return s.begin(ctx, tx, srv, "createBackup", kindSnapshot, name, props, image, j)
	})
	return image, err
}

// begin makes the image and begins the saga that fills it, with what that keeps.
func (s *Snapshots) begin(ctx context.Context, tx *store.Tx, srv *Server, action, kind, name string, metadata map[string]string, imageID string, j interface{ common() *job }) error {
	if srv.Host == "" {
		return errs.New(errs.Conflict, "Instance %s is not ready: it was never built on a host.", srv.ID)
	}
	props := map[string]string{}
	for k, v := range srv.ImageProps {
		if !notInherited(k) {
			props[k] = v
		}
	}
	maps.Copy(props, map[string]string{
		"base_image_ref": srv.ImageID, "instance_uuid": srv.ID, "user_id": srv.UserID, "image_type": "snapshot",
		"owner_project_id": srv.ProjectID, "boot_roles": "", "image_location": "snapshot", "image_state": "available",
	})
	maps.Copy(props, metadata)
	if err := s.images.CreateSnapshot(ctx, tx, NewImage{
		ID: imageID, Name: name, DiskFormat: "qcow2", ContainerFormat: "bare",
		MinDisk: int64(srv.Flavor.Disk), Properties: props,
	}); err != nil {
		return err
	}
	srv.SnapshotImageID = imageID
	return s.journal.begin(ctx, tx, srv, kind, action, j)
}

// notInherited are image properties that mean the original only.
func notInherited(k string) bool {
	return k == "cache_in_nova" || k == "bittorrent" || strings.HasPrefix(k, "img_signature") || strings.HasPrefix(k, "stores") || strings.HasPrefix(k, "os_glance")
}

func (s *Snapshots) snapshotSaga() saga.Definition[snapshotting] {
	return saga.Definition[snapshotting]{
		Kind: kindSnapshot, Version: 1,
		Steps: []saga.Step[snapshotting]{
			{Name: "copy", Do: step(s.core, "compute_snapshot_instance", func(ctx context.Context, j *snapshotting) error {
				return s.copyDisk(ctx, &j.job, j.Image)
			}), Undo: s.drop, Timeout: 2 * time.Hour},
			{Name: "rotate", Do: s.rotate, Skip: func(j *snapshotting) bool { return j.Backup == "" }},
		},
		Done: finish(s.core, func(_ context.Context, _ *store.Tx, _ *snapshotting, srv *Server) error {
			srv.SnapshotImageID = ""
			return nil
		}),
		Failed: fail(s.core, func(_ context.Context, _ *store.Tx, _ *snapshotting, srv *Server, _ *errs.Error) error {
			srv.SnapshotImageID = ""
			return nil
		}),
	}
}

// copyDisk has the host send a server's disk into an image. A crash in
// between begins again from the first byte, as the image is written by offset.
func (s *Snapshots) copyDisk(ctx context.Context, j *job, imageID string) error {
	var volumes bool
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil {
			return err
		}
		if volumes = srv.volumeBacked(); srv.TaskState != TaskSnapshotPending {
			return nil
		}
		srv.TaskState = TaskUploading
		return s.save(ctx, tx, srv)
	})
	if err != nil {
		return err
	}
	image, err := s.images.Show(ctx, imageID)
	if err != nil {
		return err
	}
	if image.Status == "active" { // the copy was complete before a crash
		return nil
	}
	if volumes {
		return s.finishVolumes(ctx, image)
	}
	return s.hosts.Snapshot(ctx, j.Host, hostapi.SnapshotRequest{ServerID: j.Server, ImageID: imageID, Live: true})
}

func (s *Snapshots) dropImage(ctx context.Context, imageID string) error {
	if imageID == "" {
		return nil
	}
	err := s.images.Delete(ctx, imageID)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

// rotate deletes backups beyond the rotation, the oldest first. They are found
// by properties that everybody may give to images, so only those count that
// belong to the project that makes the backup.
func (s *Snapshots) rotate(ctx context.Context, j *snapshotting) error {
	list, err := s.images.ListBackups(ctx, actor.From(ctx).ProjectID, j.Server, j.Backup)
	if err != nil || len(list) <= j.Rotation {
		return err
	}
	for _, id := range list[j.Rotation:] {
		if err := s.images.Delete(ctx, id); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

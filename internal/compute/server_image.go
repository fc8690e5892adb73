package compute

import (
	"context"
	"maps"
	"strings"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// CreateImage begins a snapshot of a server's disk and returns the new image's id.
func (s *Service) CreateImage(ctx context.Context, id, name string, metadata map[string]string) (string, error) {
	image := ids.New()
	err := s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("createImage"))
		if err != nil {
			return err
		}
		if err := s.permit(ctx, srv, "createImage"); err != nil {
			return err
		}
		if err := s.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(metadata),
			"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
			return err
		}
		srv.TaskState = TaskSnapshotPending
		if srv.volumeBacked() {
			if err := s.checkServer(ctx, srv, "servers:create_image:allow_volume_backed"); err != nil {
				return err
			}
			return s.snapshotVolumes(ctx, tx, srv, name, metadata, image)
		}
		return s.snapshot(ctx, tx, srv, "createImage", kindSnapshot, name, metadata, image, &snapshotting{Image: image})
	})
	return image, err
}

// CreateBackup is CreateImage that keeps only the newest rotation images of its type.
func (s *Service) CreateBackup(ctx context.Context, id, name, kind string, rotation int, metadata map[string]string) (string, error) {
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
		return s.snapshot(ctx, tx, srv, "createBackup", kindSnapshot, name, props, image, j)
	})
	return image, err
}

// snapshot makes the image and begins the saga that fills it, with what that keeps.
func (s *Service) snapshot(ctx context.Context, tx *store.Tx, srv *Server, action, kind, name string, metadata map[string]string, imageID string, j interface{ common() *job }) error {
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
	return s.begin(ctx, tx, srv, kind, action, j)
}

// notInherited are image properties that mean the original only.
func notInherited(k string) bool {
	return k == "cache_in_nova" || k == "bittorrent" || strings.HasPrefix(k, "img_signature") || strings.HasPrefix(k, "stores") || strings.HasPrefix(k, "os_glance")
}

func (s *Service) snapshotSaga() saga.Definition[snapshotting] {
	return saga.Definition[snapshotting]{
		Kind: kindSnapshot, Version: 1,
		Steps: []saga.Step[snapshotting]{
			{Name: "copy", Do: step(s, "compute_snapshot_instance", func(ctx context.Context, j *snapshotting) error {
				return s.copyDisk(ctx, &j.job, j.Image)
			}), Undo: s.dropSnapshot, Timeout: 2 * time.Hour},
			{Name: "rotate", Do: s.rotate, Skip: func(j *snapshotting) bool { return j.Backup == "" }},
		},
		Done: finish(s, func(_ context.Context, _ *store.Tx, _ *snapshotting, srv *Server) error {
			srv.SnapshotImageID = ""
			return nil
		}),
		Failed: fail(s, func(_ context.Context, _ *store.Tx, _ *snapshotting, srv *Server, _ *errs.Error) error {
			srv.SnapshotImageID = ""
			return nil
		}),
	}
}

// copyDisk has the host send a server's disk into an image. A crash in
// between begins again from the first byte, as the image is written by offset.
func (s *Service) copyDisk(ctx context.Context, j *job, imageID string) error {
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
		return s.finishSnapshots(ctx, image)
	}
	return s.hosts.Snapshot(ctx, j.Host, hostapi.SnapshotRequest{ServerID: j.Server, ImageID: imageID, Live: true})
}

func (s *Service) dropImage(ctx context.Context, imageID string) error {
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
func (s *Service) rotate(ctx context.Context, j *snapshotting) error {
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

// RebuildServer is a request to replace a server's disk.
type RebuildServer struct {
	PreserveEphemeral bool
	// Reimage is whether the client expects a volume to be written over, too.
	Reimage     bool
	ImageID     string
	Name        *string
	AdminPass   string
	Description change.Optional[string]
	Hostname    *string
	Metadata    map[string]string
	Files       []hostapi.File
	KeyName     change.Optional[string]
	UserData    change.Optional[string]
	AccessIPv4  *string
	AccessIPv6  *string
	DiskConfig  *string
}

// Rebuild replaces a server's root disk by an image's, keeping the server's
// identity, ports and host.
func (s *Service) Rebuild(ctx context.Context, id string, r RebuildServer) (*Server, string, error) {
	if err := s.Check(ctx, "servers:rebuild"); err != nil {
		return nil, "", err
	}
	var srv *Server
	password := r.AdminPass
	if password == "" {
		password = newPassword()
	}
	// Existence first: a wrong image is the smaller news.
	if _, err := s.Server(ctx, id, "servers:rebuild"); err != nil {
		return nil, "", err
	}
	image, err := s.images.Show(ctx, r.ImageID)
	if err != nil {
		return nil, "", invalidIfMissing(err, "Cannot find image for rebuild")
	}
	if err := usable(image); err != nil {
		return nil, "", err
	}
	err = s.write(ctx, func(tx *store.Tx) (err error) {
		if srv, err = s.load(ctx, tx, id, "servers:rebuild"); err != nil {
			return err
		}
		if err := rebuildable(srv, image, r.Reimage); err != nil {
			return err
		}
		if err := s.fitsImage(ctx, srv.Flavor, image); err != nil {
			return err
		}
		if err := s.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(r.Metadata),
			"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
			return err
		}
		if err := s.rebuildKey(ctx, tx, srv, r.KeyName); err != nil {
			return err
		}
		return s.power(ctx, tx, srv, "rebuild", func(srv *Server) {
			if srv.volumeBacked() { // the volume stays as it is
				srv.HardBoot++
			} else {
				srv.ImageID, srv.ImageProps, srv.Root = image.ID, image.Properties, carriedBy(image, srv.Root)
			}
			srv.Rebuild++
			if !r.PreserveEphemeral {
				srv.Local.Rebuild = srv.Rebuild
			}
			srv.AdminPass = password
			r.apply(srv)
		})
	})
	return srv, password, err
}

// rebuildable tells whether a server may be rebuilt from an image. One that
// boots from a volume keeps what is in it, so that only its own image will do.
func rebuildable(srv *Server, image *Image, reimage bool) error {
	switch {
	case !srv.volumeBacked():
		return nil
	case srv.ImageProps["image_id"] != image.ID:
		return errs.New(errs.Invalid, "Image %s is unacceptable: Unable to rebuild with a different image for a volume-backed server.", image.ID)
	case reimage:
		return errs.New(errs.Invalid, "Instance %s boots from a volume, which a rebuild does not write over here; reimage the volume, or ask in a version before 2.93 to keep what is in it.", srv.ID)
	}
	return nil
}

func (s *Service) rebuildKey(ctx context.Context, tx *store.Tx, srv *Server, name change.Optional[string]) error {
	if !name.Set {
		return nil
	}
	if name.Null {
		srv.KeyName, srv.KeyType, srv.PublicKey = "", "", ""
		return nil
	}
	key, err := s.Keypairs.Get(ctx, tx, srv.UserID, name.Value)
	if err != nil {
		return invalidIfMissing(err, "Invalid key_name provided.")
	}
	srv.KeyName, srv.KeyType, srv.PublicKey = key.Name, key.Type, key.PublicKey
	return nil
}

func (r *RebuildServer) apply(srv *Server) {
	set := func(to *string, from *string) {
		if from != nil {
			*to = *from
		}
	}
	set(&srv.Name, r.Name)
	set(&srv.Hostname, r.Hostname)
	set(&srv.AccessIPv4, r.AccessIPv4)
	set(&srv.AccessIPv6, r.AccessIPv6)
	set(&srv.DiskConfig, r.DiskConfig)
	r.Description.IntoPointer(&srv.Description)
	if r.Metadata != nil {
		srv.Metadata = r.Metadata
	}
	if r.Files != nil {
		srv.Files = r.Files
	}
	r.UserData.Into(&srv.UserData)
}

// Rescue boots a server from another image, its own disk beside it. volumes is
// whether the client knows that servers which boot from volumes can be rescued.
func (s *Service) Rescue(ctx context.Context, id, imageID, password string, volumes bool) (string, error) {
	srv, err := s.Server(ctx, id, "os-rescue")
	if err != nil {
		return "", err
	}
	if imageID == "" {
		imageID = srv.ImageProps["rescue_image_ref"]
	}
	if imageID == "" {
		imageID = srv.ImageID
	}
	if srv.volumeBacked() && (!volumes || imageID == "") {
		return "", errs.New(errs.Invalid, "Instance %s cannot be rescued: Cannot rescue a volume-backed instance without an image for it, nor in a version before 2.87.", id)
	}
	image, err := s.images.Show(ctx, imageID)
	if err != nil {
		return "", invalidIfMissing(err, "Image %s could not be found.", imageID)
	}
	if err := usable(image); err != nil {
		return "", err
	}
	if srv.volumeBacked() && image.Properties["hw_rescue_device"] == "" && image.Properties["hw_rescue_bus"] == "" {
		return "", errs.New(errs.Invalid, "Instance %s cannot be rescued: Cannot rescue a volume-backed instance by an image without the property hw_rescue_device or hw_rescue_bus.", id)
	}
	if password == "" {
		password = newPassword()
	}
	return password, s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "os-rescue")
		if err != nil {
			return err
		}
		return s.power(ctx, tx, srv, "rescue", func(srv *Server) {
			disk := rootDisk(image, 0)
			srv.Rescue, srv.AdminPass = &disk, password
			srv.HardBoot++
		})
	})
}

// Unrescue boots a server from its own disk again.
func (s *Service) Unrescue(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "os-unrescue")
		if err != nil {
			return err
		}
		return s.power(ctx, tx, srv, "unrescue", func(srv *Server) {
			srv.Rescue = nil
			srv.HardBoot++
		})
	})
}

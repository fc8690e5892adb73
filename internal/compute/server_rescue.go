package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Rescue boots a server from another image, its own disk beside it. volumes is
// whether the client knows that servers which boot from volumes can be rescued.
func (s *Power) Rescue(ctx context.Context, id, imageID, password string, volumes bool) (string, error) {
	srv, err := s.Servers.Show(ctx, id, "os-rescue")
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
		return s.begin(ctx, tx, srv, "rescue", func(srv *Server) {
			disk := rootDisk(image, 0)
			srv.Rescue, srv.AdminPass = &disk, password
			srv.HardBoot++
		})
	})
}

// Unrescue boots a server from its own disk again.
func (s *Power) Unrescue(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, "os-unrescue")
		if err != nil {
			return err
		}
		return s.begin(ctx, tx, srv, "unrescue", func(srv *Server) {
			srv.Rescue = nil
			srv.HardBoot++
		})
	})
}

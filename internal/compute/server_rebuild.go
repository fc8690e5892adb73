package compute

import (
	"context"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

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
func (s *Power) Rebuild(ctx context.Context, id string, r RebuildServer) (*Server, string, error) {
	if err := s.checkOwn(ctx, "servers:rebuild"); err != nil {
		return nil, "", err
	}
	var srv *Server
	password := r.AdminPass
	if password == "" {
		password = newPassword()
	}
	// Existence first: a wrong image is the smaller news.
	if _, err := s.Servers.Show(ctx, id, "servers:rebuild"); err != nil {
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
		if err := s.orders.fitsImage(ctx, srv.Flavor, image); err != nil {
			return err
		}
		if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(r.Metadata),
			"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
			return err
		}
		if err := s.rebuildKey(ctx, tx, srv, r.KeyName); err != nil {
			return err
		}
		return s.begin(ctx, tx, srv, "rebuild", func(srv *Server) {
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

func (s *Power) rebuildKey(ctx context.Context, tx *store.Tx, srv *Server, name change.Optional[string]) error {
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

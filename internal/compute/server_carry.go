package compute

import (
	"context"
	"fmt"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// The disks of a server that moves are carried by images, one for each: the
// saga's for the root disk, and those that the server names for its ephemeral
// disks. Swap is made anew.

// makeImages makes the images that carry the disks to the other host.
func (s *Moves) makeImages(ctx context.Context, j *moving) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, j.Server)
		if err != nil || srv.SnapshotImageID == j.Image {
			return err
		}
		srv.SnapshotImageID, srv.Local.Carriers = j.Image, nil
		for range srv.ephemeral() {
			srv.Local.Carriers = append(srv.Local.Carriers, ids.New())
		}
		for _, c := range srv.carriers() {
			name := srv.Name + "-move"
			if c.disk > 0 {
				name = fmt.Sprintf("%s-ephemeral%d", name, c.disk-1)
			}
			if err := s.images.CreateSnapshot(ctx, tx, NewImage{
				ID: c.image, Name: name, DiskFormat: "qcow2", ContainerFormat: "bare",
				Properties: map[string]string{"instance_uuid": srv.ID, "image_type": "move"},
			}); err != nil {
				return err
			}
		}
		return s.save(ctx, tx, srv)
	})
}

// carrier is an image that carries a disk: the root disk if that is 0, else an
// ephemeral one.
type carrier struct {
	image string
	disk  int
}

// carriers are the images of a move: the root disk's, if it is on the host, then
// those of the ephemeral disks.
func (srv *Server) carriers() []carrier {
	var out []carrier
	if !srv.volumeBacked() {
		out = append(out, carrier{srv.SnapshotImageID, 0})
	}
	for i, image := range srv.Local.Carriers {
		out = append(out, carrier{image, i + 1})
	}
	return out
}

// mover reads a server that moves.
func (s *Moves) mover(ctx context.Context, j *moving) (srv *Server, err error) {
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.servers.Get(ctx, tx, j.Server)
		return err
	})
	return srv, err
}

// copy has the old host send its disks. A disk that has arrived before a
// crash is not sent again.
func (s *Moves) copy(ctx context.Context, j *moving) error {
	srv, err := s.mover(ctx, j)
	if err != nil {
		return err
	}
	for _, c := range srv.carriers() {
		image, err := s.images.Show(ctx, c.image)
		if err != nil {
			return err
		}
		if image.Status == "active" {
			continue
		}
		if err := s.hosts.Snapshot(ctx, j.OldHost, hostapi.SnapshotRequest{ServerID: j.Server, ImageID: c.image, Ephemeral: c.disk}); err != nil {
			return err
		}
	}
	return nil
}

// carried has the host make a server's disks from the images that carried them.
func (s *Moves) carried(ctx context.Context, srv *Server, spec *hostapi.ServerSpec) error {
	for _, c := range srv.carriers() {
		image, err := s.images.Show(ctx, c.image)
		if err != nil {
			return err
		}
		if c.disk == 0 {
			spec.Root = carriedBy(image, spec.Root)
			continue
		}
		from := rootDisk(image, 0)
		spec.Ephemeral[c.disk-1].From = &from
	}
	return nil
}

// dropImages deletes the images of a move.
func (s *Moves) dropImages(ctx context.Context, j *moving) error {
	srv, err := s.mover(ctx, j)
	if err != nil {
		return err
	}
	for _, id := range append([]string{j.Image}, srv.Local.Carriers...) {
		if err := s.images.Delete(ctx, id); err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	return nil
}

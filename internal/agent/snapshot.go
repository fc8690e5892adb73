package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"kumoi/internal/agent/disk"
	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/diskimage"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Snapshot copies a disk of the server into an image of the control plane:
// a qcow2 that stands alone.
func (a *Agent) Snapshot(ctx context.Context, r *hostapi.SnapshotRequest) (*struct{}, error) {
	s, err := a.known(r.ServerID)
	if err != nil {
		return nil, err
	}
	copied := s.path("snapshot-" + filepath.Base(r.ImageID))
	defer os.Remove(copied) //nolint:errcheck // whether or not it was made
	err = a.copyInTurn(ctx, s, r.Ephemeral, copied)
	if err == nil {
		err = a.sendImage(ctx, r.ImageID, copied)
	}
	if err == nil {
		return nil, nil
	}
	abort, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return nil, errors.Join(err, a.control.WriteImage(abort, hostapi.ImageWrite{ImageID: r.ImageID, Abort: errs.As(err).Msg}))
}

// copyInTurn copies a disk while nothing else is done to the server.
// Other work waits for the copy, and does not end it; only a removal does. What
// takes long, sending the copy away, is nobody's hindrance.
func (a *Agent) copyInTurn(ctx context.Context, s *server, ephemeral int, path string) error {
	ctx, end, err := s.begin(ctx, removal-1)
	if err != nil {
		return err
	}
	defer func() {
		end()
		a.observe(context.WithoutCancel(ctx), s) // what happened meanwhile
	}()
	if s.current() == nil {
		return errs.New(errs.NotFound, "Host %s has no server %s.", a.cfg.Host, s.id)
	}
	return a.copyDisk(ctx, s, ephemeral, path)
}

// copyDisk copies a disk as it is now; a running guest goes on.
func (a *Agent) copyDisk(ctx context.Context, s *server, ephemeral int, path string) error {
	spec := s.current()
	layers, size, err := s.copied(spec, ephemeral)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	g, err := a.hv.Guest(ctx, s.id)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err == nil && active(g.Power) {
		disks, err := s.disks(spec)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(disks, func(d hypervisor.Disk) bool { return d.Path == layers[0].Path })
		return a.hv.CopyDisk(ctx, s.id, disks[i].Device, path)
	}
	return disk.Convert(ctx, layers, size, path)
}

// copied are the files of the disk that a snapshot is asked of, as we made
// them, and the disk's size.
func (s *server) copied(spec *hostapi.ServerSpec, ephemeral int) ([]diskimage.Layer, int64, error) {
	switch {
	case ephemeral < 0 || ephemeral > len(spec.Ephemeral):
		return nil, 0, errs.New(errs.Invalid, "The server has no ephemeral disk number %d; it has %d.", ephemeral, len(spec.Ephemeral))
	case ephemeral > 0:
		path := s.path(ephemeralName(ephemeral-1, spec.Ephemeral[ephemeral-1].Rebuild))
		info, err := os.Stat(path)
		if err != nil {
			return nil, 0, fmt.Errorf("ephemeral disk of server %s: %w", s.id, err)
		}
		return []diskimage.Layer{{Path: path, Format: "raw"}}, info.Size(), nil
	case spec.Root.ImageID == "":
		return nil, 0, errs.New(errs.Invalid, "The server boots from a volume; there is no root disk on the host to copy.")
	}
	layers, err := s.layers(rootName(spec.Rebuild), baseName(spec.Rebuild))
	if err != nil {
		return nil, 0, err
	}
	size, err := disk.Size(layers[0].Path)
	return layers, size, err
}

// sendImage sends a file to the control plane.
func (a *Agent) sendImage(ctx context.Context, imageID, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return hostapi.SendImage(ctx, a.control, imageID, f, info.Size())
}

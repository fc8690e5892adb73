package fake

import (
	"context"
	"slices"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// snapshot finds a snapshot; it needs the lock.
func (h *Host) snapshot(s hostapi.VolumeSnapshotRef) (*volume, int, error) {
	v, err := h.find(s.VolumeRef)
	if err != nil {
		return nil, 0, err
	}
	at := slices.IndexFunc(v.snapshots, func(have snapshot) bool { return have.id == s.SnapshotID && have.id != "" })
	if at < 0 {
		return v, at, errs.New(errs.NotFound, "Volume %s has no snapshot %s.", s.ID, s.SnapshotID)
	}
	return v, at, nil
}

// CreateVolumeSnapshot keeps the volume's bytes as they are now.
func (h *Host) CreateVolumeSnapshot(_ context.Context, s hostapi.VolumeSnapshotRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, _, err := h.snapshot(s)
	if v == nil || err == nil {
		return err
	}
	v.snapshots = append(v.snapshots, snapshot{id: s.SnapshotID, sizeGiB: v.sizeGiB, content: v.content.clone()})
	return nil
}

// DeleteVolumeSnapshot forgets a snapshot.
func (h *Host) DeleteVolumeSnapshot(_ context.Context, s hostapi.VolumeSnapshotRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, at, err := h.snapshot(s)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v.snapshots = slices.Delete(v.snapshots, at, at+1)
	return nil
}

// RevertVolume gives a volume the bytes of its newest snapshot.
func (h *Host) RevertVolume(_ context.Context, s hostapi.VolumeSnapshotRef) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, at, err := h.snapshot(s)
	switch {
	case err != nil:
		return err
	case at != len(v.snapshots)-1:
		return errs.New(errs.Conflict, "Snapshot %s is not the newest of volume %s.", s.SnapshotID, s.ID)
	case len(v.clients) > 0:
		return errs.New(errs.Conflict, "The volume is exported to %d clients.", len(v.clients))
	}
	v.content = v.snapshots[at].content.clone()
	return nil
}

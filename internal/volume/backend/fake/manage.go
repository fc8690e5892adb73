package fake

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Park leaves bytes in a backend that no volume owns.
func (h *Host) Park(backend, name string, sizeGiB int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.parked[hostapi.VolumeRef{Backend: backend, ID: name}] = &volume{sizeGiB: sizeGiB, content: content{}, clients: map[string]hostapi.VolumeConnection{}}
}

// ManageableVolumes lists volumes and what was released or parked.
func (h *Host) ManageableVolumes(_ context.Context, backend string) ([]hostapi.ManageableVolume, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []hostapi.ManageableVolume
	for ref, v := range h.parked {
		if ref.Backend == backend {
			out = append(out, hostapi.ManageableVolume{Name: ref.ID, SizeGiB: v.sizeGiB, Safe: true})
		}
	}
	for ref, v := range h.volumes {
		if ref.Backend == backend {
			out = append(out, hostapi.ManageableVolume{Name: ref.ID, SizeGiB: v.sizeGiB, Reason: "already managed", Volume: ref.ID})
		}
	}
	slices.SortFunc(out, func(a, b hostapi.ManageableVolume) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// AdoptVolume makes a volume of what lies in the backend.
func (h *Host) AdoptVolume(_ context.Context, ref hostapi.VolumeRef, name string) (*hostapi.VolumeBytes, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	switch {
	case err == nil:
		return h.describe(v), nil
	case !errs.Is(err, errs.NotFound):
		return nil, err
	}
	place := hostapi.VolumeRef{Backend: ref.Backend, ID: name}
	if v = h.parked[place]; v == nil {
		return nil, errs.New(errs.NotFound, "Backend %s has no %s.", ref.Backend, name)
	}
	delete(h.parked, place)
	h.volumes[ref] = v
	return h.describe(v), nil
}

// ReleaseVolume forgets whose the bytes are.
func (h *Host) ReleaseVolume(_ context.Context, ref hostapi.VolumeRef, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.find(ref)
	place := hostapi.VolumeRef{Backend: ref.Backend, ID: name}
	switch {
	case errs.Is(err, errs.NotFound) && h.parked[place] != nil:
		return nil
	case err != nil:
		return err
	case len(v.clients) > 0:
		return errs.New(errs.Conflict, "The volume is exported to %d clients.", len(v.clients))
	case slices.ContainsFunc(v.snapshots, func(s snapshot) bool { return s.id != "" }):
		return errs.New(errs.Conflict, "The volume has %d snapshots.", len(v.snapshots))
	case h.parked[place] != nil:
		return errs.New(errs.Exists, "Backend %s has a %s already.", ref.Backend, name)
	}
	delete(h.volumes, ref)
	h.parked[place] = v
	return nil
}

// ManageableSnapshots lists the snapshots of all volumes.
func (h *Host) ManageableSnapshots(_ context.Context, backend string) ([]hostapi.ManageableSnapshot, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []hostapi.ManageableSnapshot
	for ref, v := range h.volumes {
		if ref.Backend != backend {
			continue
		}
		for _, s := range v.snapshots {
			m := hostapi.ManageableSnapshot{Name: s.name, Volume: ref.ID, SizeGiB: s.sizeGiB, Safe: s.id == "", Snapshot: s.id}
			if s.id != "" {
				m.Name, m.Reason = s.id, "already managed"
			}
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b hostapi.ManageableSnapshot) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// AdoptSnapshot gives a snapshot that nobody manages an id.
func (h *Host) AdoptSnapshot(_ context.Context, s hostapi.VolumeSnapshotRef, name string) (*hostapi.VolumeBytes, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, at, err := h.snapshot(s)
	if v == nil {
		return nil, err
	}
	if at < 0 {
		at = v.released(name)
	}
	if at < 0 {
		return nil, errs.New(errs.NotFound, "Volume %s has no snapshot %s to manage.", s.ID, name)
	}
	kept := &v.snapshots[at]
	kept.id, kept.name = s.SnapshotID, ""
	return &hostapi.VolumeBytes{SizeGiB: kept.sizeGiB, UsedBytes: kept.content.used()}, nil
}

// ReleaseSnapshot forgets whose a snapshot is.
func (h *Host) ReleaseSnapshot(_ context.Context, s hostapi.VolumeSnapshotRef, name string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, at, err := h.snapshot(s)
	switch {
	case v == nil:
		return err
	case at < 0 && v.released(name) >= 0:
		return nil
	case at < 0:
		return err
	case v.released(name) >= 0:
		return errs.New(errs.Exists, "Volume %s has a snapshot %s already.", s.ID, name)
	}
	v.snapshots[at].id, v.snapshots[at].name = "", name
	return nil
}

// released is the snapshot that nobody manages of a name; -1 if there is none.
func (v *volume) released(name string) int {
	return slices.IndexFunc(v.snapshots, func(s snapshot) bool { return s.id == "" && s.name == name && name != "" })
}

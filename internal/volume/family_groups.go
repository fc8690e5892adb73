package volume

import (
	"context"
	"time"

	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/group"
	"kumoi/internal/volume/schedule"
)

const (
	groupsEvery   = 10 * time.Second
	messagesEvery = time.Hour
)

// members are volumes as groups ask for them.
type members struct{ s *Service }

// TypeIDs finds types that the actor may use.
func (m members) TypeIDs(ctx context.Context, tx *store.Tx, which []string) ([]string, error) {
	out := make([]string, len(which))
	for i, w := range which {
		t, err := m.s.parts.typeOf(ctx, tx, w)
		if err != nil {
			return nil, err
		}
		out[i] = t.ID
	}
	return out, nil
}

// Backend chooses one that takes volumes of all the types.
func (m members) Backend(ctx context.Context, tx *store.Tx, typeIDs []string, zone string) (host, chosen string, err error) {
	if chosen, err = m.s.Volumes.zoneFor(ctx, tx, zone, source{}); err != nil {
		return "", "", err
	}
	pools, err := m.s.Backends.pools(ctx, tx)
	for _, id := range typeIDs {
		if err != nil {
			return "", "", err
		}
		var t *Type
		if t, err = m.s.parts.typeByID(ctx, tx, id); err != nil {
			return "", "", err
		}
		pools = schedule.Fit(pools, schedule.Request{Zone: chosen, Specs: t.ExtraSpecs})
	}
	best, found, _ := schedule.Choose(pools, schedule.Request{Zone: chosen})
	if err != nil || !found {
		return "", chosen, err
	}
	return best.Name, chosen, nil
}

func member(v *Volume) *group.Volume {
	return &group.Volume{
		ID: v.ID, ProjectID: v.ProjectID, GroupID: v.GroupID, Name: v.Name, Status: v.Status, Attached: v.AttachStatus == "attached",
		TypeID: v.TypeID, Host: v.Host, Zone: v.Zone, SizeGiB: v.SizeGiB,
	}
}

// Volume returns a volume of any project.
func (m members) Volume(ctx context.Context, tx *store.Tx, id string) (*group.Volume, error) {
	v, err := m.s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	return member(v), nil
}

// Of are a group's volumes.
func (m members) Of(ctx context.Context, tx *store.Tx, groupID string) ([]*group.Volume, error) {
	rows, err := m.s.tables.Volumes.All(ctx, tx, store.Eq("group_id", groupID))
	out := make([]*group.Volume, len(rows))
	for i, v := range rows {
		out[i] = member(v)
	}
	return out, err
}

// Join puts a volume into a group; "" takes it out.
func (m members) Join(ctx context.Context, tx *store.Tx, id, groupID string) error {
	v, err := m.s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	v.GroupID = groupID
	return m.s.Volumes.save(ctx, tx, v)
}

// Create makes a copy of a volume, or of a snapshot, in a group.
func (m members) Create(ctx context.Context, tx *store.Tx, n group.NewVolume) error {
	_, err := m.s.Volumes.createTx(ctx, tx, NewVolume{GroupID: n.GroupID, SizeGiB: n.SizeGiB, SnapshotID: n.SnapshotID, SourceID: n.SourceID}, nil)
	return err
}

// Delete removes a volume together with its group.
func (m members) Delete(ctx context.Context, tx *store.Tx, id string) error {
	v, err := m.s.tables.Volumes.Get(ctx, tx, id)
	if err != nil {
		return err
	}
	return m.s.Volumes.deleteTx(ctx, tx, v, deletion{force: true, grouped: true})
}

// HasSnapshots tells whether a volume has any.
func (m members) HasSnapshots(ctx context.Context, tx *store.Tx, id string) (bool, error) {
	return m.s.tables.Snapshots.Any(ctx, tx, store.Eq("volume_id", id))
}

// Snapshots are those of a group snapshot.
func (m members) Snapshots(ctx context.Context, tx *store.Tx, groupSnapshotID string) ([]*group.VolumeSnapshot, error) {
	rows, err := m.s.tables.Snapshots.All(ctx, tx, store.Eq("group_snapshot_id", groupSnapshotID))
	out := make([]*group.VolumeSnapshot, len(rows))
	for i, p := range rows {
		out[i] = &group.VolumeSnapshot{ID: p.ID, VolumeID: p.VolumeID, TypeID: p.TypeID, Status: p.Status, SizeGiB: p.SizeGiB}
	}
	return out, err
}

// CreateSnapshot snapshots a group's volume.
func (m members) CreateSnapshot(ctx context.Context, tx *store.Tx, volumeID, groupSnapshotID string, name, description *string) error {
	n := NewSnapshot{VolumeID: volumeID, GroupSnapshotID: groupSnapshotID, Force: true}
	if name != nil {
		n.Name = *name
	}
	if description != nil {
		n.Description = *description
	}
	_, err := m.s.Snapshots.CreateTx(ctx, tx, n)
	return err
}

// DeleteSnapshot removes a snapshot together with its group snapshot.
func (m members) DeleteSnapshot(ctx context.Context, tx *store.Tx, id string) error {
	p, err := m.s.tables.Snapshots.Get(ctx, tx, id)
	if err != nil {
		return gone(err)
	}
	return m.s.Snapshots.DeleteTx(ctx, tx, p, true)
}

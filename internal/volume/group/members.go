package group

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Volumes of these statuses may come into a group, and leave one.
var (
	mayJoin  = []string{"available", "in-use"}
	mayLeave = []string{"available", "in-use", "error", "error_deleting"}
)

// members takes volumes into a group and out of it.
func (s *Service) members(ctx context.Context, tx *store.Tx, g *Group, p Patch) (moved bool, err error) {
	for _, id := range p.Add {
		if slices.Contains(p.Remove, id) {
			return false, invalidVolume("UUIDs %s are in both add and remove volume list.", id)
		}
	}
	have, err := s.d.Volumes.Of(ctx, tx, g.ID)
	if err != nil {
		return false, err
	}
	in := func(id string) int { return slices.IndexFunc(have, func(v *Volume) bool { return v.ID == id }) }
	for _, id := range p.Add {
		if in(id) >= 0 {
			continue
		}
		if err := s.joinable(ctx, tx, g, id); err != nil {
			return false, err
		}
		if err := s.d.Volumes.Join(ctx, tx, id, g.ID); err != nil {
			return false, err
		}
		moved = true
	}
	for _, id := range p.Remove {
		at := in(id)
		if at < 0 {
			return false, invalidVolume("Cannot remove volume %s from group %s because it is not in the group.", id, g.ID)
		}
		if status := have[at].Status; !slices.Contains(mayLeave, status) {
			return false, invalidVolume("Cannot remove volume %s from group %s because volume is in an invalid state: %s. Valid states are: %s.",
				id, g.ID, status, strings.Join(mayLeave, ", "))
		}
		if err := s.d.Volumes.Join(ctx, tx, id, ""); err != nil {
			return false, err
		}
		moved = true
	}
	return moved, nil
}

// joinable refuses a volume that cannot come into a group.
func (s *Service) joinable(ctx context.Context, tx *store.Tx, g *Group, id string) error {
	v, err := s.d.Volumes.Volume(ctx, tx, id)
	cannot := func(format string, args ...any) error {
		return invalidVolume("Cannot add volume %s to group %s because "+format, append([]any{id, g.ID}, args...)...)
	}
	switch {
	case errs.Is(err, errs.NotFound):
		return cannot("volume cannot be found.")
	case err != nil:
		return err
	case v.ProjectID != g.ProjectID:
		return invalidVolume("Cannot add volume %s to group %s as they belong to different projects.", id, g.ID)
	case v.GroupID != "":
		return cannot("it is already in group %s.", v.GroupID)
	case v.TypeID == "":
		return cannot("it has no volume type.")
	case !slices.Contains(g.VolumeTypes, v.TypeID):
		return cannot("volume type %s is not supported by the group.", v.TypeID)
	case !slices.Contains(mayJoin, v.Status):
		return cannot("volume is in an invalid state: %s. Valid states are: %s.", v.Status, strings.Join(mayJoin, ", "))
	case backend(v.Host) != backend(g.Host):
		return invalidVolume("Volume is not local to this node.")
	}
	return nil
}

// backend is a place without its pool.
func backend(place string) string {
	out, _, _ := strings.Cut(place, "#")
	return out
}

// Delete removes a group, and if it is told so the volumes in it.
func (s *Service) Delete(ctx context.Context, id string, withVolumes bool) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		g, err := s.get(ctx, tx, id, "delete")
		if err != nil {
			return err
		}
		members, err := s.deletable(ctx, tx, g, withVolumes)
		if err != nil {
			return err
		}
		if len(members) == 0 {
			return s.remove(ctx, tx, g)
		}
		for _, v := range members {
			if err := s.d.Volumes.Delete(ctx, tx, v.ID); err != nil {
				return err
			}
		}
		g.Status, g.Waits, g.UpdatedAt = Deleting, true, s.d.Now().UTC()
		s.wake(tx)
		return s.d.Groups.Update(ctx, tx, g)
	})
}

func (s *Service) remove(ctx context.Context, tx *store.Tx, g *Group) error {
	if err := s.d.Spend(ctx, tx, g.ProjectID, -1); err != nil {
		return err
	}
	return s.d.Groups.Delete(ctx, tx, g.ID)
}

// deletable refuses to delete a group in use; else it returns the volumes that go with it.
func (s *Service) deletable(ctx context.Context, tx *store.Tx, g *Group, withVolumes bool) ([]*Volume, error) {
	if !withVolumes && g.Status != Available && g.Status != Error {
		return nil, invalid("Group status must be available or error, but current status is: %s", g.Status)
	}
	snapshots, err := s.d.Snapshots.Any(ctx, tx, store.Eq("group_id", g.ID))
	if err != nil {
		return nil, err
	}
	if snapshots {
		return nil, invalid("Group has existing snapshots.")
	}
	copied, err := s.d.Groups.Any(ctx, tx, store.Eq("source_group_id", g.ID), store.Eq("status", Creating))
	if err != nil {
		return nil, err
	}
	if copied {
		return nil, invalid("Cannot delete group %s. It cannot be the source for an ongoing group or group snapshot creation.", g.ID)
	}
	members, err := s.d.Volumes.Of(ctx, tx, g.ID)
	if err != nil {
		return nil, err
	}
	if len(members) > 0 && !withVolumes {
		return nil, invalid("Group %s still contains volumes. The delete-volumes flag is required to delete it.", g.ID)
	}
	for _, v := range members {
		if v.Attached {
			return nil, invalid("Volume in group %s is attached. Need to detach first.", g.ID)
		}
		has, err := s.d.Volumes.HasSnapshots(ctx, tx, v.ID)
		if err != nil {
			return nil, err
		}
		if has {
			return nil, invalid("Volume in group still has dependent snapshots.")
		}
	}
	return members, nil
}

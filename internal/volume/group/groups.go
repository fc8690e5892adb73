package group

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// List lists groups.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Group], err error) {
	if err := s.check(ctx, "get_all"); err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Groups.List(ctx, tx, s.scope(ctx, q))
		return err
	})
	return page, err
}

// VolumesOf are the ids of groups' volumes.
func (s *Service) VolumesOf(ctx context.Context, groups []*Group) (map[string][]string, error) {
	out := map[string][]string{}
	err := s.d.DB.Read(ctx, func(tx *store.Tx) error {
		for _, g := range groups {
			out[g.ID] = []string{}
			members, err := s.d.Volumes.Of(ctx, tx, g.ID)
			if err != nil {
				return err
			}
			for _, v := range members {
				out[g.ID] = append(out[g.ID], v.ID)
			}
		}
		return nil
	})
	return out, err
}

// Show returns a group.
func (s *Service) Show(ctx context.Context, id string) (g *Group, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		g, err = s.get(ctx, tx, id, "get")
		return err
	})
	return g, err
}

func (s *Service) get(ctx context.Context, tx *store.Tx, id, rule string) (*Group, error) {
	g, err := s.d.Groups.Get(ctx, tx, id)
	if err != nil {
		return nil, orAbsent(err, notFound(id))
	}
	return g, s.sees(ctx, g.ProjectID, rule, notFound(id))
}

// ForVolume finds the group that a new volume is to be in and has a type of,
// for the transaction that makes the volume.
func (s *Service) ForVolume(ctx context.Context, tx *store.Tx, id, typeID string) (*Group, error) {
	g, err := s.get(ctx, tx, id, "get")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(g.VolumeTypes, typeID) {
		return nil, errs.New(errs.Invalid, "Invalid input received: Invalid volume type provided: %s (requested type must be supported by group %s).", typeID, id)
	}
	return g, nil
}

// HostOf is where a group's volumes are; "" for no group.
func (s *Service) HostOf(ctx context.Context, tx *store.Tx, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	g, err := s.d.Groups.Get(ctx, tx, id)
	if err != nil {
		return "", orAbsent(err, notFound(id))
	}
	return g.Host, nil
}

// NewGroup is what a group is made of.
type NewGroup struct {
	Name, Description *string
	Type              string
	VolumeTypes       []string
	Zone              string
}

// Create makes an empty group. If no back end takes all its types it is there in error.
func (s *Service) Create(ctx context.Context, n NewGroup) (*Group, error) {
	if err := s.check(ctx, "create"); err != nil {
		return nil, err
	}
	g := s.fresh(ctx, n.Name, n.Description)
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.Types.resolve(ctx, tx, n.Type)
		if err != nil {
			return err
		}
		if g.VolumeTypes, err = s.d.Volumes.TypeIDs(ctx, tx, n.VolumeTypes); err != nil {
			return err
		}
		g.TypeID, g.Status, g.Host = t.ID, Available, ""
		if !t.unserved() {
			if g.Host, g.Zone, err = s.d.Volumes.Backend(ctx, tx, g.VolumeTypes, n.Zone); err != nil {
				return err
			}
		}
		if g.Host == "" {
			g.Status = Error
		}
		return s.insert(ctx, tx, g)
	})
	return g, err
}

func (s *Service) fresh(ctx context.Context, name, description *string) *Group {
	a := actor.From(ctx)
	return &Group{
		ID: ids.New(), ProjectID: a.ProjectID, UserID: a.UserID, Name: trimmed(name), Description: trimmed(description),
		Replication: "disabled", CreatedAt: s.d.Now().UTC(),
	}
}

func trimmed(text *string) *string {
	if text == nil {
		return nil
	}
	out := strings.TrimSpace(*text)
	return &out
}

func (s *Service) insert(ctx context.Context, tx *store.Tx, g *Group) error {
	if err := s.d.Spend(ctx, tx, g.ProjectID, 1); err != nil {
		return err
	}
	audit.Created(ctx, g.ID)
	return s.d.Groups.Insert(ctx, tx, g)
}

// Copy is what a group is made of that copies another, or a group's snapshot.
type Copy struct {
	Name, Description    *string
	SnapshotID, SourceID string // one of them
}

// CreateFrom makes a group with a copy of each volume of another.
func (s *Service) CreateFrom(ctx context.Context, c Copy) (*Group, error) {
	if err := s.check(ctx, "create"); err != nil {
		return nil, err
	}
	g := s.fresh(ctx, c.Name, c.Description)
	g.SnapshotID, g.SourceID, g.Status, g.Waits = c.SnapshotID, c.SourceID, Creating, true
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		source, copies, err := s.copies(ctx, tx, c)
		if err != nil {
			return err
		}
		g.TypeID, g.VolumeTypes, g.Zone, g.Host = source.TypeID, source.VolumeTypes, source.Zone, source.Host
		if err := s.insert(ctx, tx, g); err != nil {
			return err
		}
		for _, n := range copies {
			n.GroupID, n.Zone, n.Host = g.ID, g.Zone, g.Host
			if err := s.d.Volumes.Create(ctx, tx, n); err != nil {
				return err
			}
		}
		s.wake(tx)
		return nil
	})
	return g, err
}

// copies finds what is copied, and what becomes of it.
func (s *Service) copies(ctx context.Context, tx *store.Tx, c Copy) (*Group, []NewVolume, error) {
	var out []NewVolume
	if c.SnapshotID == "" {
		source, err := s.get(ctx, tx, c.SourceID, "get")
		if err != nil {
			return nil, nil, err
		}
		members, err := s.d.Volumes.Of(ctx, tx, source.ID)
		for _, v := range members {
			out = append(out, NewVolume{TypeID: v.TypeID, SizeGiB: v.SizeGiB, SourceID: v.ID})
		}
		if err == nil && out == nil {
			err = invalid("Source Group is empty. No group will be created.")
		}
		return source, out, err
	}
	snap, err := s.Snapshots.get(ctx, tx, c.SnapshotID, "get_group_snapshot")
	if err != nil {
		return nil, nil, err
	}
	source, err := s.get(ctx, tx, snap.GroupID, "get")
	if err != nil {
		return nil, nil, err
	}
	list, err := s.d.Volumes.Snapshots(ctx, tx, snap.ID)
	for _, v := range list {
		out = append(out, NewVolume{TypeID: v.TypeID, SizeGiB: v.SizeGiB, SnapshotID: v.ID})
	}
	if err == nil && out == nil {
		err = invalid("Group snapshot is empty. No group will be created.")
	}
	return source, out, err
}

// Patch is what can be changed of a group: its words, and which volumes are in it.
type Patch struct {
	Name, Description change.Optional[string]
	Add, Remove       []string
}

// Update changes a group.
func (s *Service) Update(ctx context.Context, id string, p Patch) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		g, err := s.get(ctx, tx, id, "update")
		if err != nil {
			return err
		}
		changed := s.rename(g, p)
		moved, err := s.members(ctx, tx, g, p)
		if err != nil {
			return err
		}
		if !changed && !moved {
			return invalid("Cannot update group %s because no valid name, description, add_volumes, or remove_volumes were provided.", id)
		}
		if moved && g.Status != Available {
			return invalid("Group status must be available.")
		}
		g.UpdatedAt = s.d.Now().UTC()
		return s.d.Groups.Update(ctx, tx, g)
	})
}

func (*Service) rename(g *Group, p Patch) (changed bool) {
	for _, w := range []struct {
		new change.Optional[string]
		at  **string
	}{{p.Name, &g.Name}, {p.Description, &g.Description}} {
		if !w.new.Set || w.new.Null || *w.at != nil && **w.at == w.new.Value {
			continue
		}
		*w.at, changed = trimmed(&w.new.Value), true
	}
	return changed
}

// ResetStatus says what a group's status is, for an administrator who knows better.
func (s *Service) ResetStatus(ctx context.Context, id, status string) error {
	status = strings.ToLower(status)
	if !slices.Contains(statuses, status) {
		return errs.New(errs.Invalid, "Invalid Group Status: Group status: %s is invalid, valid status are: %s.", status, strings.Join(statuses, ", "))
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		g, err := s.get(ctx, tx, id, "reset_status")
		if err != nil {
			return err
		}
		g.Status, g.Waits, g.UpdatedAt = status, false, s.d.Now().UTC()
		return s.d.Groups.Update(ctx, tx, g)
	})
}

// Replicate answers all that is asked of a group's replication under a rule: no
// back end of this cloud replicates, so that no type of group can ask for it and work.
func (s *Service) Replicate(ctx context.Context, id, rule string) error {
	return s.d.DB.Read(ctx, func(tx *store.Tx) error {
		g, err := s.get(ctx, tx, id, rule)
		if err != nil {
			return err
		}
		t, err := s.d.Tables.Types.Get(ctx, tx, g.TypeID)
		if err == nil && t.replicated() {
			return invalid("Group %s status must be ['available'], but current status is: %s. No back end of this cloud replicates.", id, g.Status)
		}
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
		return errs.New(errs.Invalid, "Invalid group type: Group %s is not a replication group type.", id)
	})
}

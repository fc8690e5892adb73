package group

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Snapshots are the use cases for group snapshots.
type Snapshots struct{ *Service }

// List lists group snapshots.
func (s *Snapshots) List(ctx context.Context, q store.Query) (page store.Page[Snapshot], err error) {
	if err := s.check(ctx, "get_all_group_snapshots"); err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Snapshots.List(ctx, tx, s.scope(ctx, q))
		return err
	})
	return page, err
}

// Show returns a group snapshot.
func (s *Snapshots) Show(ctx context.Context, id string) (v *Snapshot, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		v, err = s.get(ctx, tx, id, "get_group_snapshot")
		return err
	})
	return v, err
}

func (s *Snapshots) get(ctx context.Context, tx *store.Tx, id, rule string) (*Snapshot, error) {
	v, err := s.d.Snapshots.Get(ctx, tx, id)
	if err != nil {
		return nil, orAbsent(err, snapshotNotFound(id))
	}
	return v, s.sees(ctx, v.ProjectID, rule, snapshotNotFound(id))
}

// NewSnapshot is what a group snapshot is made of.
type NewSnapshot struct {
	GroupID           string
	Name, Description *string
}

// Create snapshots every volume of a group.
func (s *Snapshots) Create(ctx context.Context, n NewSnapshot) (*Snapshot, error) {
	a := actor.From(ctx)
	v := &Snapshot{
		ID: ids.New(), ProjectID: a.ProjectID, UserID: a.UserID, Name: n.Name, Description: n.Description, Status: Creating, Waits: true,
		GroupID: n.GroupID, CreatedAt: s.d.Now().UTC(),
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		g, err := s.Service.get(ctx, tx, n.GroupID, "create_group_snapshot")
		if err != nil {
			return err
		}
		v.TypeID = g.TypeID
		audit.Created(ctx, v.ID)
		if err := s.d.Snapshots.Insert(ctx, tx, v); err != nil {
			return err
		}
		members, err := s.d.Volumes.Of(ctx, tx, g.ID)
		if err != nil {
			return err
		}
		for _, m := range members {
			if err := s.d.Volumes.CreateSnapshot(ctx, tx, m.ID, v.ID, n.Name, n.Description); err != nil {
				return err
			}
		}
		s.wake(tx)
		return nil
	})
	return v, err
}

// Delete removes a group snapshot with the snapshots that belong to it.
func (s *Snapshots) Delete(ctx context.Context, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		v, err := s.get(ctx, tx, id, "delete_group_snapshot")
		if err != nil {
			return err
		}
		copied, err := s.d.Groups.Any(ctx, tx, store.Eq("group_snapshot_id", id), store.Eq("status", Creating))
		if err != nil {
			return err
		}
		if copied || v.Status != Available && v.Status != Error {
			return errs.New(errs.Invalid, "Invalid GroupSnapshot: GroupSnapshot status must be available or error, and no Group can be currently using it as source for its creation.")
		}
		list, err := s.d.Volumes.Snapshots(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, m := range list {
			if err := s.d.Volumes.DeleteSnapshot(ctx, tx, m.ID); err != nil {
				return err
			}
		}
		v.Status, v.Waits, v.UpdatedAt = Deleting, true, s.d.Now().UTC()
		s.wake(tx)
		return s.d.Snapshots.Update(ctx, tx, v)
	})
}

// ResetStatus says what a group snapshot's status is, for an administrator who knows better.
func (s *Snapshots) ResetStatus(ctx context.Context, id, status string) error {
	status = strings.ToLower(status)
	if !slices.Contains(statuses, status) {
		return errs.New(errs.Invalid, "Invalid GroupSnapshot Status: Group snapshot status: %s is invalid, valid statuses are: %s.", status, strings.Join(statuses, ", "))
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		v, err := s.get(ctx, tx, id, "reset_group_snapshot_status")
		if err != nil {
			return err
		}
		v.Status, v.Waits, v.UpdatedAt = status, false, s.d.Now().UTC()
		return s.d.Snapshots.Update(ctx, tx, v)
	})
}

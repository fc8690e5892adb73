package group

import (
	"context"
	"fmt"

	"kumoi/internal/kernel/store"
)

// Settle ends the waiting of groups and group snapshots whose volumes and
// snapshots have become what they were to become. It is a task: it reads what
// is, and may run at any time. It says how many still wait. A status that an
// administrator has set waits for nothing.
func (s *Service) Settle(ctx context.Context) (waiting int, report string, err error) {
	under := store.Eq("waits", true)
	if none, err := s.settled(ctx, under); none || err != nil {
		return 0, "nothing waits", err
	}
	ended := 0
	count := func(done bool, err error) error {
		if done {
			ended++
		} else {
			waiting++
		}
		return err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		ended, waiting = 0, 0
		snapshots, err := s.d.Snapshots.All(ctx, tx, under)
		if err != nil {
			return err
		}
		for _, v := range snapshots {
			if err := count(s.settleSnapshot(ctx, tx, v)); err != nil {
				return err
			}
		}
		groups, err := s.d.Groups.All(ctx, tx, under)
		if err != nil {
			return err
		}
		for _, g := range groups {
			if err := count(s.settleGroup(ctx, tx, g)); err != nil {
				return err
			}
		}
		return nil
	})
	return waiting, fmt.Sprintf("%d ended, %d waiting", ended, waiting), err
}

// settled tells, without a transaction that writes, whether nothing waits.
func (s *Service) settled(ctx context.Context, under store.Cond) (none bool, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		some, err := s.d.Snapshots.Any(ctx, tx, under)
		if err == nil && !some {
			some, err = s.d.Groups.Any(ctx, tx, under)
		}
		none = !some
		return err
	})
	return none, err
}

// outcome is what has become of parts that were to be made or to go; "" while some are under way.
func outcome(was string, parts []string) string {
	out := Available
	if was == Deleting && len(parts) == 0 {
		return "gone"
	}
	for _, status := range parts {
		switch {
		case was == Creating && (status == Error || status == ErrorDeleting):
			out = Error
		case was == Deleting && (status == Error || status == ErrorDeleting):
			out = ErrorDeleting
		case was == Creating && (status == "creating" || status == "downloading"), was == Deleting:
			return ""
		}
	}
	return out
}

func (s *Service) settleSnapshot(ctx context.Context, tx *store.Tx, v *Snapshot) (bool, error) {
	list, err := s.d.Volumes.Snapshots(ctx, tx, v.ID)
	if err != nil {
		return false, err
	}
	parts := make([]string, len(list))
	for i, m := range list {
		parts[i] = m.Status
	}
	switch now := outcome(v.Status, parts); now {
	case "":
		return false, nil
	case "gone":
		return true, s.d.Snapshots.Delete(ctx, tx, v.ID)
	default:
		v.Status, v.Waits, v.UpdatedAt = now, false, s.d.Now().UTC()
		return true, s.d.Snapshots.Update(ctx, tx, v)
	}
}

func (s *Service) settleGroup(ctx context.Context, tx *store.Tx, g *Group) (bool, error) {
	members, err := s.d.Volumes.Of(ctx, tx, g.ID)
	if err != nil {
		return false, err
	}
	parts := make([]string, len(members))
	for i, m := range members {
		parts[i] = m.Status
	}
	switch now := outcome(g.Status, parts); now {
	case "":
		return false, nil
	case "gone":
		return true, s.remove(ctx, tx, g)
	default:
		g.Status, g.Waits, g.UpdatedAt = now, false, s.d.Now().UTC()
		return true, s.d.Groups.Update(ctx, tx, g)
	}
}

package identity

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// ListGroups lists groups. A token for a domain sees its own.
func (s *Service) ListGroups(ctx context.Context, q Query) (Page[Group], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target["target.group.domain_id"] = a.DomainID
		q.Where = append(q.Where, Eq("domain_id", a.DomainID))
	}
	if err := s.check(ctx, "identity:list_groups", target); err != nil {
		return Page[Group]{}, err
	}
	if err := s.mirrorNamed(ctx, q); err != nil {
		return Page[Group]{}, err
	}
	rows, err := read(ctx, s, func(tx *store.Tx) ([]Group, error) { return s.store.Groups.List(ctx, tx, s.limited(q)) })
	return page(s, q, rows), err
}

func (s *Service) getGroup(ctx context.Context, tx *store.Tx, rule, id string) (Group, error) {
	g, err := s.store.Groups.Get(ctx, tx, id)
	target := policy.Target{}
	if err == nil {
		target = groupTarget(g)
	} else if !errs.Is(err, errs.NotFound) {
		return g, err
	}
	if perr := s.check(ctx, rule, target); perr != nil {
		return g, perr
	}
	return g, err
}

// GetGroup returns a group.
func (s *Service) GetGroup(ctx context.Context, id string) (Group, error) {
	return read(ctx, s, func(tx *store.Tx) (Group, error) { return s.getGroup(ctx, tx, "identity:get_group", id) })
}

// CreateGroup makes a group.
func (s *Service) CreateGroup(ctx context.Context, g Group) (Group, error) {
	g.ID, g.DomainID = ids.NewHex(), homeDomain(ctx, g.DomainID)
	if err := s.check(ctx, "identity:create_group", groupTarget(g)); err != nil {
		return g, err
	}
	if err := s.ownDirectory(ctx, g.DomainID); err != nil {
		return g, err
	}
	return write(ctx, s, func(tx *store.Tx) (Group, error) {
		if _, err := s.domain(ctx, tx, g.DomainID); err != nil {
			return g, err
		}
		if err := s.store.Groups.Insert(ctx, tx, g); err != nil {
			return g, err
		}
		return g, s.noted(ctx, tx, "group", created, g.ID)
	})
}

// UpdateGroup changes a group.
func (s *Service) UpdateGroup(ctx context.Context, id string, change func(g *Group) error) (Group, error) {
	return write(ctx, s, func(tx *store.Tx) (Group, error) {
		g, err := s.getGroup(ctx, tx, "identity:update_group", id)
		if err != nil {
			return g, err
		}
		if err := readOnlyGroup(id); err != nil {
			return g, err
		}
		domain := g.DomainID
		if err := change(&g); err != nil {
			return g, err
		}
		if g.DomainID != domain {
			return g, errs.New(errs.Invalid, "Cannot change Domain ID.")
		}
		if err := s.store.Groups.Update(ctx, tx, g); err != nil {
			return g, err
		}
		return g, s.noted(ctx, tx, "group", updated, id)
	})
}

// DeleteGroup deletes a group; its members lose what they had by it.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		g, err := s.store.Groups.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.check(ctx, "identity:delete_group", groupTarget(g)); err != nil {
			return err
		}
		if err := readOnlyGroup(id); err != nil {
			return err
		}
		return s.removeGroup(ctx, tx, g)
	})
}

func (s *Service) removeGroup(ctx context.Context, tx *store.Tx, g Group) error {
	if err := s.store.Assignments.RemoveActor(ctx, tx, GroupActor, g.ID); err != nil {
		return err
	}
	if err := s.store.Groups.Delete(ctx, tx, g.ID); err != nil {
		return err
	}
	if err := s.noted(ctx, tx, "group", deleted, g.ID); err != nil {
		return err
	}
	return s.changed(ctx, tx, groupTag(g.ID))
}

// GroupUsers lists the members of a group.
func (s *Service) GroupUsers(ctx context.Context, id string, q Query) (Page[User], error) {
	rows, err := read(ctx, s, func(tx *store.Tx) ([]User, error) {
		if _, err := s.getGroup(ctx, tx, "identity:list_users_in_group", id); err != nil {
			return nil, err
		}
		if d := actor.From(ctx).DomainID; d != "" {
			q.Where = append(q.Where, Eq("domain_id", d))
		}
		rows, err := s.store.Users.OfGroup(ctx, tx, id, s.limited(q))
		if err != nil {
			return nil, err
		}
		return rows, s.withFederated(ctx, tx, rows)
	})
	return page(s, q, rows), err
}

// member loads the two ends of a membership under a rule.
func (s *Service) member(ctx context.Context, tx *store.Tx, rule, groupID, userID string) error {
	u, uerr := s.store.Users.Get(ctx, tx, userID)
	g, gerr := s.store.Groups.Get(ctx, tx, groupID)
	target := policy.Target{}
	if uerr == nil && gerr == nil {
		target = targetOf(userTarget(u), groupTarget(g))
	}
	if err := s.check(ctx, rule, target); err != nil {
		return err
	}
	if gerr != nil {
		return gerr
	}
	return uerr
}

// IsMember answers whether a user is in a group: nil, or NotFound.
func (s *Service) IsMember(ctx context.Context, groupID, userID string) error {
	return s.db.Read(ctx, func(tx *store.Tx) error {
		if err := s.member(ctx, tx, "identity:check_user_in_group", groupID, userID); err != nil {
			return err
		}
		in, err := s.store.Groups.IsMember(ctx, tx, userID, groupID)
		if err == nil && !in {
			err = errs.New(errs.NotFound, "User %s not found in group %s.", userID, groupID)
		}
		return err
	})
}

// AddMember puts a user into a group.
func (s *Service) AddMember(ctx context.Context, groupID, userID string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.member(ctx, tx, "identity:add_user_to_group", groupID, userID); err != nil {
			return err
		}
		if err := readOnlyGroup(groupID); err != nil {
			return err
		}
		if err := s.store.Groups.AddMember(ctx, tx, userID, groupID); err != nil {
			return err
		}
		if err := s.notedWith(ctx, tx, "group", "added_to", groupID, map[string]any{"user": userID}); err != nil {
			return err
		}
		return s.changed(ctx, tx, userTag(userID))
	})
}

// RemoveMember takes a user out of a group; tokens lose the roles at once.
func (s *Service) RemoveMember(ctx context.Context, groupID, userID string) error {
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.member(ctx, tx, "identity:remove_user_from_group", groupID, userID); err != nil {
			return err
		}
		if err := readOnlyGroup(groupID); err != nil {
			return err
		}
		was, err := s.store.Groups.RemoveMember(ctx, tx, userID, groupID)
		if err != nil {
			return err
		}
		if !was {
			return errs.New(errs.NotFound, "User %s not found in group %s.", userID, groupID)
		}
		if err := s.notedWith(ctx, tx, "group", "removed_from", groupID, map[string]any{"user": userID}); err != nil {
			return err
		}
		return s.changed(ctx, tx, userTag(userID))
	})
}

package identity

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// List lists groups. A token for a domain sees its own.
func (f *Groups) List(ctx context.Context, q store.Query) (store.Page[Group], error) {
	a := actor.From(ctx)
	target := policy.Target{}
	if a.DomainID != "" {
		target["target.group.domain_id"] = a.DomainID
		q = q.Within(store.Eq("domain_id", a.DomainID))
	}
	if err := f.s.check(ctx, "identity:list_groups", target); err != nil {
		return store.Page[Group]{}, err
	}
	if err := f.s.directories.mirrorNamed(ctx, q); err != nil {
		return store.Page[Group]{}, err
	}
	return family.List(ctx, f.s.base, f.s.store.Groups.Table, q)
}

func (f *Groups) get(ctx context.Context, tx *store.Tx, rule, id string) (Group, error) {
	g, err := family.Get(ctx, tx, f.s.store.Groups.Table, id)
	target := policy.Target{}
	if err == nil {
		target = groupTarget(g)
	} else if !errs.Is(err, errs.NotFound) {
		return g, err
	}
	if perr := f.s.check(ctx, rule, target); perr != nil {
		return g, perr
	}
	return g, err
}

// Show returns a group.
func (f *Groups) Show(ctx context.Context, id string) (*Group, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (Group, error) { return f.get(ctx, tx, "identity:get_group", id) }))
}

// Create makes a group.
func (f *Groups) Create(ctx context.Context, in change.Patch[Group]) (*Group, error) {
	var g Group
	if err := in.To(&g); err != nil {
		return nil, err
	}
	g.ID, g.DomainID = ids.NewHex(), homeDomain(ctx, g.DomainID)
	if err := f.s.check(ctx, "identity:create_group", groupTarget(g)); err != nil {
		return nil, err
	}
	if err := f.s.directories.own(ctx, g.DomainID); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Group, error) {
		if _, err := f.s.Domains.get(ctx, tx, g.DomainID); err != nil {
			return g, err
		}
		if err := f.s.store.Groups.Insert(ctx, tx, &g); err != nil {
			return g, err
		}
		return g, f.s.base.Made(ctx, tx, "group", g.ID)
	}))
}

// Update changes a group.
func (f *Groups) Update(ctx context.Context, id string, in change.Patch[Group]) (*Group, error) {
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Group, error) {
		g, err := f.get(ctx, tx, "identity:update_group", id)
		if err != nil {
			return g, err
		}
		if err := readOnlyGroup(id); err != nil {
			return g, err
		}
		domain := g.DomainID
		if err := in.To(&g); err != nil {
			return g, err
		}
		if g.DomainID != domain {
			return g, errs.New(errs.Invalid, "Cannot change Domain ID.")
		}
		if err := f.s.store.Groups.Update(ctx, tx, &g); err != nil {
			return g, err
		}
		return g, f.s.noted(ctx, tx, "group", updated, id)
	}))
}

// Delete deletes a group; its members lose what they had by it.
func (f *Groups) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		g, err := family.Get(ctx, tx, f.s.store.Groups.Table, id)
		if err != nil {
			return err
		}
		if err := f.s.check(ctx, "identity:delete_group", groupTarget(g)); err != nil {
			return err
		}
		if err := readOnlyGroup(id); err != nil {
			return err
		}
		return f.remove(ctx, tx, g)
	})
}

func (f *Groups) remove(ctx context.Context, tx *store.Tx, g Group) error {
	if err := f.s.store.Assignments.RemoveActor(ctx, tx, GroupActor, g.ID); err != nil {
		return err
	}
	if err := f.s.store.Groups.Delete(ctx, tx, g.ID); err != nil {
		return err
	}
	if err := f.s.noted(ctx, tx, "group", deleted, g.ID); err != nil {
		return err
	}
	return f.s.changed(ctx, tx, groupTag(g.ID))
}

// Users lists the members of a group.
func (f *Groups) Users(ctx context.Context, id string, q store.Query) (store.Page[User], error) {
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (page store.Page[User], err error) {
		if _, err := f.get(ctx, tx, "identity:list_users_in_group", id); err != nil {
			return page, err
		}
		q := q.Within(store.Is("of_group", id))
		if d := actor.From(ctx).DomainID; d != "" {
			q = q.Within(store.Eq("domain_id", d))
		}
		return f.s.Users.page(ctx, tx, q)
	})
}

// member loads the two ends of a membership under a rule.
func (f *Groups) member(ctx context.Context, tx *store.Tx, rule, groupID, userID string) error {
	u, uerr := family.Get(ctx, tx, f.s.store.Users.Table, userID)
	g, gerr := family.Get(ctx, tx, f.s.store.Groups.Table, groupID)
	for _, err := range []error{uerr, gerr} {
		if err != nil && !errs.Is(err, errs.NotFound) {
			return err
		}
	}
	target := policy.Target{}
	if uerr == nil && gerr == nil {
		target = targetOf(userTarget(u), groupTarget(g))
	}
	if err := f.s.check(ctx, rule, target); err != nil {
		return err
	}
	if gerr != nil {
		return gerr
	}
	return uerr
}

// IsMember answers whether a user is in a group: nil, or NotFound.
func (f *Groups) IsMember(ctx context.Context, groupID, userID string) error {
	return f.s.db.Read(ctx, func(tx *store.Tx) error {
		if err := f.member(ctx, tx, "identity:check_user_in_group", groupID, userID); err != nil {
			return err
		}
		in, err := f.s.store.Groups.IsMember(ctx, tx, userID, groupID)
		if err == nil && !in {
			err = errs.New(errs.NotFound, "User %s not found in group %s.", userID, groupID)
		}
		return err
	})
}

// AddMember puts a user into a group.
func (f *Groups) AddMember(ctx context.Context, groupID, userID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.member(ctx, tx, "identity:add_user_to_group", groupID, userID); err != nil {
			return err
		}
		if err := readOnlyGroup(groupID); err != nil {
			return err
		}
		if err := f.s.store.Groups.AddMember(ctx, tx, userID, groupID); err != nil {
			return err
		}
		if err := f.s.notedWith(ctx, tx, "group", "added_to", groupID, map[string]any{"user": userID}); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, userTag(userID))
	})
}

// RemoveMember takes a user out of a group; tokens lose the roles at once.
func (f *Groups) RemoveMember(ctx context.Context, groupID, userID string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.member(ctx, tx, "identity:remove_user_from_group", groupID, userID); err != nil {
			return err
		}
		if err := readOnlyGroup(groupID); err != nil {
			return err
		}
		was, err := f.s.store.Groups.RemoveMember(ctx, tx, userID, groupID)
		if err != nil {
			return err
		}
		if !was {
			return errs.New(errs.NotFound, "User %s not found in group %s.", userID, groupID)
		}
		if err := f.s.notedWith(ctx, tx, "group", "removed_from", groupID, map[string]any{"user": userID}); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, userTag(userID))
	})
}

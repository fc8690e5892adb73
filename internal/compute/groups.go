package compute

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// CreateGroup adds a server group.
func (s *Service) CreateGroup(ctx context.Context, g ServerGroup) (*ServerGroup, error) {
	if err := s.Check(ctx, "os-server-groups:create"); err != nil {
		return nil, err
	}
	who := actor.From(ctx)
	g.ID, g.ProjectID, g.UserID, g.CreatedAt = ids.New(), who.ProjectID, who.UserID, s.now().UTC()
	return &g, s.write(ctx, func(tx *store.Tx) error {
		limit, err := s.limits(ctx, tx, g.ProjectID)
		if err != nil {
			return err
		}
		n, err := s.store.CountGroups(ctx, tx, g.ProjectID)
		if err != nil {
			return err
		}
		if top := limit["server_groups"]; top >= 0 && n+1 > top {
			return errs.New(errs.OverQuota, "Quota exceeded, too many server groups.")
		}
		return s.store.InsertGroup(ctx, tx, &g)
	})
}

func (s *Service) group(ctx context.Context, tx *store.Tx, id, rule string) (*ServerGroup, error) {
	g, err := s.store.Group(ctx, tx, id)
	if err == nil && g.ProjectID != actor.From(ctx).ProjectID && !s.isAdmin(ctx) {
		err = store.ErrNoRows
	}
	if err != nil {
		return nil, notFound(err, "Instance group %s could not be found.", id)
	}
	return g, s.check(ctx, rule, policy.Target{"project_id": g.ProjectID, "user_id": g.UserID})
}

// Group returns a server group.
func (s *Service) Group(ctx context.Context, id string) (*ServerGroup, error) {
	var g *ServerGroup
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		g, err = s.group(ctx, tx, id, "os-server-groups:show")
		return err
	})
	return g, err
}

// Groups lists the project's server groups, or everybody's for administrators.
func (s *Service) Groups(ctx context.Context, all bool) ([]*ServerGroup, error) {
	if err := s.Check(ctx, "os-server-groups:index"); err != nil {
		return nil, err
	}
	project := actor.From(ctx).ProjectID
	if all && s.Allowed(ctx, "os-server-groups:index:all_projects") {
		project = ""
	}
	var list []*ServerGroup
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.store.Groups(ctx, tx, project)
		return err
	})
	return list, err
}

// DeleteGroup removes a server group; its servers stay.
func (s *Service) DeleteGroup(ctx context.Context, id string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		if _, err := s.group(ctx, tx, id, "os-server-groups:delete"); err != nil {
			return err
		}
		return s.store.DeleteGroup(ctx, tx, id)
	})
}

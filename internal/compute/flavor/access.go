package flavor

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Access lists the projects that may use a private flavor.
func (s *Service) Access(ctx context.Context, id string) (list []*Access, err error) {
	if err := s.d.Check(ctx, "os-flavor-access"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		f, err := s.d.Table.Get(ctx, tx, id)
		if err != nil {
			return missing(err, id)
		}
		if f.Public {
			return errs.New(errs.NotFound, "Access list not available for public flavors.")
		}
		list, err = s.d.Access.All(ctx, tx, store.Eq("flavor_id", id))
		return err
	})
	return list, err
}

// AddAccess lets a project use a private flavor. Before 2.7 a public one might
// be given to projects too, which publicToo is for.
func (s *Service) AddAccess(ctx context.Context, id, projectID string, publicToo bool) ([]*Access, error) {
	return s.changeAccess(ctx, id, projectID, "os-flavor-access:add_tenant_access", func(tx *store.Tx, f *Flavor) error {
		if f.Public && !publicToo {
			return errs.New(errs.Conflict, "Can not add access to a public flavor.")
		}
		err := s.d.Access.Insert(ctx, tx, &Access{id, projectID})
		if store.Duplicate(err) {
			err = errs.New(errs.Exists, "Flavor access already exists for flavor %s and project %s combination.", id, projectID)
		}
		return err
	})
}

// RemoveAccess takes that away.
func (s *Service) RemoveAccess(ctx context.Context, id, projectID string) ([]*Access, error) {
	return s.changeAccess(ctx, id, projectID, "os-flavor-access:remove_tenant_access", func(tx *store.Tx, _ *Flavor) error {
		err := s.d.Access.Delete(ctx, tx, id, projectID)
		if errs.Is(err, errs.NotFound) {
			err = errs.New(errs.NotFound, "Flavor access not found for %s / %s combination.", id, projectID)
		}
		return err
	})
}

func (s *Service) changeAccess(ctx context.Context, id, projectID, rule string, change func(tx *store.Tx, f *Flavor) error) (list []*Access, err error) {
	if err := s.d.Check(ctx, rule); err != nil {
		return nil, err
	}
	if err := s.d.Project(ctx, projectID); err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		f, err := s.d.Table.Get(ctx, tx, id)
		if err != nil {
			return missing(err, id)
		}
		if err := change(tx, f); err != nil {
			return err
		}
		list, err = s.d.Access.All(ctx, tx, store.Eq("flavor_id", id))
		return err
	})
	return list, err
}

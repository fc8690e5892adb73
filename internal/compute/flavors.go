package compute

import (
	"context"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

func flavorNotFound(err error, id string) error {
	return notFound(err, "Flavor %s could not be found.", id)
}

// visibleFlavor finds a flavor that the actor may use.
func (s *Service) visibleFlavor(ctx context.Context, tx *store.Tx, id string) (*Flavor, error) {
	f, err := s.store.Flavor(ctx, tx, id)
	if err != nil {
		return nil, flavorNotFound(err, id)
	}
	if f.Public || s.isAdmin(ctx) || actor.From(ctx).System != "" {
		return f, nil
	}
	access, err := s.store.FlavorAccess(ctx, tx, id)
	if err != nil {
		return nil, err
	}
	for _, p := range access {
		if p == actor.From(ctx).ProjectID {
			return f, nil
		}
	}
	return nil, flavorNotFound(store.ErrNoRows, id)
}

// Flavor returns one flavor.
func (s *Service) Flavor(ctx context.Context, id string) (*Flavor, error) {
	var f *Flavor
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		f, err = s.visibleFlavor(ctx, tx, id)
		return err
	})
	return f, err
}

// Flavors lists flavors. Only administrators choose whether private ones are in.
func (s *Service) Flavors(ctx context.Context, f FlavorFilter) ([]*Flavor, error) {
	f.ProjectID = actor.From(ctx).ProjectID
	if !s.isAdmin(ctx) {
		f.All, f.Public = false, nil
	}
	var list []*Flavor
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.store.Flavors(ctx, tx, f)
		return err
	})
	return list, err
}

// CreateFlavor adds a flavor; without an id, or with "auto", it gets a UUID.
func (s *Service) CreateFlavor(ctx context.Context, f Flavor) (*Flavor, error) {
	if err := s.Check(ctx, "os-flavor-manage:create"); err != nil {
		return nil, err
	}
	if f.ID == "" || f.ID == "auto" {
		f.ID = ids.New()
	}
	f.Name = strings.TrimSpace(f.Name)
	f.CreatedAt = s.now().UTC()
	err := s.write(ctx, func(tx *store.Tx) error {
		if _, err := s.store.Flavor(ctx, tx, f.ID); err == nil {
			return errs.New(errs.Exists, "Flavor with ID %s already exists.", f.ID)
		}
		return s.store.InsertFlavor(ctx, tx, &f)
	})
	return &f, exists(err, "Flavor with name %s already exists.", f.Name)
}

// UpdateFlavor changes a flavor's description.
func (s *Service) UpdateFlavor(ctx context.Context, id string, description *string) (*Flavor, error) {
	return s.changeFlavor(ctx, id, "os-flavor-manage:update", func(f *Flavor) error {
		f.Description = description
		return nil
	})
}

func (s *Service) changeFlavor(ctx context.Context, id, rule string, change func(f *Flavor) error) (*Flavor, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	var f *Flavor
	err := s.write(ctx, func(tx *store.Tx) (err error) {
		if f, err = s.store.Flavor(ctx, tx, id); err != nil {
			return flavorNotFound(err, id)
		}
		if err := change(f); err != nil {
			return err
		}
		f.UpdatedAt = s.now().UTC()
		return s.store.UpdateFlavor(ctx, tx, f)
	})
	return f, err
}

// DeleteFlavor removes a flavor; servers keep their copy.
func (s *Service) DeleteFlavor(ctx context.Context, id string) error {
	if err := s.Check(ctx, "os-flavor-manage:delete"); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		return flavorNotFound(s.store.DeleteFlavor(ctx, tx, id), id)
	})
}

// SetExtraSpecs adds to a flavor's extra specs.
func (s *Service) SetExtraSpecs(ctx context.Context, id, rule string, set map[string]string) (*Flavor, error) {
	return s.changeFlavor(ctx, id, rule, func(f *Flavor) error {
		if f.ExtraSpecs == nil {
			f.ExtraSpecs = map[string]string{}
		}
		for k, v := range set {
			f.ExtraSpecs[k] = v
		}
		return nil
	})
}

// DeleteExtraSpec removes one extra spec.
func (s *Service) DeleteExtraSpec(ctx context.Context, id, key string) error {
	_, err := s.changeFlavor(ctx, id, "os-flavor-extra-specs:delete", func(f *Flavor) error {
		if _, ok := f.ExtraSpecs[key]; !ok {
			return errs.New(errs.NotFound, "Flavor %s has no extra specs with key %s.", id, key)
		}
		delete(f.ExtraSpecs, key)
		return nil
	})
	return err
}

// FlavorAccess lists the projects that may use a private flavor.
func (s *Service) FlavorAccess(ctx context.Context, id string) ([]string, error) {
	if err := s.Check(ctx, "os-flavor-access"); err != nil {
		return nil, err
	}
	var list []string
	err := s.read(ctx, func(tx *store.Tx) error {
		f, err := s.store.Flavor(ctx, tx, id)
		if err != nil {
			return flavorNotFound(err, id)
		}
		if f.Public {
			return errs.New(errs.NotFound, "Access list not available for public flavors.")
		}
		list, err = s.store.FlavorAccess(ctx, tx, id)
		return err
	})
	return list, err
}

// ChangeFlavorAccess lets a project use a private flavor, or not any more.
func (s *Service) ChangeFlavorAccess(ctx context.Context, id, projectID string, allow, publicConflicts bool) ([]string, error) {
	rule := "os-flavor-access:remove_tenant_access"
	if allow {
		rule = "os-flavor-access:add_tenant_access"
	}
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return nil, err
	}
	var list []string
	err := s.write(ctx, func(tx *store.Tx) error {
		f, err := s.store.Flavor(ctx, tx, id)
		if err != nil {
			return flavorNotFound(err, id)
		}
		switch {
		case f.Public && publicConflicts && allow:
			return errs.New(errs.Conflict, "Can not add access to a public flavor.")
		case allow:
			err = exists(s.store.AddFlavorAccess(ctx, tx, id, projectID),
				"Flavor access already exists for flavor %s and project %s combination.", id, projectID)
		default:
			err = notFound(s.store.RemoveFlavorAccess(ctx, tx, id, projectID),
				"Flavor access not found for %s / %s combination.", id, projectID)
		}
		if err != nil {
			return err
		}
		list, err = s.store.FlavorAccess(ctx, tx, id)
		return err
	})
	return list, err
}

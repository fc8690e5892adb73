package voltype

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Access lists the projects that may use a private type.
func (s *Service) Access(ctx context.Context, id string) (list []*Access, err error) {
	if err := s.check(ctx, "volume_extension:volume_type_access:get_all_for_type"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) error {
		t, err := s.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if t.Public {
			return errs.New(errs.NotFound, "Access list not available for public volume types.")
		}
		list, err = s.d.Access.All(ctx, tx, store.Eq("type_id", id))
		return err
	})
	return list, err
}

// AddAccess lets a project use a private type.
func (s *Service) AddAccess(ctx context.Context, id, projectID string) error {
	return s.changeAccess(ctx, id, "volume_extension:volume_type_access:addProjectAccess", func(tx *store.Tx) error {
		err := s.d.Access.Insert(ctx, tx, &Access{id, projectID})
		if store.Duplicate(err) {
			err = errs.New(errs.Exists, "Volume type access for %s / %s combination already exists.", id, projectID)
		}
		return err
	})
}

// RemoveAccess takes that away; the project's volumes keep the type.
func (s *Service) RemoveAccess(ctx context.Context, id, projectID string) error {
	return s.changeAccess(ctx, id, "volume_extension:volume_type_access:removeProjectAccess", func(tx *store.Tx) error {
		err := s.d.Access.Delete(ctx, tx, id, projectID)
		if errs.Is(err, errs.NotFound) {
			err = errs.New(errs.NotFound, "Volume type access not found for %s / %s combination.", id, projectID)
		}
		return err
	})
}

func (s *Service) changeAccess(ctx context.Context, id, rule string, change func(tx *store.Tx) error) error {
	if err := s.check(ctx, rule); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if t.Public {
			return errs.New(errs.Invalid, "Invalid volume type: Type access modification is not applicable to public volume type.")
		}
		return change(tx)
	})
}

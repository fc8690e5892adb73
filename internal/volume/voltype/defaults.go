package voltype

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Defaults are the use cases for projects' default types.
type Defaults struct{ *Service }

// Defaults returns them.
func (s *Service) Defaults() Defaults { return Defaults{s} }

// List lists the projects that have a default type of their own.
func (s Defaults) List(ctx context.Context) (list []*Default, err error) {
	if err := s.check(ctx, "volume_extension:default_get_all"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = s.d.Defaults.All(ctx, tx)
		return err
	})
	return list, err
}

func (s Defaults) of(ctx context.Context, projectID, verb string) error {
	if err := s.d.Project(ctx, projectID); err != nil {
		return err
	}
	return s.d.Check(ctx, "volume_extension:default_"+verb, policy.Target{"project_id": projectID})
}

// Show returns a project's default type.
func (s Defaults) Show(ctx context.Context, projectID string) (d *Default, err error) {
	if err := s.of(ctx, projectID, "get"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = s.d.Defaults.Get(ctx, tx, projectID)
		if errs.Is(err, errs.NotFound) {
			err = errs.New(errs.NotFound, "Default type for project %s not found.", projectID)
		}
		return err
	})
	return d, err
}

// Set gives a project a default type.
func (s Defaults) Set(ctx context.Context, projectID, nameOrID string) (*Default, error) {
	if err := s.of(ctx, projectID, "set_or_update"); err != nil {
		return nil, err
	}
	d := &Default{ProjectID: projectID}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.Resolve(ctx, tx, nameOrID, projectID)
		if errs.Is(err, errs.NotFound) {
			return errs.New(errs.Invalid, "%s", errs.As(err).Msg)
		}
		if err != nil {
			return err
		}
		d.TypeID = t.ID
		if err = s.d.Defaults.Update(ctx, tx, d); errs.Is(err, errs.NotFound) {
			err = s.d.Defaults.Insert(ctx, tx, d)
		}
		return err
	})
	return d, err
}

// Unset takes a project's default type away, also of a project that is gone.
func (s Defaults) Unset(ctx context.Context, projectID string) error {
	if err := s.d.Check(ctx, "volume_extension:default_unset", policy.Target{"project_id": projectID}); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		err := s.d.Defaults.Delete(ctx, tx, projectID)
		if errs.Is(err, errs.NotFound) {
			return nil
		}
		return err
	})
}

package voltype

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Get finds a type that the actor may use by its id, for another service's transaction.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (*Type, error) {
	return s.first(ctx, tx, store.Eq("id", id), "Volume type %s could not be found.", id)
}

// Resolve finds the type that a request names by name or id, or the default of
// the project if it names none.
func (s *Service) Resolve(ctx context.Context, tx *store.Tx, nameOrID, projectID string) (*Type, error) {
	if nameOrID == "" {
		return s.defaultOf(ctx, tx, projectID)
	}
	if !ids.IsUUID(nameOrID) {
		return s.first(ctx, tx, store.Eq("name", nameOrID), "Volume type with name %s could not be found.", nameOrID)
	}
	t, err := s.Get(ctx, tx, nameOrID)
	if errs.Is(err, errs.NotFound) { // a name may look like an id
		t, err = s.first(ctx, tx, store.Eq("name", nameOrID), "Volume type %s could not be found.", nameOrID)
	}
	return t, err
}

func (s *Service) first(ctx context.Context, tx *store.Tx, which store.Cond, words, named string) (*Type, error) {
	conds := []store.Cond{which}
	if a := actor.From(ctx); a.System == "" && !s.d.Admin(ctx) {
		conds = append(conds, store.Is("usable", a.ProjectID))
	}
	t, err := s.d.Types.First(ctx, tx, conds...)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, words, named)
	}
	return t, err
}

// defaultOf is the type of a project's volumes whose request names none.
func (s *Service) defaultOf(ctx context.Context, tx *store.Tx, projectID string) (*Type, error) {
	d, err := s.d.Defaults.Get(ctx, tx, projectID)
	switch {
	case err == nil:
		return s.Get(ctx, tx, d.TypeID)
	case !errs.Is(err, errs.NotFound):
		return nil, err
	}
	t, err := s.d.Types.First(ctx, tx, store.Eq("name", DefaultName))
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.Invalid, "The request cannot be fulfilled as the default volume type %s cannot be found.", DefaultName)
	}
	return t, err
}

// Names are the names of all types, for quotas, which each type has of its own.
func (s *Service) Names(ctx context.Context, tx *store.Tx) ([]string, error) {
	rows, err := s.d.Types.All(ctx, tx)
	out := make([]string, len(rows))
	for i, t := range rows {
		out[i] = t.Name
	}
	return out, err
}

// NameOf is a type's name; "" if there is none with the id.
func (s *Service) NameOf(ctx context.Context, tx *store.Tx, id string) (string, error) {
	t, err := s.d.Types.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return t.Name, nil
}

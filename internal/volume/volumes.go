package volume

import (
	"context"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

func (v *Volume) target() policy.Target {
	return policy.Target{"project_id": v.ProjectID, "user_id": v.UserID}
}

// get reads a volume for an actor who may know of it and do what the rule names.
func (s *Service) get(ctx context.Context, tx *store.Tx, rule, id string) (*Volume, error) {
	v, err := s.tables.Volumes.Get(ctx, tx, id)
	if errs.Is(err, errs.NotFound) {
		return nil, NotFound(id)
	}
	if err != nil {
		return nil, err
	}
	if !s.sees(ctx, v.ProjectID) {
		return nil, NotFound(id)
	}
	return v, s.policy.Check(ctx, rule, v.target())
}

// change reads a volume, lets f change it and writes it, in one transaction.
func (s *Service) change(ctx context.Context, rule, id string, f func(tx *store.Tx, v *Volume) error) (v *Volume, err error) {
	err = s.write(ctx, func(tx *store.Tx) (err error) {
		if v, err = s.get(ctx, tx, rule, id); err != nil {
			return err
		}
		if err := f(tx, v); err != nil {
			return err
		}
		return s.save(ctx, tx, v)
	})
	return v, err
}

// save writes a volume that has changed.
func (s *Service) save(ctx context.Context, tx *store.Tx, v *Volume) error {
	v.UpdatedAt = s.now()
	return s.tables.Volumes.Update(ctx, tx, v)
}

// List lists volumes.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Volume], err error) {
	if err := s.Check(ctx, "volume:get_all"); err != nil {
		return page, err
	}
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.tables.Volumes.List(ctx, tx, s.listed(ctx, q))
		return err
	})
	return page, err
}

// Count counts what List would list without pages.
func (s *Service) Count(ctx context.Context, q store.Query) (n int64, err error) {
	if err := s.Check(ctx, "volume:get_all"); err != nil {
		return 0, err
	}
	q = s.listed(ctx, q)
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		n, err = s.tables.Volumes.Count(ctx, tx, append(slices.Clip(q.Scope), q.Where...)...)
		return err
	})
	return n, err
}

// listed is a query without volumes that only stand in for others while they migrate.
func (s *Service) listed(ctx context.Context, q store.Query) store.Query {
	return s.scope(ctx, q, "project_id").Within(store.Eq("replaces", ""))
}

// Show returns a volume.
func (s *Service) Show(ctx context.Context, id string) (v *Volume, err error) {
	return s.ShowBy(ctx, "volume:get", id)
}

// ShowBy returns a volume for what a rule names.
func (s *Service) ShowBy(ctx context.Context, rule, id string) (v *Volume, err error) {
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		v, err = s.get(ctx, tx, rule, id)
		return err
	})
	return v, err
}

// Patch is what a user changes of a volume or a snapshot.
type Patch struct {
	Name, Description change.Optional[string]
	Metadata          change.Optional[map[string]string]
}

// Update changes a volume's name, description and metadata.
func (s *Service) Update(ctx context.Context, id string, p Patch) (*Volume, error) {
	return s.change(ctx, "volume:update", id, func(_ *store.Tx, v *Volume) error {
		p.Name.Into(&v.Name)
		p.Description.Into(&v.Description)
		p.Metadata.Into(&v.Metadata)
		return nil
	})
}

// Summary is what a project's volumes are together.
type Summary struct {
	Count, SizeGiB int
	Metadata       map[string][]string // every value of each key
}

// Summarize counts the volumes that a list would show.
func (s *Service) Summarize(ctx context.Context, q store.Query) (*Summary, error) {
	page, err := s.List(ctx, q)
	if err != nil {
		return nil, err
	}
	out := &Summary{Count: len(page.Rows), Metadata: map[string][]string{}}
	for _, v := range page.Rows {
		out.SizeGiB += v.SizeGiB
		for k, value := range v.Metadata {
			if !slices.Contains(out.Metadata[k], value) {
				out.Metadata[k] = append(out.Metadata[k], value)
			}
		}
	}
	for _, values := range out.Metadata {
		slices.Sort(values)
	}
	return out, nil
}

// TypeNames are the names of the types that volumes have, by their ids.
func (s *Service) TypeNames(ctx context.Context, ids []string) (names map[string]string, err error) {
	err = s.read(ctx, func(tx *store.Tx) (err error) {
		names, err = s.parts.typeNames(ctx, tx, ids)
		return err
	})
	return names, err
}

// Allowed tells whether the actor may do what a rule names to what a project has.
func (s *Service) Allowed(ctx context.Context, rule, project string) bool {
	return s.policy.Allowed(ctx, rule, policy.Target{"project_id": project})
}

// Confides tells whether the actor may know how hosts reach volumes.
func (s *Service) Confides(ctx context.Context) bool { return s.admin(ctx) || s.inside(ctx) }

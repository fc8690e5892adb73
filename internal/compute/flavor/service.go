package flavor

import (
	"context"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Deps is what the service needs.
type Deps struct {
	DB     *store.DB
	Table  *store.Table[Flavor] // with the condition "usable" by a project
	Access *store.Table[Access]
	Now    func() time.Time
	// Check asks a rule of compute's policy about the actor, Allowed does so for what is
	// only shown or not, Admin asks whether the actor sees all flavors, and Project
	// refuses projects that do not exist.
	Check   func(ctx context.Context, rule string) error
	Allowed func(ctx context.Context, rule string) bool
	Admin   func(ctx context.Context) bool
	Project func(ctx context.Context, id string) error
}

// Service keeps flavors.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

func missing(err error, id string) error {
	if errs.Is(err, errs.NotFound) {
		return errs.New(errs.NotFound, "Flavor %s could not be found.", id)
	}
	return err
}

// Get finds a flavor that the actor may use, for another service's transaction.
func (s *Service) Get(ctx context.Context, tx *store.Tx, id string) (*Flavor, error) {
	f, err := s.d.Table.Get(ctx, tx, id)
	if err != nil || f.Public || s.d.Admin(ctx) || actor.From(ctx).System != "" {
		return f, missing(err, id)
	}
	ok, err := s.d.Access.Any(ctx, tx, store.Eq("flavor_id", id), store.Eq("project_id", actor.From(ctx).ProjectID))
	if err == nil && !ok {
		err = store.ErrNoRows
	}
	if err != nil {
		return nil, missing(err, id)
	}
	return f, nil
}

// Show returns a flavor that the actor may use.
func (s *Service) Show(ctx context.Context, id string) (f *Flavor, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		f, err = s.Get(ctx, tx, id)
		return err
	})
	s.show(ctx, f)
	return f, err
}

// show notes on flavors what the actor may see of them.
func (s *Service) show(ctx context.Context, flavors ...*Flavor) {
	shown := s.d.Allowed(ctx, "os-flavor-extra-specs:index")
	for _, f := range flavors {
		if f != nil {
			f.SpecsShown = shown
		}
	}
}

// List lists flavors. Administrators choose whether private ones are among
// them (a query for everyone's, perhaps with a condition); others get the
// public ones and those that their project may use.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Flavor], err error) {
	switch {
	case !s.d.Admin(ctx):
		q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(c store.Cond) bool { return c.Field == "is_public" })
		q = q.Within(store.Is("usable", actor.From(ctx).ProjectID))
	case !q.Everyone:
		q = q.Filter(store.Eq("is_public", true))
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q)
		return err
	})
	s.show(ctx, page.Rows...)
	return page, err
}

// Create adds a flavor; without an id, or with "auto", it gets a UUID.
func (s *Service) Create(ctx context.Context, f Flavor) (*Flavor, error) {
	if err := s.d.Check(ctx, "os-flavor-manage:create"); err != nil {
		return nil, err
	}
	if f.ID == "" || f.ID == "auto" {
		f.ID = ids.New()
	}
	f.Name, f.CreatedAt = strings.TrimSpace(f.Name), s.d.Now().UTC()
	if f.ExtraSpecs == nil {
		f.ExtraSpecs = map[string]string{}
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		taken, err := s.d.Table.Any(ctx, tx, store.Eq("id", f.ID))
		if err != nil {
			return err
		}
		if taken {
			return errs.New(errs.Exists, "Flavor with ID %s already exists.", f.ID)
		}
		audit.Created(ctx, f.ID)
		err = s.d.Table.Insert(ctx, tx, &f)
		if store.Duplicate(err) {
			err = errs.New(errs.Exists, "Flavor with name %s already exists.", f.Name)
		}
		return err
	})
	s.show(ctx, &f)
	return &f, err
}

// Patch is what can be changed of a flavor itself.
type Patch struct{ Description change.Optional[string] }

// Update changes a flavor's description.
func (s *Service) Update(ctx context.Context, id string, p Patch) (*Flavor, error) {
	return s.change(ctx, id, "os-flavor-manage:update", func(f *Flavor) error {
		p.Description.IntoPointer(&f.Description)
		return nil
	})
}

func (s *Service) change(ctx context.Context, id, rule string, change func(f *Flavor) error) (f *Flavor, err error) {
	if err := s.d.Check(ctx, rule); err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if f, err = s.d.Table.Get(ctx, tx, id); err != nil {
			return missing(err, id)
		}
		if err := change(f); err != nil {
			return err
		}
		f.UpdatedAt = s.d.Now().UTC()
		return s.d.Table.Update(ctx, tx, f)
	})
	s.show(ctx, f)
	return f, err
}

// Delete removes a flavor; servers keep their copy.
func (s *Service) Delete(ctx context.Context, id string) error {
	if err := s.d.Check(ctx, "os-flavor-manage:delete"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if err := s.d.Table.Delete(ctx, tx, id); err != nil {
			return missing(err, id)
		}
		_, err := s.d.Access.DeleteWhere(ctx, tx, store.Eq("flavor_id", id))
		return err
	})
}

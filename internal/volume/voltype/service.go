package voltype

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Tables are where the service keeps what it keeps.
type Tables struct {
	Types       *store.Table[Type] // with the condition "usable" by a project
	Access      *store.Table[Access]
	Encryptions *store.Table[Encryption]
	Defaults    *store.Table[Default]
}

// Deps is what the service needs.
type Deps struct {
	DB *store.DB
	Tables
	Now func() time.Time
	// Check asks a rule of the policy, Admin whether the actor sees all types,
	// and Project refuses projects that do not exist.
	Check   func(ctx context.Context, rule string, t policy.Target) error
	Admin   func(ctx context.Context) bool
	Project func(ctx context.Context, id string) error
	// InUse tells whether volumes have a type, Grouped whether groups may.
	InUse   func(ctx context.Context, tx *store.Tx, typeID string) (bool, error)
	Grouped func(ctx context.Context, tx *store.Tx, typeID string) (bool, error)
	// Renamed hears of a type's new name, under which its quotas go on; "" says
	// that the type is gone. It may be nil.
	Renamed func(ctx context.Context, tx *store.Tx, old, name string) error
}

// Service keeps volume types.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// Start makes the type that every cloud has.
func (s *Service) Start(ctx context.Context) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		there, err := s.d.Types.Any(ctx, tx, store.Eq("name", DefaultName))
		if there || err != nil {
			return err
		}
		text := "Default Volume Type"
		return s.d.Types.Insert(ctx, tx, &Type{
			ID: ids.New(), Name: DefaultName, Description: &text, Public: true, ExtraSpecs: map[string]string{}, CreatedAt: s.d.Now().UTC(),
		})
	})
}

func own(ctx context.Context) policy.Target {
	a := actor.From(ctx)
	return policy.Target{"project_id": a.ProjectID, "user_id": a.UserID}
}

func (s *Service) check(ctx context.Context, rule string) error {
	return s.d.Check(ctx, rule, own(ctx))
}

// List lists the types that the actor may use: public ones and those that its
// project was given. An administrator may ask for others by a condition on
// is_public, or for everyone's.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Type], err error) {
	if err := s.check(ctx, "volume_extension:type_get_all"); err != nil {
		return page, err
	}
	if admin := s.d.Admin(ctx); !admin || !q.Everyone {
		q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(c store.Cond) bool { return !admin && c.Field == "is_public" })
		q = q.Within(store.Is("usable", actor.From(ctx).ProjectID))
	}
	if s.asksForHidden(q) && s.check(ctx, readSensitive) != nil {
		return store.Page[Type]{Rows: []*Type{}}, nil
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Types.List(ctx, tx, q)
		return err
	})
	return page, err
}

// asksForHidden tells whether a query has conditions on extra specs that not
// everybody may see: it would tell what they are.
func (*Service) asksForHidden(q store.Query) bool {
	return slices.ContainsFunc(q.Where, func(c store.Cond) bool {
		pair, ok := c.Value.([]any)
		if !ok || c.Field != "spec" && c.Field != "spec_part" {
			return false
		}
		name, _ := pair[0].(string)
		return !IsVisible(name)
	})
}

// Show returns a type that the actor may use; "default" is its project's default.
func (s *Service) Show(ctx context.Context, id string) (t *Type, err error) {
	if err := s.check(ctx, "volume_extension:type_get"); err != nil {
		return nil, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		if id == "default" {
			t, err = s.defaultOf(ctx, tx, actor.From(ctx).ProjectID)
		} else {
			t, err = s.Get(ctx, tx, id)
		}
		return err
	})
	return t, err
}

// NewType is what a type is made of.
type NewType struct {
	Name        string
	Description *string
	Public      bool
	ExtraSpecs  map[string]string
}

// Create adds a type.
func (s *Service) Create(ctx context.Context, n NewType) (*Type, error) {
	if err := s.check(ctx, "volume_extension:type_create"); err != nil {
		return nil, err
	}
	if err := checkCacheable(nil, n.ExtraSpecs); err != nil {
		return nil, err
	}
	t := &Type{ID: ids.New(), Name: n.Name, Description: n.Description, Public: n.Public, ExtraSpecs: n.ExtraSpecs, CreatedAt: s.d.Now().UTC()}
	if t.ExtraSpecs == nil {
		t.ExtraSpecs = map[string]string{}
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		audit.Created(ctx, t.ID)
		return s.taken(s.d.Types.Insert(ctx, tx, t), t.Name)
	})
	return t, err
}

func (*Service) taken(err error, name string) error {
	if store.Duplicate(err) {
		return errs.New(errs.Exists, "Volume Type %s already exists.", name)
	}
	return err
}

// Patch is what can be changed of a type itself; null leaves it as it is.
type Patch struct {
	Name        change.Optional[string]
	Description change.Optional[string]
	Public      change.Optional[bool]
}

// Update changes a type.
func (s *Service) Update(ctx context.Context, id string, p Patch) (*Type, error) {
	return s.change(ctx, id, "volume_extension:type_update", func(tx *store.Tx, t *Type) error {
		was := t.Name
		t.Name, t.Public = p.Name.Or(t.Name), p.Public.Or(t.Public)
		if p.Description.Set && !p.Description.Null {
			t.Description = &p.Description.Value
		}
		if was == t.Name || s.d.Renamed == nil {
			return nil
		}
		if was == DefaultName {
			return errs.New(errs.Invalid, "Invalid volume type: %s is the default type, which keeps its name", id)
		}
		return s.d.Renamed(ctx, tx, was, t.Name)
	})
}

func (s *Service) change(ctx context.Context, id, rule string, change func(tx *store.Tx, t *Type) error) (t *Type, err error) {
	if err := s.check(ctx, rule); err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if t, err = s.Get(ctx, tx, id); err != nil {
			return err
		}
		if err := change(tx, t); err != nil {
			return err
		}
		t.UpdatedAt = s.d.Now().UTC()
		return s.taken(s.d.Types.Update(ctx, tx, t), t.Name)
	})
	return t, err
}

// Delete removes a type that nothing uses and that is nobody's default.
func (s *Service) Delete(ctx context.Context, id string) error {
	if err := s.check(ctx, "volume_extension:type_delete"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		t, err := s.Get(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.deletable(ctx, tx, t); err != nil {
			return err
		}
		if _, err := s.d.Access.DeleteWhere(ctx, tx, store.Eq("type_id", id)); err != nil {
			return err
		}
		if _, err := s.d.Encryptions.DeleteWhere(ctx, tx, store.Eq("type_id", id)); err != nil {
			return err
		}
		if s.d.Renamed != nil {
			if err := s.d.Renamed(ctx, tx, t.Name, ""); err != nil {
				return err
			}
		}
		return s.d.Types.Delete(ctx, tx, id)
	})
}

func (s *Service) deletable(ctx context.Context, tx *store.Tx, t *Type) error {
	isDefault, err := s.d.Defaults.Any(ctx, tx, store.Eq("type_id", t.ID))
	if err != nil {
		return err
	}
	if isDefault || t.Name == DefaultName {
		return errs.New(errs.Invalid, "The volume type %s is a default volume type and cannot be deleted.", t.ID)
	}
	for _, used := range []func(context.Context, *store.Tx, string) (bool, error){s.d.InUse, s.d.Grouped} {
		if in, err := used(ctx, tx, t.ID); err != nil || in {
			return orInUse(err, "Target volume type is still in use.")
		}
	}
	return nil
}

func orInUse(err error, message string) error {
	if err != nil {
		return err
	}
	return errs.New(errs.Invalid, "%s", message)
}

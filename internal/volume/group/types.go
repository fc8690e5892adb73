package group

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Types are the use cases for group types.
type Types struct{ *Service }

// visible narrows a list to public types, which everybody but an administrator is shown.
func (s *Types) visible(ctx context.Context) []store.Cond {
	if s.d.Admin(ctx) {
		return nil
	}
	return []store.Cond{store.Eq("is_public", true)}
}

func typeNotFound(id string) error {
	return errs.New(errs.NotFound, "Group type %s could not be found.", id)
}

// List lists group types: public ones, unless an administrator asks for others.
func (s *Types) List(ctx context.Context, q store.Query) (page store.Page[Type], err error) {
	named := slices.ContainsFunc(q.Where, func(c store.Cond) bool { return c.Field == "is_public" })
	if admin := s.d.Admin(ctx); !admin || !q.Everyone && !named {
		q.Where = slices.DeleteFunc(slices.Clone(q.Where), func(c store.Cond) bool { return c.Field == "is_public" })
		q = q.Filter(store.Eq("is_public", true))
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Tables.Types.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns a group type. There is no default one.
func (s *Types) Show(ctx context.Context, id string) (t *Type, err error) {
	if id == "default" {
		return nil, errs.New(errs.NotFound, "Default group type can not be found.")
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		t, err = s.get(ctx, tx, id)
		return err
	})
	return t, err
}

func (s *Types) get(ctx context.Context, tx *store.Tx, id string) (*Type, error) {
	t, err := s.d.Tables.Types.First(ctx, tx, append(s.visible(ctx), store.Eq("id", id))...)
	return t, orAbsent(err, typeNotFound(id))
}

// resolve finds a group type by id or name.
func (s *Types) resolve(ctx context.Context, tx *store.Tx, which string) (*Type, error) {
	if t, err := s.get(ctx, tx, which); err == nil || !errs.Is(err, errs.NotFound) {
		return t, err
	}
	t, err := s.d.Tables.Types.First(ctx, tx, append(s.visible(ctx), store.Eq("name", which))...)
	if ids.IsUUID(which) {
		return t, orAbsent(err, typeNotFound(which))
	}
	return t, orAbsent(err, errs.New(errs.NotFound, "Group type with name %s could not be found.", which))
}

// NewType is what a group type is made of.
type NewType struct {
	Name        string
	Description *string
	Public      bool
	Specs       map[string]string
}

// Create adds a group type.
func (s *Types) Create(ctx context.Context, n NewType) (*Type, error) {
	if err := s.check(ctx, "group_types:create"); err != nil {
		return nil, err
	}
	t := &Type{ID: ids.New(), Name: n.Name, Description: n.Description, Public: n.Public, Specs: n.Specs, CreatedAt: s.d.Now().UTC()}
	if t.Specs == nil {
		t.Specs = map[string]string{}
	}
	err := s.d.DB.Write(ctx, func(tx *store.Tx) error {
		audit.Created(ctx, t.ID)
		return taken(s.d.Tables.Types.Insert(ctx, tx, t), t.Name)
	})
	return t, err
}

func taken(err error, name string) error {
	if store.Duplicate(err) {
		return errs.New(errs.Exists, "Group Type %s already exists.", name)
	}
	return err
}

// TypePatch is what can be changed of a group type; null leaves it as it is.
type TypePatch struct {
	Name        change.Optional[string]
	Description change.Optional[string]
	Public      change.Optional[bool]
}

// Update changes a group type.
func (s *Types) Update(ctx context.Context, id string, p TypePatch) (*Type, error) {
	return s.change(ctx, id, "group_types:update", func(t *Type) error {
		t.Name, t.Public = p.Name.Or(t.Name), p.Public.Or(t.Public)
		if p.Description.Set && !p.Description.Null {
			t.Description = &p.Description.Value
		}
		return nil
	})
}

func (s *Types) change(ctx context.Context, id, rule string, change func(t *Type) error) (t *Type, err error) {
	if err := s.check(ctx, rule); err != nil {
		return nil, err
	}
	err = s.d.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if t, err = s.get(ctx, tx, id); err != nil {
			return err
		}
		if err := change(t); err != nil {
			return err
		}
		t.UpdatedAt = s.d.Now().UTC()
		return taken(s.d.Tables.Types.Update(ctx, tx, t), t.Name)
	})
	return t, err
}

// Delete removes a group type that no group has.
func (s *Types) Delete(ctx context.Context, id string) error {
	if err := s.check(ctx, "group_types:delete"); err != nil {
		return err
	}
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.get(ctx, tx, id); err != nil {
			return err
		}
		used, err := s.d.Tables.Groups.Any(ctx, tx, store.Eq("group_type", id))
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Invalid, "Target group type is still in use.")
		}
		return s.d.Tables.Types.Delete(ctx, tx, id)
	})
}

// Specs returns a group type's specs.
func (s *Types) Specs(ctx context.Context, id string) (map[string]string, error) {
	return s.specs(ctx, id, "group_types_specs:get_all")
}

// Spec returns one.
func (s *Types) Spec(ctx context.Context, id, key string) (string, error) {
	specs, err := s.specs(ctx, id, "group_types_specs:get")
	if err != nil {
		return "", err
	}
	v, ok := specs[key]
	if !ok {
		return "", errs.New(errs.NotFound, "Group Type %s has no extra spec with key %s.", id, key)
	}
	return v, nil
}

func (s *Types) specs(ctx context.Context, id, rule string) (map[string]string, error) {
	if err := s.check(ctx, rule); err != nil {
		return nil, err
	}
	t, err := s.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.Specs, nil
}

// SetSpecs adds specs to a group type, or replaces them.
func (s *Types) SetSpecs(ctx context.Context, id string, set map[string]string) error {
	return s.setSpecs(ctx, id, "group_types_specs:create", set)
}

// UpdateSpec replaces one spec, or adds it.
func (s *Types) UpdateSpec(ctx context.Context, id string, set map[string]string) error {
	return s.setSpecs(ctx, id, "group_types_specs:update", set)
}

func (s *Types) setSpecs(ctx context.Context, id, rule string, set map[string]string) error {
	_, err := s.change(ctx, id, rule, func(t *Type) error {
		maps.Copy(t.Specs, set)
		return nil
	})
	return err
}

// DeleteSpec removes one.
func (s *Types) DeleteSpec(ctx context.Context, id, key string) error {
	_, err := s.change(ctx, id, "group_types_specs:delete", func(t *Type) error {
		if _, ok := t.Specs[key]; !ok {
			return errs.New(errs.NotFound, "Group Type %s has no specs with key %s.", id, key)
		}
		delete(t.Specs, key)
		return nil
	})
	return err
}

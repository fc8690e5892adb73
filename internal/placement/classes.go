package placement

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Class is a resource class that was added to the standard ones.
type Class struct {
	Name      string
	CreatedAt time.Time
}

// Classes are the use cases of resource classes.
type Classes struct{ s *Service }

// List returns the names of resource classes, the standard ones first.
func (f *Classes) List(ctx context.Context) (out []string, err error) {
	err = f.s.read(ctx, "resource_classes:list", func(tx *store.Tx) error {
		custom, err := f.s.tables.Classes.All(ctx, tx)
		out = slices.Clone(standardClasses)
		for _, c := range custom {
			out = append(out, c.Name)
		}
		return err
	})
	return out, err
}

// knownClass says whether a resource class exists: nil or Invalid.
func (s *Service) knownClass(ctx context.Context, tx *store.Tx, name string) error {
	if slices.Contains(standardClasses, name) {
		return nil
	}
	there, err := s.tables.Classes.Any(ctx, tx, store.Eq("name", name))
	if err == nil && !there {
		return errs.New(errs.Invalid, "No such resource class %s.", name)
	}
	return err
}

// Show says whether a resource class exists: nil or NotFound.
func (f *Classes) Show(ctx context.Context, name string) error {
	return f.s.read(ctx, "resource_classes:show", func(tx *store.Tx) error { return f.need(ctx, tx, name) })
}

func (f *Classes) need(ctx context.Context, tx *store.Tx, name string) error {
	err := f.s.knownClass(ctx, tx, name)
	if errs.Is(err, errs.Invalid) {
		return errs.New(errs.NotFound, "No such resource class %s.", name)
	}
	return err
}

func legalClass(name string) error {
	if !customName(name) {
		return errs.New(errs.Invalid, `The resource class %.300q is invalid. A custom class must be no longer than 255 characters, start with the prefix "CUSTOM_" and use the characters "A"-"Z", "0"-"9" and "_".`, name)
	}
	return nil
}

// Create makes a custom resource class; one that exists is a Conflict.
func (f *Classes) Create(ctx context.Context, name string) error {
	created, err := f.ensure(ctx, "resource_classes:create", name)
	if err == nil && !created {
		return errs.New(errs.Exists, "Conflicting resource class already exists: %s.", name)
	}
	return err
}

// Ensure makes a custom resource class and tells whether it is new.
func (f *Classes) Ensure(ctx context.Context, name string) (created bool, err error) {
	return f.ensure(ctx, "resource_classes:update", name)
}

func (f *Classes) ensure(ctx context.Context, rule, name string) (created bool, err error) {
	err = f.s.write(ctx, rule, func(tx *store.Tx) error {
		if err := legalClass(name); err != nil {
			return err
		}
		there, err := f.s.tables.Classes.Any(ctx, tx, store.Eq("name", name))
		if created = !there; err != nil || there {
			return err
		}
		return f.s.tables.Classes.Insert(ctx, tx, &Class{Name: name, CreatedAt: f.s.clock()})
	})
	return created, err
}

// Rename gives a custom resource class another name, and what is counted in it.
func (f *Classes) Rename(ctx context.Context, from, to string) error {
	return f.s.write(ctx, "resource_classes:update", func(tx *store.Tx) error {
		if err := legalClass(to); err != nil {
			return err
		}
		if err := f.need(ctx, tx, from); err != nil {
			return err
		}
		if !customName(from) {
			return errs.New(errs.Invalid, "Cannot update standard resource class %s.", from)
		}
		switch err := f.s.knownClass(ctx, tx, to); {
		case err == nil:
			return errs.New(errs.Exists, "Resource class already exists: %s.", to)
		case !errs.Is(err, errs.Invalid):
			return err
		}
		if _, err := f.s.tables.Classes.Patch(ctx, tx, store.Changes{"name": to, "created_at": f.s.clock()}, store.Eq("name", from)); err != nil {
			return err
		}
		if _, err := f.s.tables.Inventories.Patch(ctx, tx, store.Changes{"class": to}, store.Eq("class", from)); err != nil {
			return err
		}
		_, err := f.s.tables.Allocations.Patch(ctx, tx, store.Changes{"class": to}, store.Eq("class", from))
		return err
	})
}

// Delete forgets a custom resource class of which nobody has inventory.
func (f *Classes) Delete(ctx context.Context, name string) error {
	return f.s.write(ctx, "resource_classes:delete", func(tx *store.Tx) error {
		if err := f.need(ctx, tx, name); err != nil {
			return err
		}
		if !customName(name) {
			return errs.New(errs.Invalid, "Cannot delete standard resource class %s.", name)
		}
		used, err := f.s.tables.Inventories.Any(ctx, tx, store.Eq("class", name))
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Conflict, "Cannot delete resource class %s: it is in use in inventories.", name)
		}
		return f.s.tables.Classes.Delete(ctx, tx, name)
	})
}

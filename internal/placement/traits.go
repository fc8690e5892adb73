package placement

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Catalogue is the persistence of the names that the operator adds to the
// standard traits and resource classes.
type Catalogue interface {
	CustomTraits(ctx context.Context, tx *store.Tx) ([]string, error)
	HasTrait(ctx context.Context, tx *store.Tx, name string) (bool, error)
	AddTrait(ctx context.Context, tx *store.Tx, name string, now time.Time) error
	DeleteTrait(ctx context.Context, tx *store.Tx, name string) error
	UsedTraits(ctx context.Context, tx *store.Tx) ([]string, error)
	CustomClasses(ctx context.Context, tx *store.Tx) ([]string, error)
	AddClass(ctx context.Context, tx *store.Tx, name string, now time.Time) error
	RenameClass(ctx context.Context, tx *store.Tx, from, to string, now time.Time) error
	DeleteClass(ctx context.Context, tx *store.Tx, name string) error
	ClassInUse(ctx context.Context, tx *store.Tx, name string) (bool, error)
}

// customName tells whether a name is a legal custom trait or class.
func customName(name string) bool {
	rest, ok := strings.CutPrefix(name, "CUSTOM_")
	if !ok || rest == "" || len(name) > 255 {
		return false
	}
	return !strings.ContainsFunc(rest, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' })
}

// TraitFilter selects traits.
type TraitFilter struct {
	Names      []string // nil: any
	Prefix     string
	Associated *bool // with a provider, or with none
}

// ListTraits returns the names of traits, sorted.
func (s *Service) ListTraits(ctx context.Context, f TraitFilter) ([]string, error) {
	if err := s.check(ctx, "traits:list"); err != nil {
		return nil, err
	}
	out := []string{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		custom, err := s.store.CustomTraits(ctx, tx)
		if err != nil {
			return err
		}
		used, err := s.store.UsedTraits(ctx, tx)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, name := range slices.Concat(custom, standardTraits) {
			switch {
			case f.Names != nil && !slices.Contains(f.Names, name),
				!strings.HasPrefix(name, f.Prefix),
				f.Associated != nil && *f.Associated != slices.Contains(used, name):
			default:
				out = append(out, name)
			}
		}
		slices.Sort(out)
		out = slices.Compact(out)
		return nil
	})
	return out, err
}

func (s *Service) hasTrait(ctx context.Context, tx *store.Tx, name string) (bool, error) {
	if _, standard := slices.BinarySearch(standardTraits, name); standard {
		return true, nil
	}
	return s.store.HasTrait(ctx, tx, name)
}

// ShowTrait says whether a trait exists: nil or NotFound.
func (s *Service) ShowTrait(ctx context.Context, name string) error {
	if err := s.check(ctx, "traits:show"); err != nil {
		return err
	}
	return s.db.Read(ctx, func(tx *store.Tx) error { return s.needTrait(ctx, tx, name) })
}

func (s *Service) needTrait(ctx context.Context, tx *store.Tx, name string) error {
	ok, err := s.hasTrait(ctx, tx, name)
	if err == nil && !ok {
		return errs.New(errs.NotFound, "No such trait(s): %s.", name)
	}
	return err
}

// EnsureTrait makes a custom trait and tells whether it is new.
func (s *Service) EnsureTrait(ctx context.Context, name string) (created bool, err error) {
	if err := s.check(ctx, "traits:update"); err != nil {
		return false, err
	}
	if !customName(name) {
		return false, errs.New(errs.Invalid, `The trait %.300q is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_".`, name)
	}
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		have, err := s.store.HasTrait(ctx, tx, name)
		if created = !have; err != nil || have {
			return err
		}
		return s.store.AddTrait(ctx, tx, name, s.clock())
	})
	return created, err
}

// DeleteTrait forgets a custom trait that no provider has.
func (s *Service) DeleteTrait(ctx context.Context, name string) error {
	if err := s.check(ctx, "traits:delete"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.needTrait(ctx, tx, name); err != nil {
			return err
		}
		if !customName(name) {
			return errs.New(errs.Invalid, "Cannot delete standard trait %s.", name)
		}
		used, err := s.store.UsedTraits(ctx, tx)
		if err != nil {
			return err
		}
		if slices.Contains(used, name) {
			return errs.New(errs.Conflict, "The trait %s is in use by a resource provider.", name)
		}
		return s.store.DeleteTrait(ctx, tx, name)
	})
}

// ProviderTraits returns the traits of a provider.
func (s *Service) ProviderTraits(ctx context.Context, id string) (Provider, []string, error) {
	var out []string
	p, err := s.readProvider(ctx, "resource_providers:traits:list", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.store.Traits(ctx, tx, id)
		return err
	})
	return p, out, err
}

// SetProviderTraits replaces the traits of a provider; nil as expected
// generation means whatever it is.
func (s *Service) SetProviderTraits(ctx context.Context, id string, expect *int64, traits []string) (Provider, error) {
	return s.changeProvider(ctx, "resource_providers:traits:update", id, expect, func(tx *store.Tx, _ Provider) error {
		if err := s.knownTraits(ctx, tx, traits); err != nil {
			return err
		}
		return s.store.SetTraits(ctx, tx, id, slices.Compact(slices.Sorted(slices.Values(traits))), s.clock())
	})
}

// DeleteProviderTraits takes all traits from a provider.
func (s *Service) DeleteProviderTraits(ctx context.Context, id string) error {
	_, err := s.changeProvider(ctx, "resource_providers:traits:delete", id, nil, func(tx *store.Tx, _ Provider) error {
		return s.store.SetTraits(ctx, tx, id, nil, s.clock())
	})
	return err
}

func (s *Service) knownTraits(ctx context.Context, tx *store.Tx, traits []string) error {
	var unknown []string
	for _, t := range traits {
		ok, err := s.hasTrait(ctx, tx, t)
		if err != nil {
			return err
		}
		if !ok && !slices.Contains(unknown, t) {
			unknown = append(unknown, t)
		}
	}
	if len(unknown) > 0 {
		return errs.New(errs.Invalid, "No such trait(s): %s.", strings.Join(unknown, ", "))
	}
	return nil
}

// known refuses constraints that name traits or classes which do not exist.
func (s *Service) known(ctx context.Context, tx *store.Tx, c Constraints) error {
	if err := s.knownTraits(ctx, tx, slices.Concat(slices.Concat(c.Required...), c.Forbidden)); err != nil {
		return err
	}
	for class := range c.Resources {
		if err := s.knownClass(ctx, tx, class); err != nil {
			return errs.Wrap(errs.Invalid, err, "Invalid resource class in resources parameter: %s", errs.As(err).Msg)
		}
	}
	return nil
}

// knownClass says whether a resource class exists: nil or Invalid.
func (s *Service) knownClass(ctx context.Context, tx *store.Tx, name string) error {
	if slices.Contains(standardClasses, name) {
		return nil
	}
	custom, err := s.store.CustomClasses(ctx, tx)
	if err != nil {
		return err
	}
	if !slices.Contains(custom, name) {
		return errs.New(errs.Invalid, "No such resource class %s.", name)
	}
	return nil
}

// ListClasses returns the names of resource classes, the standard ones first.
func (s *Service) ListClasses(ctx context.Context) ([]string, error) {
	if err := s.check(ctx, "resource_classes:list"); err != nil {
		return nil, err
	}
	var out []string
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		custom, err := s.store.CustomClasses(ctx, tx)
		out = slices.Concat(standardClasses, custom)
		return err
	})
	return out, err
}

// ShowClass says whether a resource class exists: nil or NotFound.
func (s *Service) ShowClass(ctx context.Context, name string) error {
	if err := s.check(ctx, "resource_classes:show"); err != nil {
		return err
	}
	return s.db.Read(ctx, func(tx *store.Tx) error { return s.needClass(ctx, tx, name) })
}

func (s *Service) needClass(ctx context.Context, tx *store.Tx, name string) error {
	err := s.knownClass(ctx, tx, name)
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

// CreateClass makes a custom resource class; one that exists is a Conflict.
func (s *Service) CreateClass(ctx context.Context, name string) error {
	if err := s.check(ctx, "resource_classes:create"); err != nil {
		return err
	}
	created, err := s.ensureClass(ctx, name)
	if err == nil && !created {
		return errs.New(errs.Exists, "Conflicting resource class already exists: %s.", name)
	}
	return err
}

// EnsureClass makes a custom resource class and tells whether it is new.
func (s *Service) EnsureClass(ctx context.Context, name string) (created bool, err error) {
	if err := s.check(ctx, "resource_classes:update"); err != nil {
		return false, err
	}
	return s.ensureClass(ctx, name)
}

func (s *Service) ensureClass(ctx context.Context, name string) (created bool, err error) {
	if err := legalClass(name); err != nil {
		return false, err
	}
	err = s.db.Write(ctx, func(tx *store.Tx) error {
		custom, err := s.store.CustomClasses(ctx, tx)
		if created = !slices.Contains(custom, name); err != nil || !created {
			return err
		}
		return s.store.AddClass(ctx, tx, name, s.clock())
	})
	return created, err
}

// RenameClass gives a custom resource class another name, everywhere.
func (s *Service) RenameClass(ctx context.Context, from, to string) error {
	if err := s.check(ctx, "resource_classes:update"); err != nil {
		return err
	}
	if err := legalClass(to); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.needClass(ctx, tx, from); err != nil {
			return err
		}
		if !customName(from) {
			return errs.New(errs.Invalid, "Cannot update standard resource class %s.", from)
		}
		switch err := s.knownClass(ctx, tx, to); {
		case err == nil:
			return errs.New(errs.Exists, "Resource class already exists: %s.", to)
		case !errs.Is(err, errs.Invalid):
			return err
		}
		return s.store.RenameClass(ctx, tx, from, to, s.clock())
	})
}

// DeleteClass forgets a custom resource class of which nobody has inventory.
func (s *Service) DeleteClass(ctx context.Context, name string) error {
	if err := s.check(ctx, "resource_classes:delete"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.needClass(ctx, tx, name); err != nil {
			return err
		}
		if !customName(name) {
			return errs.New(errs.Invalid, "Cannot delete standard resource class %s.", name)
		}
		used, err := s.store.ClassInUse(ctx, tx, name)
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Conflict, "Cannot delete resource class %s: it is in use in inventories.", name)
		}
		err = s.store.DeleteClass(ctx, tx, name)
		if errors.Is(err, store.ErrNoRows) {
			return errs.New(errs.NotFound, "No such resource class %s.", name)
		}
		return err
	})
}

package placement

import (
	"context"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Trait is one that was added to the standard ones, or that a host reported.
type Trait struct {
	Name      string
	CreatedAt time.Time
}

// Traits are the use cases of traits.
type Traits struct{ s *Service }

// customName tells whether a name is a legal custom trait or class.
func customName(name string) bool {
	rest, ok := strings.CutPrefix(name, "CUSTOM_")
	if !ok || rest == "" || len(name) > 255 {
		return false
	}
	return !strings.ContainsFunc(rest, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' })
}

// TraitFilter selects traits, of which the standard ones are in no table.
type TraitFilter struct {
	Names      []string // nil: any
	Prefix     string
	Associated *bool // with a provider, or with none
}

// List returns the names of traits, sorted.
func (f *Traits) List(ctx context.Context, filter TraitFilter) ([]string, error) {
	out := []string{}
	err := f.s.read(ctx, "traits:list", func(tx *store.Tx) error {
		custom, err := f.s.tables.Traits.All(ctx, tx)
		if err != nil {
			return err
		}
		used, err := f.s.tables.Traits.All(ctx, tx, store.Is("used", nil))
		if err != nil {
			return err
		}
		out = out[:0]
		for _, name := range slices.Concat(traitNames(custom), standardTraits) {
			switch {
			case filter.Names != nil && !slices.Contains(filter.Names, name),
				!strings.HasPrefix(name, filter.Prefix),
				filter.Associated != nil && *filter.Associated != slices.Contains(traitNames(used), name):
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

func traitNames(traits []*Trait) []string {
	out := make([]string, len(traits))
	for i, t := range traits {
		out[i] = t.Name
	}
	return out
}

// Show says whether a trait exists: nil or NotFound.
func (f *Traits) Show(ctx context.Context, name string) error {
	return f.s.read(ctx, "traits:show", func(tx *store.Tx) error { return f.need(ctx, tx, name) })
}

func (f *Traits) need(ctx context.Context, tx *store.Tx, name string) error {
	ok, err := f.has(ctx, tx, name)
	if err == nil && !ok {
		return errs.New(errs.NotFound, "No such trait(s): %s.", name)
	}
	return err
}

func (f *Traits) has(ctx context.Context, tx *store.Tx, name string) (bool, error) {
	if _, standard := slices.BinarySearch(standardTraits, name); standard {
		return true, nil
	}
	return f.s.tables.Traits.Any(ctx, tx, store.Eq("name", name))
}

// Ensure makes a custom trait and tells whether it is new.
func (f *Traits) Ensure(ctx context.Context, name string) (created bool, err error) {
	err = f.s.write(ctx, "traits:update", func(tx *store.Tx) (err error) {
		if !customName(name) {
			return errs.New(errs.Invalid, `The trait %.300q is invalid. A valid trait must be no longer than 255 characters, start with the prefix "CUSTOM_" and use following characters: "A"-"Z", "0"-"9" and "_".`, name)
		}
		created, err = f.add(ctx, tx, name)
		return err
	})
	return created, err
}

// add notes a trait that is not known yet.
func (f *Traits) add(ctx context.Context, tx *store.Tx, name string) (created bool, err error) {
	there, err := f.s.tables.Traits.Any(ctx, tx, store.Eq("name", name))
	if err != nil || there {
		return false, err
	}
	return true, f.s.tables.Traits.Insert(ctx, tx, &Trait{Name: name, CreatedAt: f.s.clock()})
}

// Delete forgets a custom trait that no provider has.
func (f *Traits) Delete(ctx context.Context, name string) error {
	return f.s.write(ctx, "traits:delete", func(tx *store.Tx) error {
		if err := f.need(ctx, tx, name); err != nil {
			return err
		}
		if !customName(name) {
			return errs.New(errs.Invalid, "Cannot delete standard trait %s.", name)
		}
		used, err := f.s.tables.ProviderTraits.Any(ctx, tx, store.Eq("trait", name))
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Conflict, "The trait %s is in use by a resource provider.", name)
		}
		return f.s.tables.Traits.Delete(ctx, tx, name)
	})
}

// knownTraits refuses traits that do not exist.
func (s *Service) knownTraits(ctx context.Context, tx *store.Tx, traits []string) error {
	var unknown []string
	for _, t := range traits {
		ok, err := s.Traits.has(ctx, tx, t)
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

package placement

import (
	"context"
	"errors"
	"slices"
	"time"

	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// Provider is something that has inventory: a host, or a part of one below it in a tree.
type Provider struct {
	ID, Name   string
	Generation int64
	ParentID   string // "" for a root
	RootID     string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Providers are the use cases of resource providers.
type Providers struct{ s *Service }

func noProvider(id string) error {
	return errs.New(errs.NotFound, "No resource provider with uuid %s found.", id).WithCode("placement.resource_provider.not_found")
}

// concurrent is the Conflict of a caller whose picture of something is old.
func concurrent(format string, args ...any) error {
	return errs.New(errs.Conflict, format, args...).WithCode("placement.concurrent_update")
}

func (s *Service) provider(ctx context.Context, tx *store.Tx, id string) (*Provider, error) {
	p, err := s.tables.Providers.Get(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return nil, noProvider(id)
	}
	return p, err
}

// readProvider runs f on a provider in a transaction that only reads.
func (s *Service) readProvider(ctx context.Context, rule, id string, f func(tx *store.Tx) error) (p *Provider, err error) {
	err = s.read(ctx, rule, func(tx *store.Tx) error {
		if p, err = s.provider(ctx, tx, id); err != nil {
			return err
		}
		return f(tx)
	})
	return p, err
}

// changeProvider runs f on a provider, raises its generation and returns it as
// it is then. A generation that the request demands must be the provider's.
func (s *Service) changeProvider(ctx context.Context, rule, id string, f func(tx *store.Tx) error) (p *Provider, err error) {
	err = s.write(ctx, rule, func(tx *store.Tx) error {
		if p, err = s.provider(ctx, tx, id); err != nil {
			return err
		}
		if want, demanded := change.Expected(ctx); demanded && want != p.Generation {
			return outdated(p, want)
		}
		if err := f(tx); err != nil {
			return err
		}
		return s.raise(ctx, tx, p)
	})
	return p, err
}

func outdated(p *Provider, want int64) error {
	return concurrent("resource provider generation conflict: provider %s is at %d, the request at %d.", p.ID, p.Generation, want)
}

func (s *Service) raise(ctx context.Context, tx *store.Tx, p *Provider) error {
	p.Generation, p.UpdatedAt = p.Generation+1, s.clock()
	return s.tables.Ledger.Raise(ctx, tx, p.ID, p.UpdatedAt)
}

// List returns the providers that a query wants. Traits and classes that its
// filters name must exist.
func (f *Providers) List(ctx context.Context, q store.Query) (page store.Page[Provider], err error) {
	err = f.s.read(ctx, "resource_providers:list", func(tx *store.Tx) (err error) {
		if err := f.s.known(ctx, tx, q.Where); err != nil {
			return err
		}
		page, err = f.s.tables.Providers.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns a provider.
func (f *Providers) Show(ctx context.Context, id string) (*Provider, error) {
	return f.s.readProvider(ctx, "resource_providers:show", id, func(*store.Tx) error { return nil })
}

// NewProvider is what a new provider shall be; ID and ParentID may be "".
type NewProvider struct{ ID, Name, ParentID string }

// Create makes a provider.
func (f *Providers) Create(ctx context.Context, n NewProvider) (*Provider, error) {
	if n.ID == "" {
		n.ID = ids.New()
	}
	now := f.s.clock()
	p := &Provider{ID: n.ID, Name: n.Name, ParentID: n.ParentID, RootID: n.ID, CreatedAt: now, UpdatedAt: now}
	err := f.s.write(ctx, "resource_providers:create", func(tx *store.Tx) error {
		if p.ParentID != "" {
			above, err := f.s.tables.Providers.Get(ctx, tx, p.ParentID)
			if errors.Is(err, store.ErrNoRows) {
				return errs.New(errs.Invalid, "Unable to create resource provider %q, %s: parent provider UUID %s does not exist.", p.Name, p.ID, p.ParentID)
			}
			if err != nil {
				return err
			}
			p.RootID = above.RootID
		}
		there, err := f.s.tables.Providers.Any(ctx, tx, store.Eq("id", p.ID))
		if err != nil {
			return err
		}
		if there {
			return taken("uuid", p.ID)
		}
		if err := f.nameFree(ctx, tx, p); err != nil {
			return err
		}
		audit.Created(ctx, p.ID)
		return f.s.tables.Providers.Insert(ctx, tx, p)
	})
	return p, err
}

func taken(what, value string) error {
	return errs.New(errs.Exists, "Conflicting resource provider %s: %s already exists.", what, value).WithCode("placement.duplicate_name")
}

// nameFree says whether a provider may have its name.
func (f *Providers) nameFree(ctx context.Context, tx *store.Tx, p *Provider) error {
	there, err := f.s.tables.Providers.Any(ctx, tx, store.Eq("name", p.Name), store.Ne("id", p.ID))
	if err == nil && there {
		return taken("name", p.Name)
	}
	return err
}

// ProviderPatch is what an update asks for.
type ProviderPatch struct {
	Name   string
	Parent change.Optional[string] // null: becomes a root
	// Reparent allows a provider that has a parent to get another, or none.
	Reparent bool
}

// Update renames a provider and may move it in or into a tree.
func (f *Providers) Update(ctx context.Context, id string, c ProviderPatch) (p *Provider, err error) {
	err = f.s.write(ctx, "resource_providers:update", func(tx *store.Tx) error {
		if p, err = f.s.provider(ctx, tx, id); err != nil {
			return err
		}
		p.Name, p.UpdatedAt = c.Name, f.s.clock()
		if err := f.nameFree(ctx, tx, p); err != nil {
			return err
		}
		if c.Parent.Set && c.Parent.Value != p.ParentID {
			if err := f.reparent(ctx, tx, p, c.Parent.Value, c.Reparent); err != nil {
				return err
			}
		}
		return f.s.tables.Providers.Update(ctx, tx, p)
	})
	return p, err
}

// reparent hangs a provider below another, or makes it a root, and tells its
// subtree of the new root.
func (f *Providers) reparent(ctx context.Context, tx *store.Tx, p *Provider, parent string, again bool) error {
	bad := func(why string) error {
		return errs.New(errs.Invalid, "Unable to save resource provider %s: %s", p.ID, why)
	}
	switch {
	case p.ParentID != "" && !again && parent == "":
		return bad("un-parenting a provider is not currently allowed; it is from version 1.37.")
	case p.ParentID != "" && !again:
		return bad("re-parenting a provider is not currently allowed; it is from version 1.37.")
	}
	tree, err := f.s.tables.Providers.All(ctx, tx, store.Eq("root_id", p.RootID))
	if err != nil {
		return err
	}
	subtree := below(tree, p.ID)
	p.ParentID, p.RootID = parent, p.ID
	if parent != "" {
		above, err := f.s.tables.Providers.Get(ctx, tx, parent)
		if errors.Is(err, store.ErrNoRows) {
			return bad("parent provider UUID " + parent + " does not exist.")
		}
		if err != nil {
			return err
		}
		if slices.Contains(subtree, parent) {
			return bad("creating loop in the provider tree is not allowed.")
		}
		p.RootID = above.RootID
	}
	_, err = f.s.tables.Providers.Patch(ctx, tx, store.Changes{"root_id": p.RootID}, store.In("id", subtree))
	return err
}

// below returns the ids of a provider and all that hang below it.
func below(tree []*Provider, id string) []string {
	out := []string{id}
	for i := 0; i < len(out); i++ {
		for _, p := range tree {
			if p.ParentID == out[i] {
				out = append(out, p.ID)
			}
		}
	}
	return out
}

// Delete forgets a provider that has no children and no allocations.
func (f *Providers) Delete(ctx context.Context, id string) error {
	return f.s.write(ctx, "resource_providers:delete", func(tx *store.Tx) error {
		p, err := f.s.provider(ctx, tx, id)
		if err != nil {
			return err
		}
		parent, err := f.s.tables.Providers.Any(ctx, tx, store.Eq("root_id", p.RootID), store.Eq("parent_id", id))
		if err != nil {
			return err
		}
		if parent {
			return errs.New(errs.Conflict, "Unable to delete parent resource provider %s: it has child resource providers.", id).
				WithCode("placement.resource_provider.cannot_delete_parent")
		}
		used, err := f.s.tables.Allocations.Any(ctx, tx, store.Eq("provider_id", id))
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Conflict, "Unable to delete resource provider %s: it has allocations.", id).
				WithCode("placement.resource_provider.inuse")
		}
		return f.forget(ctx, tx, id)
	})
}

// forget forgets a provider with all it has; it must hold no allocation.
func (f *Providers) forget(ctx context.Context, tx *store.Tx, id string) error {
	of, t := store.Eq("provider_id", id), f.s.tables
	if _, err := t.Inventories.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := t.ProviderTraits.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	if _, err := t.ProviderAggregates.DeleteWhere(ctx, tx, of); err != nil {
		return err
	}
	return t.Providers.Delete(ctx, tx, id)
}

package placement

import (
	"context"
	"errors"
	"slices"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
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

// Node is a provider with everything that a search looks at.
type Node struct {
	Provider
	Inventories map[string]Inventory // by resource class
	Traits      []string             // sorted
	Aggregates  []string             // sorted
}

// Tree is the persistence of providers.
type Tree interface {
	// Providers returns those of a name, an id and a tree; "" means any.
	Providers(ctx context.Context, tx *store.Tx, name, id, inTree string) ([]Provider, error)
	Provider(ctx context.Context, tx *store.Tx, id string) (Provider, error)
	// Nodes adds to providers what a search looks at.
	Nodes(ctx context.Context, tx *store.Tx, providers []Provider) ([]*Node, error)
	AddProvider(ctx context.Context, tx *store.Tx, p Provider) error
	Rename(ctx context.Context, tx *store.Tx, id, name string, now time.Time) error
	// Reparent hangs a provider below another and tells its whole subtree of the root.
	Reparent(ctx context.Context, tx *store.Tx, id, parentID, rootID string, subtree []string, now time.Time) error
	Aggregates(ctx context.Context, tx *store.Tx, providerID string) ([]string, error)
	SetAggregates(ctx context.Context, tx *store.Tx, providerID string, aggregates []string) error
}

// Constraints are what a provider must be like, in a list or in a group of a search.
type Constraints struct {
	Resources   map[string]int64
	Required    [][]string // traits: one of each list
	Forbidden   []string   // traits
	MemberOf    [][]string // aggregates: one of each list
	NotMemberOf []string
	InTree      string // a provider of the tree
}

func (c Constraints) none() bool {
	return len(c.Resources)+len(c.Required)+len(c.Forbidden)+len(c.MemberOf)+len(c.NotMemberOf) == 0
}

// ProviderFilter selects providers.
type ProviderFilter struct {
	Name, ID string
	Constraints
}

func (s *Service) check(ctx context.Context, rule string) error {
	return s.policy.Check(ctx, "placement:"+rule, policy.Target{})
}

func noProvider(id string) error {
	return errs.New(errs.NotFound, "No resource provider with uuid %s found.", id).WithCode("placement.resource_provider.not_found")
}

// concurrent is the Conflict of a caller whose picture of something is old.
func concurrent(format string, args ...any) error {
	return errs.New(errs.Conflict, format, args...).WithCode("placement.concurrent_update")
}

func (s *Service) provider(ctx context.Context, tx *store.Tx, id string) (Provider, error) {
	p, err := s.store.Provider(ctx, tx, id)
	if errors.Is(err, store.ErrNoRows) {
		return p, noProvider(id)
	}
	return p, err
}

// readProvider runs f on a provider in a transaction that only reads.
func (s *Service) readProvider(ctx context.Context, rule, id string, f func(tx *store.Tx, p Provider) error) (Provider, error) {
	var p Provider
	if err := s.check(ctx, rule); err != nil {
		return p, err
	}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = s.provider(ctx, tx, id); err != nil {
			return err
		}
		return f(tx, p)
	})
	return p, err
}

// changeProvider runs f on a provider, raises its generation and returns it as
// it is then. A generation that the caller expects must be the provider's.
func (s *Service) changeProvider(ctx context.Context, rule, id string, expect *int64, f func(tx *store.Tx, p Provider) error) (Provider, error) {
	var p Provider
	if err := s.check(ctx, rule); err != nil {
		return p, err
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = s.provider(ctx, tx, id); err != nil {
			return err
		}
		if expect != nil && *expect != p.Generation {
			return concurrent("resource provider generation conflict: provider %s is at %d, the request at %d.", id, p.Generation, *expect)
		}
		if err := f(tx, p); err != nil {
			return err
		}
		if err := s.store.Bump(ctx, tx, id, s.clock()); err != nil {
			return err
		}
		p, err = s.provider(ctx, tx, id)
		return err
	})
	return p, err
}

// ListProviders returns the providers that a filter selects, by name.
func (s *Service) ListProviders(ctx context.Context, f ProviderFilter) ([]Provider, error) {
	if err := s.check(ctx, "resource_providers:list"); err != nil {
		return nil, err
	}
	var out []Provider
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		if err := s.known(ctx, tx, f.Constraints); err != nil {
			return err
		}
		var err error
		if out, err = s.store.Providers(ctx, tx, f.Name, f.ID, f.InTree); err != nil || f.none() {
			return err
		}
		nodes, err := s.store.Nodes(ctx, tx, out)
		out = out[:0]
		for _, n := range nodes {
			if n.room(f.Resources) && n.qualifies(f.Constraints) && memberOf(f.Constraints, n.Aggregates) {
				out = append(out, n.Provider)
			}
		}
		return err
	})
	return out, err
}

// ShowProvider returns a provider.
func (s *Service) ShowProvider(ctx context.Context, id string) (Provider, error) {
	return s.readProvider(ctx, "resource_providers:show", id, func(*store.Tx, Provider) error { return nil })
}

// CreateProvider makes a provider; id may be "" and parent too.
func (s *Service) CreateProvider(ctx context.Context, id, name, parent string) (Provider, error) {
	if err := s.check(ctx, "resource_providers:create"); err != nil {
		return Provider{}, err
	}
	if id == "" {
		id = ids.New()
	}
	now := s.clock()
	p := Provider{ID: id, Name: name, ParentID: parent, RootID: id, CreatedAt: now, UpdatedAt: now}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		if parent != "" {
			above, err := s.store.Provider(ctx, tx, parent)
			if errors.Is(err, store.ErrNoRows) {
				return errs.New(errs.Invalid, "Unable to create resource provider %q, %s: parent provider UUID %s does not exist.", name, id, parent)
			}
			if err != nil {
				return err
			}
			p.RootID = above.RootID
		}
		if _, err := s.store.Provider(ctx, tx, id); err == nil {
			return taken("uuid", id)
		}
		if err := s.nameFree(ctx, tx, name, id); err != nil {
			return err
		}
		return s.store.AddProvider(ctx, tx, p)
	})
	return p, err
}

func taken(what, value string) error {
	return errs.New(errs.Exists, "Conflicting resource provider %s: %s already exists.", what, value).WithCode("placement.duplicate_name")
}

// nameFree says whether a provider may have a name.
func (s *Service) nameFree(ctx context.Context, tx *store.Tx, name, id string) error {
	have, err := s.store.ProviderByName(ctx, tx, name)
	if errors.Is(err, store.ErrNoRows) {
		return nil
	}
	if err == nil && have != id {
		return taken("name", name)
	}
	return err
}

// ProviderChange is what an update asks for.
type ProviderChange struct {
	Name   string
	Parent *string // nil: as it is; "": becomes a root
	// Reparent allows a provider that has a parent to get another, or none.
	Reparent bool
}

// UpdateProvider renames a provider and may move it in or into a tree.
func (s *Service) UpdateProvider(ctx context.Context, id string, c ProviderChange) (Provider, error) {
	var p Provider
	if err := s.check(ctx, "resource_providers:update"); err != nil {
		return p, err
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		var err error
		if p, err = s.provider(ctx, tx, id); err != nil {
			return err
		}
		if err := s.nameFree(ctx, tx, c.Name, id); err != nil {
			return err
		}
		if err := s.store.Rename(ctx, tx, id, c.Name, s.clock()); err != nil {
			return err
		}
		if c.Parent != nil && *c.Parent != p.ParentID {
			if err := s.reparent(ctx, tx, p, *c.Parent, c.Reparent); err != nil {
				return err
			}
		}
		p, err = s.provider(ctx, tx, id)
		return err
	})
	return p, err
}

func (s *Service) reparent(ctx context.Context, tx *store.Tx, p Provider, parent string, again bool) error {
	bad := func(why string) error {
		return errs.New(errs.Invalid, "Unable to save resource provider %s: %s", p.ID, why)
	}
	if p.ParentID != "" && !again {
		if parent == "" {
			return bad("un-parenting a provider is not currently allowed; it is from version 1.37.")
		}
		return bad("re-parenting a provider is not currently allowed; it is from version 1.37.")
	}
	tree, err := s.store.Providers(ctx, tx, "", "", p.ID)
	if err != nil {
		return err
	}
	subtree := below(tree, p.ID)
	root := p.ID
	if parent != "" {
		above, err := s.store.Provider(ctx, tx, parent)
		if errors.Is(err, store.ErrNoRows) {
			return bad("parent provider UUID " + parent + " does not exist.")
		}
		if err != nil {
			return err
		}
		if slices.Contains(subtree, parent) {
			return bad("creating loop in the provider tree is not allowed.")
		}
		root = above.RootID
	}
	return s.store.Reparent(ctx, tx, p.ID, parent, root, subtree, s.clock())
}

// below returns the ids of a provider and all that hang below it.
func below(tree []Provider, id string) []string {
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

// DeleteProvider forgets a provider that has no children and no allocations.
func (s *Service) DeleteProvider(ctx context.Context, id string) error {
	if err := s.check(ctx, "resource_providers:delete"); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.provider(ctx, tx, id); err != nil {
			return err
		}
		tree, err := s.store.Providers(ctx, tx, "", "", id)
		if err != nil {
			return err
		}
		if len(below(tree, id)) > 1 {
			return errs.New(errs.Conflict, "Unable to delete parent resource provider %s: it has child resource providers.", id).
				WithCode("placement.resource_provider.cannot_delete_parent")
		}
		used, err := s.store.InUse(ctx, tx, id)
		if err != nil {
			return err
		}
		if used {
			return errs.New(errs.Conflict, "Unable to delete resource provider %s: it has allocations.", id).
				WithCode("placement.resource_provider.inuse")
		}
		return s.store.DeleteProvider(ctx, tx, id)
	})
}

// ProviderAggregates returns the aggregates of a provider.
func (s *Service) ProviderAggregates(ctx context.Context, id string) (Provider, []string, error) {
	var out []string
	p, err := s.readProvider(ctx, "resource_providers:aggregates:list", id, func(tx *store.Tx, _ Provider) (err error) {
		out, err = s.store.Aggregates(ctx, tx, id)
		return err
	})
	return p, out, err
}

// SetProviderAggregates replaces the aggregates of a provider.
func (s *Service) SetProviderAggregates(ctx context.Context, id string, expect *int64, aggregates []string) (Provider, error) {
	return s.changeProvider(ctx, "resource_providers:aggregates:update", id, expect, func(tx *store.Tx, _ Provider) error {
		return s.store.SetAggregates(ctx, tx, id, aggregates)
	})
}

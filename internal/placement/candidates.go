package placement

import (
	"context"
	"slices"

	"kumoi/internal/kernel/store"
)

// Group is one group of a search. The unsuffixed group may be served by
// several providers of a tree, and by providers that share with it; any other
// by one provider alone.
type Group struct {
	Suffix string
	Constraints
}

// Query asks for ways to satisfy all its groups, each within one tree of
// providers and those that share with it.
type Query struct {
	Groups []Group
	// Isolate wants suffixed groups on providers of their own.
	Isolate bool
	// RootRequired and RootForbidden are traits of the tree's root.
	RootRequired, RootForbidden []string
	// SameSubtree lists groups whose providers must all be, or be below, one of them.
	SameSubtree [][]string
	// Limit is how many candidates at most; 0 means MaxCandidates.
	Limit int
	// Flat takes from at most one provider of a tree, as before version 1.29.
	Flat bool
}

// Candidate is one way to satisfy a query.
type Candidate struct {
	Allocations map[string]map[string]int64 // by provider and class
	Mappings    map[string][]string         // by suffix: the providers that serve it
}

// MaxCandidates bounds an answer, and maxSteps the work for it: groups and
// providers multiply.
const (
	MaxCandidates = 10_000
	maxSteps      = 2_000_000
)

// Node is a provider with everything that a search looks at.
type Node struct {
	Provider
	Inventories map[string]Inventory // by resource class
	Traits      []string             // sorted
	Aggregates  []string
}

// AllocationCandidates returns the ways to satisfy a query, and all providers by id.
func (s *Service) AllocationCandidates(ctx context.Context, q Query) ([]Candidate, map[string]*Node, error) {
	asked := Constraints{Required: oneEach(q.RootRequired), Forbidden: q.RootForbidden}.Conds()
	for _, g := range q.Groups {
		asked = append(asked, g.Conds()...)
	}
	var nodes []*Node
	err := s.read(ctx, "allocation_candidates:list", func(tx *store.Tx) (err error) {
		if err := s.known(ctx, tx, asked); err != nil {
			return err
		}
		nodes, err = s.nodes(ctx, tx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	byID := make(map[string]*Node, len(nodes))
	for _, n := range nodes {
		byID[n.ID] = n
	}
	return Search(q, nodes), byID, nil
}

// nodes reads all providers, by name.
func (s *Service) nodes(ctx context.Context, tx *store.Tx) ([]*Node, error) {
	providers, err := s.tables.Providers.List(ctx, tx, store.Query{Sort: []store.Sort{{Field: "name"}}})
	if err != nil {
		return nil, err
	}
	out := make([]*Node, len(providers.Rows))
	byID := make(map[string]*Node, len(out))
	for i, p := range providers.Rows {
		out[i] = &Node{Provider: *p, Inventories: map[string]Inventory{}}
		byID[p.ID] = out[i]
	}
	inventories, err := s.tables.Inventories.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, i := range inventories {
		if n := byID[i.ProviderID]; n != nil {
			n.Inventories[i.Class] = *i
		}
	}
	traits, err := s.tables.ProviderTraits.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, t := range traits {
		if n := byID[t.ProviderID]; n != nil {
			n.Traits = append(n.Traits, t.Trait)
		}
	}
	aggregates, err := s.tables.ProviderAggregates.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	for _, a := range aggregates {
		if n := byID[a.ProviderID]; n != nil {
			n.Aggregates = append(n.Aggregates, a.AggregateID)
		}
	}
	for _, n := range out {
		slices.Sort(n.Traits) // databases sort by their locale
	}
	return out, nil
}

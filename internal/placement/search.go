package placement

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// sharing marks a provider that serves the trees of its aggregates.
const sharing = "MISC_SHARES_VIA_AGGREGATE"

// room tells whether a provider could give all of the amounts now.
func (n *Node) room(amounts map[string]int64) bool {
	for class, amount := range amounts {
		if i, ok := n.Inventories[class]; !ok || i.Refuses(amount) != "" {
			return false
		}
	}
	return true
}

func (n *Node) has(trait string) bool {
	_, ok := slices.BinarySearch(n.Traits, trait)
	return ok
}

// qualifies tells whether a provider has the traits, and none of the forbidden ones.
func (n *Node) qualifies(c Constraints) bool {
	return !slices.ContainsFunc(c.Forbidden, n.has) &&
		!slices.ContainsFunc(c.Required, func(anyOf []string) bool { return !slices.ContainsFunc(anyOf, n.has) })
}

// memberOf tells whether something in these aggregates is where it should be.
func memberOf(c Constraints, aggregates []string) bool {
	in := func(a string) bool { return slices.Contains(aggregates, a) }
	return !slices.ContainsFunc(c.NotMemberOf, in) &&
		!slices.ContainsFunc(c.MemberOf, func(anyOf []string) bool { return !slices.ContainsFunc(anyOf, in) })
}

// Search finds the ways to satisfy a query among providers: a pure function.
// It goes through the trees by the names of their roots and tries every
// combination of providers, leaving a branch as soon as it cannot succeed.
func Search(q Query, nodes []*Node) []Candidate {
	s := &search{query: q, limit: MaxCandidates, seen: map[string]bool{}, byID: map[string]*Node{}, tree: map[string][]*Node{}}
	if q.Limit > 0 {
		s.limit = min(q.Limit, MaxCandidates)
	}
	var roots []*Node
	for _, n := range nodes {
		s.byID[n.ID] = n
		s.tree[n.RootID] = append(s.tree[n.RootID], n)
		if n.has(sharing) {
			s.sharing = append(s.sharing, n)
		}
		if n.ParentID == "" {
			roots = append(roots, n)
		}
	}
	slices.SortFunc(roots, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	for _, root := range roots {
		if s.full() {
			break
		}
		if anchor := (Constraints{Forbidden: q.RootForbidden, Required: oneEach(q.RootRequired)}); root.qualifies(anchor) {
			s.inTree(root)
		}
	}
	return s.found
}

func oneEach(traits []string) [][]string {
	var out [][]string
	for _, t := range traits {
		out = append(out, []string{t})
	}
	return out
}

type search struct {
	query   Query
	limit   int
	byID    map[string]*Node
	tree    map[string][]*Node // by root
	sharing []*Node
	found   []Candidate
	seen    map[string]bool
	steps   int

	// of the tree being searched
	choices []choice
	picked  []*Node
}

// choice is one thing to decide: which provider gives these amounts of a group.
type choice struct {
	group   *Group
	amounts map[string]int64
	options []*Node
}

func (s *search) full() bool { return len(s.found) >= s.limit || s.steps >= maxSteps }

// inTree lists the choices of one tree and tries them all.
func (s *search) inTree(root *Node) {
	local := s.tree[root.ID]
	var shared []*Node
	for _, n := range s.sharing {
		if n.RootID != root.ID && slices.ContainsFunc(local, func(l *Node) bool { return overlap(l.Aggregates, n.Aggregates) }) {
			shared = append(shared, n)
		}
	}
	s.choices, s.picked = s.choices[:0], s.picked[:0]
	for i := range s.query.Groups {
		g := &s.query.Groups[i]
		for _, amounts := range g.parts() {
			c := choice{group: g, amounts: amounts}
			for _, n := range local {
				if s.serves(n, root, g, amounts) {
					c.options = append(c.options, n)
				}
			}
			for _, n := range shared {
				if len(amounts) > 0 && s.serves(n, n, g, amounts) {
					c.options = append(c.options, n)
				}
			}
			if len(c.options) == 0 {
				return
			}
			s.choices = append(s.choices, c)
		}
	}
	s.try()
}

// parts is what one provider must give at once: everything of a suffixed
// group, one class after another of the unsuffixed.
func (g *Group) parts() []map[string]int64 {
	if g.Suffix != "" {
		return []map[string]int64{g.Resources}
	}
	var out []map[string]int64
	for _, class := range slices.Sorted(maps.Keys(g.Resources)) {
		out = append(out, map[string]int64{class: g.Resources[class]})
	}
	return out
}

// serves tells whether a provider may give the amounts to a group. Required
// traits of the unsuffixed group are those of all its providers together, and
// what its root is a member of counts for the whole tree.
func (s *search) serves(n, root *Node, g *Group, amounts map[string]int64) bool {
	s.steps++
	if !n.room(amounts) {
		return false
	}
	if g.InTree != "" {
		if in, ok := s.byID[g.InTree]; !ok || in.RootID != n.RootID {
			return false
		}
	}
	if g.Suffix != "" {
		return n.qualifies(g.Constraints) && memberOf(g.Constraints, n.Aggregates)
	}
	return n.qualifies(Constraints{Forbidden: g.Forbidden}) && memberOf(g.Constraints, slices.Concat(n.Aggregates, root.Aggregates))
}

func (s *search) try() {
	if s.full() {
		return
	}
	s.steps++
	depth := len(s.picked)
	if depth == len(s.choices) {
		s.finish()
		return
	}
	for _, n := range s.choices[depth].options {
		s.picked = append(s.picked, n)
		if s.possible() {
			s.try()
		}
		s.picked = s.picked[:depth]
	}
}

// possible tells whether the last pick goes with those before it.
func (s *search) possible() bool {
	last := len(s.picked) - 1
	n, c := s.picked[last], s.choices[last]
	sum := map[string]int64{}
	for i, p := range s.picked {
		if p == n {
			for class, amount := range s.choices[i].amounts {
				sum[class] += amount
			}
		}
		if i == last {
			break
		}
		if s.query.Flat && p != n && p.RootID == n.RootID {
			return false
		}
		o := s.choices[i]
		if s.query.Isolate && p == n && c.group != o.group && isolated(c) && isolated(o) {
			return false
		}
	}
	for class, amount := range sum {
		if i := n.Inventories[class]; i.Used+amount > i.Capacity() || amount > i.MaxUnit {
			return false
		}
	}
	return true
}

func isolated(c choice) bool { return c.group.Suffix != "" && len(c.amounts) > 0 }

// finish checks what only a whole combination shows, and keeps it.
func (s *search) finish() {
	c := Candidate{Allocations: map[string]map[string]int64{}, Mappings: map[string][]string{}}
	for i, n := range s.picked {
		for class, amount := range s.choices[i].amounts {
			if c.Allocations[n.ID] == nil {
				c.Allocations[n.ID] = map[string]int64{}
			}
			c.Allocations[n.ID][class] += amount
		}
		suffix := s.choices[i].group.Suffix
		if !slices.Contains(c.Mappings[suffix], n.ID) {
			c.Mappings[suffix] = append(c.Mappings[suffix], n.ID)
		}
	}
	for i := range s.query.Groups {
		if g := &s.query.Groups[i]; g.Suffix == "" && !s.together(c.Mappings[""], g.Required) {
			return
		}
	}
	for _, suffixes := range s.query.SameSubtree {
		if !s.sameSubtree(c, suffixes) {
			return
		}
	}
	for _, ids := range c.Mappings {
		slices.Sort(ids)
	}
	if key := c.key(); !s.seen[key] {
		s.seen[key] = true
		s.found = append(s.found, c)
	}
}

// together tells whether the providers have the traits between them.
func (s *search) together(providers []string, required [][]string) bool {
	return !slices.ContainsFunc(required, func(anyOf []string) bool {
		return !slices.ContainsFunc(providers, func(id string) bool { return slices.ContainsFunc(anyOf, s.byID[id].has) })
	})
}

// sameSubtree tells whether one of the groups' providers is above all others.
func (s *search) sameSubtree(c Candidate, suffixes []string) bool {
	var all []string
	for _, suffix := range suffixes {
		all = append(all, c.Mappings[suffix]...)
	}
	return slices.ContainsFunc(all, func(top string) bool {
		return !slices.ContainsFunc(all, func(id string) bool { return !s.under(id, top) })
	})
}

func (s *search) under(id, top string) bool {
	for id != top {
		n, ok := s.byID[id]
		if !ok || n.ParentID == "" {
			return false
		}
		id = n.ParentID
	}
	return true
}

// key is the same for candidates that mean the same.
func (c Candidate) key() string {
	b, _ := json.Marshal(struct{ A, M any }{c.Allocations, c.Mappings}) // maps are written in order
	return string(b)
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(x string) bool { return slices.Contains(b, x) })
}

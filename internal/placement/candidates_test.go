package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"kumoi/internal/placement"
)

// forest draws trees of providers, some of which share with others.
func forest(t *rapid.T) []*placement.Node {
	var nodes []*placement.Node
	for i := range rapid.IntRange(1, 6).Draw(t, "providers") {
		n := &placement.Node{Inventories: map[string]placement.Inventory{}}
		n.ID = fmt.Sprint("n", i)
		n.Name, n.RootID = n.ID, n.ID
		if i > 0 && rapid.Bool().Draw(t, "child") {
			parent := nodes[rapid.IntRange(0, i-1).Draw(t, "parent")]
			n.ParentID, n.RootID = parent.ID, parent.RootID
		}
		for _, class := range []string{"A", "B"} {
			if total := rapid.Int64Range(0, 4).Draw(t, "total"); total > 0 {
				n.Inventories[class] = placement.Inventory{
					Class: class, Total: total, MinUnit: 1, MaxUnit: 3, StepSize: 1, AllocationRatio: 1, Used: rapid.Int64Range(0, 2).Draw(t, "used"),
				}
			}
		}
		n.Traits = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"MISC_SHARES_VIA_AGGREGATE", "T1", "T2"}), rapid.ID).Draw(t, "traits")
		slices.Sort(n.Traits)
		n.Aggregates = rapid.SliceOfDistinct(rapid.SampledFrom([]string{"g1", "g2"}), rapid.ID).Draw(t, "aggregates")
		nodes = append(nodes, n)
	}
	return nodes
}

func group(t *rapid.T, suffix string) placement.Group {
	g := placement.Group{Suffix: suffix}
	g.Resources = map[string]int64{"A": rapid.Int64Range(1, 2).Draw(t, "a")}
	if rapid.Bool().Draw(t, "both") {
		g.Resources["B"] = 1
	}
	switch rapid.IntRange(0, 3).Draw(t, "traits") {
	case 1:
		g.Required = [][]string{{"T1"}}
	case 2:
		g.Required = [][]string{{"T1", "T2"}}
	case 3:
		g.Forbidden = []string{"T1"}
	}
	if rapid.Bool().Draw(t, "member") {
		g.MemberOf = [][]string{{"g1"}}
	}
	return g
}

// Every candidate fits where it says, serves each group in full, takes from one
// tree and those that share with it, and is listed once.
func TestCandidatesAreTrue(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := forest(t)
		byID := map[string]*placement.Node{}
		for _, n := range nodes {
			byID[n.ID] = n
		}
		q := placement.Query{Isolate: rapid.Bool().Draw(t, "isolate"), Flat: rapid.Bool().Draw(t, "flat")}
		for i, suffix := range []string{"", "1", "2"} {
			if rapid.Bool().Draw(t, "group") || i == 1 {
				q.Groups = append(q.Groups, group(t, suffix))
			}
		}
		seen := map[string]bool{}
		for _, c := range placement.Search(q, nodes) {
			if key := fmt.Sprint(c); seen[key] {
				t.Fatalf("twice: %s", key)
			} else {
				seen[key] = true
			}
			want, got := map[string]int64{}, map[string]int64{}
			for _, g := range q.Groups {
				for class, n := range g.Resources {
					want[class] += n
				}
				checkGroup(t, g, c.Mappings[g.Suffix], byID)
			}
			locals := map[string]bool{} // the trees of those who do not share
			for id, amounts := range c.Allocations {
				n := byID[id]
				for class, amount := range amounts {
					got[class] += amount
					if why := n.Inventories[class].Refuses(amount); why != "" {
						t.Fatalf("%v: %s of %s: %s", c, class, id, why)
					}
				}
				if !slices.Contains(n.Traits, "MISC_SHARES_VIA_AGGREGATE") {
					locals[n.RootID] = true
				}
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Fatalf("%v gives %v, want %v", c, got, want)
			}
			if len(locals) > 1 {
				t.Fatalf("%v takes from several trees", c)
			}
			if q.Isolate && len(c.Mappings["1"]) > 0 && slices.Equal(c.Mappings["1"], c.Mappings["2"]) {
				t.Fatalf("%v is not isolated", c)
			}
		}
	})
}

func checkGroup(t *rapid.T, g placement.Group, providers []string, byID map[string]*placement.Node) {
	if g.Suffix != "" && len(providers) != 1 {
		t.Fatalf("group %s is served by %v", g.Suffix, providers)
	}
	has := func(trait string) bool {
		return slices.ContainsFunc(providers, func(id string) bool { return slices.Contains(byID[id].Traits, trait) })
	}
	for _, anyOf := range g.Required {
		if !slices.ContainsFunc(anyOf, has) {
			t.Fatalf("group %q: %v have none of %v", g.Suffix, providers, anyOf)
		}
	}
	if slices.ContainsFunc(g.Forbidden, has) {
		t.Fatalf("group %q: %v have one of %v", g.Suffix, providers, g.Forbidden)
	}
}

// Where one provider has all that one group asks for, it is found.
func TestCandidatesAreFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := forest(t)
		g := group(t, "1")
		found := map[string]bool{}
		for _, c := range placement.Search(placement.Query{Groups: []placement.Group{g}}, nodes) {
			found[c.Mappings["1"][0]] = true
		}
		for _, n := range nodes {
			fits := true
			for class, amount := range g.Resources {
				i, ok := n.Inventories[class]
				fits = fits && ok && i.Refuses(amount) == ""
			}
			for _, anyOf := range g.Required {
				fits = fits && slices.ContainsFunc(anyOf, func(trait string) bool { return slices.Contains(n.Traits, trait) })
			}
			for _, trait := range g.Forbidden {
				fits = fits && !slices.Contains(n.Traits, trait)
			}
			fits = fits && (len(g.MemberOf) == 0 || slices.Contains(n.Aggregates, "g1"))
			if fits != found[n.ID] {
				t.Fatalf("%s: found %v, want %v", n.ID, found[n.ID], fits)
			}
		}
	})
}

// Many equal cards multiply; the answer stays bounded.
func TestCandidatesAreBounded(t *testing.T) {
	t.Parallel()
	var nodes []*placement.Node
	for i := range 40 {
		n := &placement.Node{Inventories: map[string]placement.Inventory{"A": {Class: "A", Total: 1, MinUnit: 1, MaxUnit: 1, StepSize: 1, AllocationRatio: 1}}}
		n.ID, n.Name, n.RootID = fmt.Sprint(i), fmt.Sprint(i), "0"
		if i > 0 {
			n.ParentID = "0"
		}
		nodes = append(nodes, n)
	}
	var q placement.Query
	for i := range 6 {
		g := placement.Group{Suffix: fmt.Sprint(i)}
		g.Resources = map[string]int64{"A": 1}
		q.Groups = append(q.Groups, g)
	}
	if n := len(placement.Search(q, nodes)); n != placement.MaxCandidates {
		t.Errorf("%d candidates", n)
	}
	q.Limit = 7
	if n := len(placement.Search(q, nodes)); n != 7 {
		t.Errorf("%d candidates, limit 7", n)
	}
}

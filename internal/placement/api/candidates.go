package api

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/placement"
)

// The names of a group's parameters, with the suffixes of their time.
var (
	plainGroup    = regexp.MustCompile(`^(resources|required|member_of)()$`)
	numberedGroup = regexp.MustCompile(`^(resources|required|member_of|in_tree)([1-9][0-9]*)?$`)
	namedGroup    = regexp.MustCompile(`^(resources|required|member_of|in_tree)([a-zA-Z0-9_-]{1,64})?$`)
)

func (a *api) listCandidates(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	q, err := candidateQuery(r)
	if err != nil {
		return nil, err
	}
	found, providers, err := a.svc.AllocationCandidates(ctx, q)
	if err != nil {
		return nil, err
	}
	return answer(r, http.StatusOK, time.Time{}, func(w *rest.Writer) {
		w.List("allocation_requests", func() {
			for _, c := range found {
				w.Object("", func() { viewCandidate(r, w, c) })
			}
		})
		w.Object("provider_summaries", func() { summaries(r, w, q, found, providers) })
	}), nil
}

// paramSince tells which version brought a query parameter.
func paramSince(name string) int {
	return map[string]int{
		"resources": 10, "limit": 16, "required": 17, "member_of": 21, "group_policy": 25, "in_tree": 31, "root_required": 35, "same_subtree": 36,
	}[name]
}

func candidateQuery(r *httpx.Request) (placement.Query, error) {
	q := placement.Query{Flat: !r.AtLeast(1, 29)}
	suffixes, err := groupSuffixes(r)
	if err != nil {
		return q, err
	}
	for _, suffix := range suffixes {
		c, err := constraints(r, suffix)
		if err != nil {
			return q, err
		}
		q.Groups = append(q.Groups, placement.Group{Suffix: suffix, Constraints: c})
	}
	if err := wholeRequest(r, &q); err != nil {
		return q, err
	}
	return q, checkGroups(r, q, suffixes)
}

// groupSuffixes finds the groups of a request, and what is no parameter.
func groupSuffixes(r *httpx.Request) ([]string, error) {
	pattern := plainGroup
	switch {
	case r.AtLeast(1, 33):
		pattern = namedGroup
	case r.AtLeast(1, 25):
		pattern = numberedGroup
	}
	var suffixes []string
	for name := range r.Query {
		prefix, suffix := name, ""
		if m := pattern.FindStringSubmatch(name); m != nil {
			prefix, suffix = m[1], m[2]
			if !slices.Contains(suffixes, suffix) {
				suffixes = append(suffixes, suffix)
			}
		}
		if since := paramSince(prefix); since == 0 || !r.AtLeast(1, since) {
			return nil, errs.New(errs.Invalid, "Invalid query string parameters: %.100q was unexpected in version %s.", name, r.Version)
		}
	}
	slices.Sort(suffixes)
	return suffixes, nil
}

// wholeRequest reads the parameters that belong to no group.
func wholeRequest(r *httpx.Request, q *placement.Query) error {
	if text := param(r, "limit"); r.Query.Has("limit") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return errs.New(errs.Invalid, "Invalid query string parameters: limit is %.100q, a positive integer is expected.", text)
		}
		q.Limit = n
	}
	if policy := param(r, "group_policy"); r.Query.Has("group_policy") {
		if policy != "none" && policy != "isolate" {
			return errs.New(errs.Invalid, "Invalid query string parameters: group_policy is %.100q, one of none and isolate is expected.", policy)
		}
		q.Isolate = policy == "isolate"
	}
	if values := r.Query["root_required"]; len(values) > 1 {
		return errs.New(errs.Invalid, "Query parameter 'root_required' may be specified only once.").WithCode("placement.query.duplicate_key")
	} else if len(values) == 1 {
		var err error
		if q.RootRequired, q.RootForbidden, err = traits(r, "root_required", values[0]); err != nil {
			return err
		}
		for _, t := range q.RootRequired {
			if slices.Contains(q.RootForbidden, t) {
				return badValue("Conflicting required and forbidden traits found in root_required: %s", t)
			}
		}
	}
	for _, value := range r.Query["same_subtree"] {
		var list []string
		for suffix := range strings.SplitSeq(value, ",") {
			list = append(list, strings.TrimSpace(suffix))
		}
		if slices.Contains(list, "") {
			return badValue("Empty string (unsuffixed group) can not be specified in `same_subtree`.")
		}
		q.SameSubtree = append(q.SameSubtree, list)
	}
	return nil
}

// checkGroups refuses groups that ask for nothing, and policies left open.
func checkGroups(r *httpx.Request, q placement.Query, suffixes []string) error {
	granular, empty := 0, []string{}
	for _, g := range q.Groups {
		switch {
		case len(g.Resources) == 0:
			empty = append(empty, g.Suffix)
		case g.Suffix != "":
			granular++
		}
	}
	if len(empty) == len(q.Groups) {
		return errs.New(errs.Invalid, "There must be at least one resources or resources[$S] parameter.").WithCode("placement.query.missing_value")
	}
	subtrees := slices.Concat(q.SameSubtree...)
	for _, suffix := range empty {
		if !slices.Contains(subtrees, suffix) {
			return badValue("All request groups must specify resources, or be part of a `same_subtree` from version 1.36 on: group %q does not.", suffix)
		}
	}
	for _, suffix := range subtrees {
		if !slices.Contains(suffixes, suffix) {
			return badValue("Real suffixes should be specified in `same_subtree`: %.100q is not one of this request.", suffix)
		}
	}
	if granular > 1 && !r.Query.Has("group_policy") {
		return errs.New(errs.Invalid, `The "group_policy" parameter is required when specifying more than one "resources{N}" parameter.`).WithCode("placement.query.missing_value")
	}
	return nil
}

func viewCandidate(r *httpx.Request, w *rest.Writer, c placement.Candidate) {
	if !r.AtLeast(1, 12) {
		w.List("allocations", func() {
			for _, provider := range sorted(c.Allocations) {
				w.Object("", func() {
					w.Object("resource_provider", func() { w.Text("uuid", provider) })
					viewAmounts(w, c.Allocations[provider])
				})
			}
		})
		return
	}
	w.Object("allocations", func() {
		for _, provider := range sorted(c.Allocations) {
			w.Object(provider, func() { viewAmounts(w, c.Allocations[provider]) })
		}
	})
	if r.AtLeast(1, 34) {
		w.Any("mappings", c.Mappings) // the unsuffixed group's key is ""
	}
}

func viewAmounts(w *rest.Writer, amounts map[string]int64) {
	w.Object("resources", func() {
		for _, class := range sorted(amounts) {
			w.Int(class, amounts[class])
		}
	})
}

// summaries describes the providers of the candidates; from version 1.29 on
// whole trees, from 1.27 on with all their classes.
func summaries(r *httpx.Request, w *rest.Writer, q placement.Query, found []placement.Candidate, providers map[string]*placement.Node) {
	used, roots := map[string]bool{}, map[string]bool{}
	for _, c := range found {
		for id := range c.Allocations {
			used[id] = true
			roots[providers[id].RootID] = true
		}
	}
	wanted := map[string]bool{}
	for _, g := range q.Groups {
		for class := range g.Resources {
			wanted[class] = true
		}
	}
	for id, n := range providers {
		if used[id] || r.AtLeast(1, 29) && roots[n.RootID] {
			w.Object(id, func() { summary(r, w, n, wanted) })
		}
	}
}

func summary(r *httpx.Request, w *rest.Writer, n *placement.Node, wanted map[string]bool) {
	w.Object("resources", func() {
		for class, i := range n.Inventories {
			if wanted[class] || r.AtLeast(1, 27) {
				w.Object(class, func() {
					w.Int("capacity", i.Capacity())
					w.Int("used", i.Used)
				})
			}
		}
	})
	if r.AtLeast(1, 17) {
		w.Texts("traits", n.Traits)
	}
	if r.AtLeast(1, 29) {
		w.Text("root_provider_uuid", n.RootID)
		w.TextOrNull("parent_provider_uuid", n.ParentID)
	}
}

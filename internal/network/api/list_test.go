package api_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// Pages, followed by their links in both directions, hold each resource that
// the actor may see once, whoever cuts them: the database, or we after filtering.
func TestPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		c := serve(t, db)
		q := c.as("q")
		const networks = "/v2.0/networks"
		var hidden string
		seen := map[string]bool{}
		for i := range 17 {
			n := c
			if i%3 == 0 {
				n = q
			}
			id := n.create(networks, "network", object{"name": fmt.Sprint("n", i%2)})["id"].(string)
			if i%3 == 0 {
				seen[id] = true
			} else {
				hidden = id
			}
		}
		for _, x := range []struct {
			query string
			total int
		}{{"", 6}, {"&name=n0", 3}, {"&admin_state_up=true", 6}, {"&sort_key=name&sort_dir=desc", 6}, {"&name=nothing", 0}} {
			var forward [][]string
			path := networks + "?limit=2" + x.query
			for range 10 {
				ids, next := pageOf(t, q.must(200, "GET", path, nil), "next")
				if len(ids) > 0 {
					forward = append(forward, ids)
				}
				if next == "" {
					break
				}
				path = next
			}
			all := slices.Concat(forward...)
			if len(all) != x.total || len(slices.Compact(slices.Sorted(slices.Values(all)))) != x.total {
				t.Errorf("%q: pages %v, want %d networks", x.query, forward, x.total)
			}
			for _, id := range all {
				if !seen[id] {
					t.Errorf("%q: shows %s", x.query, id)
				}
			}
			var backward [][]string
			path = networks + "?limit=2&page_reverse=True" + x.query
			for range 10 {
				ids, previous := pageOf(t, q.must(200, "GET", path, nil), "previous")
				if len(ids) > 0 {
					backward = append([][]string{ids}, backward...)
				}
				if previous == "" {
					break
				}
				path = previous
			}
			if !slices.Equal(slices.Concat(backward...), all) {
				t.Errorf("%q: backward %v, forward %v", x.query, backward, forward)
			}
		}
		for _, marker := range []string{hidden, "none"} {
			for _, more := range []string{"", "&sort_key=name"} {
				q.fails(400, "HTTPBadRequest", "GET", networks+"?limit=2&marker="+marker+more, nil)
			}
		}
	})
}

// pageOf returns a page's ids, and where its link leads.
func pageOf(t *testing.T, body object, rel string) (ids []string, href string) {
	t.Helper()
	for _, n := range body["networks"].([]any) {
		ids = append(ids, n.(object)["id"].(string))
	}
	links, _ := body["networks_links"].([]any)
	for _, l := range links {
		if l.(object)["rel"] == rel {
			_, href, _ = strings.Cut(l.(object)["href"].(string), "/v2.0/")
			return ids, "/v2.0/" + href
		}
	}
	return ids, ""
}

package api

import (
	"maps"
	"slices"
	"strconv"

	"kumoi/internal/kernel/httpx"
)

// Lists that are made in memory of what other services or hosts say are cut
// here; all others are by their query.

// pageLimit reads ?limit= as Nova does: a page is never longer than maxLimit.
func pageLimit(r *httpx.Request) (int, error) {
	if v, given := r.Query["limit"]; given {
		n, err := strconv.Atoi(v[0])
		if err != nil || n < 0 {
			return 0, bad("Invalid input for query parameters limit. Value: %s. '%s' is not a non-negative integer", v[0], v[0])
		}
		if n == 0 { // an empty page, as asked for
			return 0, nil
		}
	}
	return r.Limit(maxLimit)
}

// page cuts a list in memory behind ?marker= and to ?limit=.
func page[T any](r *httpx.Request, items []T, id func(T) string) ([]T, bool, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, false, err
	}
	if marker := r.Query.Get("marker"); marker != "" {
		found := false
		for i, it := range items {
			if id(it) == marker {
				items, found = items[i+1:], true
				break
			}
		}
		if !found {
			return nil, false, bad("marker [%s] not found", marker)
		}
	}
	if len(items) > limit {
		return items[:limit], limit > 0, nil
	}
	return items, false, nil
}

// offsetPage cuts a list in memory behind ?offset= items and to ?limit=.
func offsetPage[T any](r *httpx.Request, items []T) ([]T, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, err
	}
	if v := r.Query.Get("offset"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, bad("Invalid input for query parameters offset. Value: %s. It is not a non-negative integer", v)
		}
		items = items[min(n, len(items)):]
	}
	return items[:min(limit, len(items))], nil
}

// onlyKnown refuses other query parameters than these.
func onlyKnown(r *httpx.Request, known ...string) error {
	for _, k := range sorted(r.Query) {
		if !contains(known, k) {
			return unexpected(k)
		}
	}
	return nil
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

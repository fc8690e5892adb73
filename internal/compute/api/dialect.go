package api

import (
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// dialect is how Nova words lists.
var dialect = &rest.Dialect{
	Page: maxLimit, Most: maxLimit, Zero: rest.ZeroIsNone, Down: true, Links: rest.NovaLinks,
	Unknown: func(r *httpx.Request, names []string) error {
		if !r.AtLeast(2, 75) {
			return nil
		}
		return unexpected(names[0])
	},
	NoMarker: func(marker string) error { return bad("marker [%s] not found", marker) },
	BadLimit: func(text string) error {
		return bad("Invalid input for query parameters limit. Value: %s. '%s' is not a non-negative integer", text, text)
	},
}

// unsorted is the dialect of families whose order is fixed.
var unsorted = func() *rest.Dialect {
	d := *dialect
	d.Sorting = rest.SortNever
	return &d
}()

func unexpected(name string) error {
	return bad("Invalid input for query parameters. Additional properties are not allowed ('%s' was unexpected)", name)
}

// strictSince is a dialect of lists that know no order and refuse unknown parameters since a version.
func strictSince(minor int) *rest.Dialect {
	d := *unsorted
	d.Unknown = func(r *httpx.Request, names []string) error {
		if r.AtLeast(2, minor) {
			return unexpected(names[0])
		}
		return nil
	}
	return &d
}

package api

import (
	"context"
	"net/http"
	"slices"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// familyRoutes are the families beside volumes.
func (a *api) familyRoutes() []httpx.Route {
	return slices.Concat(
		a.typeRoutes(), a.qosRoutes(), a.groupTypeRoutes(), a.groupRoutes(), a.groupSnapshotRoutes(), a.messageRoutes(), a.operatorRoutes(),
	)
}

var newestFirst = []store.Sort{{Field: "created_at", Desc: true}}

// under is the dialect of a family whose links stand under a key of their own,
// whose markers are of what is called what, and that has its own answer to
// unknown parameters; nil ignores them.
func under(key, what string, unknown func(r *httpx.Request, names []string) error) *rest.Dialect {
	d := *dialect
	d.Links, d.Unknown = links(key), unknown
	d.NoMarker = func(marker string) error { return errs.New(errs.NotFound, "%s %s could not be found.", what, marker) }
	return &d
}

// lists answers a list's request, with an offset beside the marker.
func lists[T, N, P any](c *rest.Resource[T, N, P], list func(ctx context.Context, q store.Query) (store.Page[T], error)) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		q, err := page(c.Query, r)
		if err != nil {
			return nil, err
		}
		if c.Query.Everyone != "" {
			q.Everyone = r.Query.Has(c.Query.Everyone)
		}
		p, err := list(ctx, q)
		if err != nil {
			return nil, c.Query.Marked(err, q)
		}
		return c.Rows(ctx, r, http.StatusOK, p, q)
	}
}

// unknownSince refuses unknown parameters since a microversion.
func unknownSince(minor int) func(r *httpx.Request, names []string) error {
	return func(r *httpx.Request, names []string) error {
		if !r.AtLeast(3, minor) {
			return nil
		}
		return unknown(r, names)
	}
}

// getAll names rules of lists and of single things as Cinder does.
func getAll(verb string) string {
	switch verb {
	case "list":
		return "get_all"
	case "show":
		return "get"
	}
	return verb
}

func answers(status int) func(*httpx.Request) int { return func(*httpx.Request) int { return status } }

// accepted answers 202 without a body, or with the error that came instead.
func accepted(err error) (*httpx.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpx.Empty(http.StatusAccepted), nil
}

const maxInt = 0x7FFFFFFF

var (
	nameType  = object{"type": "string", "minLength": 1, "maxLength": 255, "format": "printable", "pattern": `\S`}
	specsType = object{
		"type": "object", "propertyNames": object{"pattern": metaKeys}, "additionalProperties": object{"type": list{"string", "null"}, "maxLength": 255},
	}
	keySize = object{"type": list{"integer", "string", "null"}, "pattern": "^[0-9]*$", "minimum": 0, "maximum": maxInt}
)

// said tells whether a body says something of a text.
func said(o change.Optional[string]) bool { return o.Set && !o.Null }

// truthOf is a boolean that may come as a word.
func truthOf(o change.Optional[rest.Bool]) change.Optional[bool] {
	return change.Optional[bool]{Set: o.Set, Null: o.Null, Value: bool(o.Value)}
}

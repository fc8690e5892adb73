package api

import (
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

const maxLimit = 1000

// dialect is how Cinder words lists. The next page's address stands under
// KEY_links where the page is full.
var dialect = &rest.Dialect{
	Page: maxLimit, Most: maxLimit, Zero: rest.ZeroIsNone, Sorting: rest.SortWords, Down: true, Alone: "created_at",
	Links:    links(""),
	Operator: operator,
	Unknown:  unknown,
	NoMarker: func(marker string) error { return errs.New(errs.NotFound, "Volume %s could not be found.", marker) },
	BadLimit: func(text string) error {
		if _, err := strconv.Atoi(text); err != nil {
			return bad("limit param must be an integer")
		}
		return bad("limit param must be positive")
	},
	BadSort: func(key string) error {
		return bad("Invalid input received: Sort key supplied is invalid: %.100s", key)
	},
	BadDir: func(dir string) error {
		return bad("Invalid input received: Unknown sort direction, must be one of: asc, desc, not %.20q", dir)
	},
}

// dialectOf is the dialect of lists whose lost markers have words of their own.
func dialectOf(noMarker string) *rest.Dialect {
	d := *dialect
	d.NoMarker = func(marker string) error { return errs.New(errs.NotFound, noMarker, marker) }
	return &d
}

// quotaFilter tells metered resources from the cloud's own, since 3.65.
var quotaFilter = rest.Field{Name: "consumes_quota", Since: 65, NoSort: true, Filter: func(values []string) ([]store.Cond, error) {
	v, ok := httpx.ParseBool(values[0])
	if !ok {
		return nil, bad("Invalid value '%.20s' for 'consumes_quota': use true or false.", values[0])
	}
	return []store.Cond{store.Eq("unmetered", !v)}, nil
}}

// links lead to the next page, under a key of their own or KEY_links; a list
// that comes without pages has none.
func links(under string) func(w *rest.Writer, r *httpx.Request, key string, p rest.Part) {
	return func(w *rest.Writer, r *httpx.Request, key string, p rest.Part) {
		if p.Limit == 0 || p.Rows < p.Limit {
			return
		}
		if under != "" {
			key = under
		}
		w.List(key+"_links", func() { w.Link("next", r.PageURL(map[string]string{"marker": p.Last})) })
	}
}

// operator splits "name~" into the name and the comparison.
func operator(name, value string) (string, store.Op, string) {
	if field, like := strings.CutSuffix(name, "~"); like {
		return field, store.IContains, value
	}
	return name, store.Equal, value
}

// unknown parameters are refused since 3.31, when filters became configurable.
func unknown(r *httpx.Request, names []string) error {
	if !r.AtLeast(3, 31) {
		return nil
	}
	return bad("Invalid filters %s are found in query options.", strings.Join(names, ","))
}

// everywhere are parameters that all lists know.
var everywhere = []string{"offset", "with_count", "all_tenants"}

// page reads a list's query string: what rest.List reads, an offset beside the
// marker, and whether all projects are meant.
func page(l *rest.List, r *httpx.Request) (store.Query, error) {
	q, err := l.Query(r)
	if err != nil {
		return q, err
	}
	if q.Everyone, err = r.Bool("all_tenants", false); err != nil {
		return q, bad("all_tenants must be a boolean, not %.20q", r.Query.Get("all_tenants"))
	}
	if text := r.Query.Get("offset"); text != "" {
		if q.Offset, err = strconv.Atoi(text); err != nil || q.Offset < 0 {
			return q, bad("Invalid input received: offset must be an integer that is not negative, not %.20q", text)
		}
	}
	return q, nil
}

// text is a filter by a text, words one by several.
func text(name string) rest.Field { return rest.Field{Name: name} }

func sorted(name string) rest.Field { return rest.Field{Name: name, NoFilter: true} }

func filtered(name, at string) rest.Field { return rest.Field{Name: name, At: at, NoSort: true} }

// oldName is the name as lists were sorted by it in the first version of the API.
var oldName = rest.Field{Name: "display_name", At: "name", NoFilter: true}

// number is a filter by a whole number.
func number(name string) rest.Field {
	return rest.Field{Name: name, Read: func(text string) (any, error) {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, bad("Invalid input received: %s must be an integer, not %.20q", name, text)
		}
		return n, nil
	}}
}

// truth is a filter by a boolean.
func truth(name, at string) rest.Field {
	return rest.Field{Name: name, At: at, Read: func(text string) (any, error) {
		v, ok := httpx.ParseBool(text)
		if !ok {
			return nil, bad("Invalid value '%.20s' for '%s': use true or false.", text, name)
		}
		return v, nil
	}}
}

var comparisons = map[string]store.Op{
	"gt": store.Greater, "gte": store.GreaterEq, "eq": store.Equal, "neq": store.NotEqual, "lt": store.Less, "lte": store.LessEqual,
}

// moment is a filter by a time: "gt:2026-01-01T00:00:00,lt:…", since 3.60.
func moment(name string) rest.Field {
	return rest.Field{Name: name, Since: 60, Filter: func(values []string) (out []store.Cond, err error) {
		for part := range strings.SplitSeq(values[0], ",") {
			word, text, _ := strings.Cut(part, ":")
			op, ok := comparisons[strings.TrimSpace(word)]
			if !ok {
				return nil, bad("Invalid %.20s operator", word)
			}
			t, err := isotime.Parse(text)
			if err != nil {
				return nil, bad("Invalid %.40s value", text)
			}
			out = append(out, store.Cond{Field: name, Op: op, Value: t})
		}
		return out, nil
	}}
}

// pairs is a filter by metadata, written as a dictionary: {'key': 'value'}.
func pairs(name, condition string, since int) rest.Field {
	return rest.Field{Name: name, NoSort: true, Since: since, Filter: func(values []string) (out []store.Cond, err error) {
		m, err := dictionary(values[0])
		if err != nil {
			return nil, bad("Invalid value %.60q for %s: %s", values[0], name, err)
		}
		for k, v := range m {
			out = append(out, store.Is(condition, []any{k, v}))
		}
		return out, nil
	}}
}

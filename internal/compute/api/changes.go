package api

import (
	"net/url"
	"time"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

func readTime(q url.Values, name string, to *time.Time) error {
	v := q.Get(name)
	if v == "" {
		return nil
	}
	t, err := isotime.Parse(v)
	if err != nil {
		return bad("Invalid input for query parameters %s. Value: %s. '%s' is not a 'date-time'", name, v, v)
	}
	*to = t
	return nil
}

// changeFields are the parameters of readChanges, each with the version that brought it.
func changeFields(since, before int) []rest.Field {
	none := func([]string) ([]store.Cond, error) { return nil, nil }
	return []rest.Field{
		{Name: "changes-since", NoSort: true, Since: since, Filter: none}, {Name: "changes-before", NoSort: true, Since: before, Filter: none},
	}
}

// changes reads them since a version, for lists.
func changes(since int) func(r *httpx.Request) ([]store.Cond, error) {
	return func(r *httpx.Request) ([]store.Cond, error) {
		if !r.AtLeast(2, since) {
			return nil, nil
		}
		return readChanges(r.Query)
	}
}

// readChanges reads changes-since and changes-before. What we show of times are
// whole seconds, so before takes in all of the second that it names.
func readChanges(q url.Values) (conds []store.Cond, err error) {
	var since, before time.Time
	if err := readTime(q, "changes-since", &since); err != nil {
		return nil, err
	}
	if err := readTime(q, "changes-before", &before); err != nil {
		return nil, err
	}
	if !since.IsZero() {
		conds = append(conds, store.Cond{Field: "updated_at", Op: store.GreaterEq, Value: since})
	}
	if before.IsZero() {
		return conds, nil
	}
	if since.After(before) {
		return nil, bad("The value of changes-since must be less than or equal to changes-before.")
	}
	if before.Nanosecond() == 0 {
		before = before.Add(time.Second - time.Microsecond)
	}
	return append(conds, store.Cond{Field: "updated_at", Op: store.LessEqual, Value: before}), nil
}

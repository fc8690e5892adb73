package api

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// short is a row of a list that is in no table: what answers show of it, in order.
type short []struct {
	key   string
	value any
}

func (s short) get(key string) any {
	for _, x := range s {
		if x.key == key {
			return x.value
		}
	}
	return nil
}

// shortList answers with the rows that the query string wants: it filters and
// sorts by the keys, and shows the fields asked for. Such lists have no pages.
func shortList(r *httpx.Request, many string, rows []short, keys ...string) (*httpx.Response, error) {
	l := &rest.List{Dialect: dialect, Also: []string{"fields", "verbose"}}
	for _, k := range keys {
		l.Fields = append(l.Fields, rest.Field{Name: k})
	}
	q, err := l.Query(r)
	if err != nil {
		return nil, err
	}
	var fields []string
	for _, f := range r.Query["fields"] {
		if f != "" {
			fields = append(fields, f)
		}
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(row short) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return r.Query.Has(k) && !isAny(row.get(k), r.Query[k]) })
	})
	slices.SortStableFunc(rows, func(a, b short) int {
		for _, s := range q.Sort {
			c := cmp.Compare(fmt.Sprint(a.get(s.Field)), fmt.Sprint(b.get(s.Field)))
			if s.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List(many, func() {
				for _, row := range rows {
					w.Object("", func() {
						for _, x := range row {
							if len(fields) == 0 || slices.Contains(fields, x.key) {
								w.Any(x.key, x.value)
							}
						}
					})
				}
			})
		})
	}), nil
}

// isAny tells whether a value is one of the texts.
func isAny(value any, texts []string) bool {
	return slices.ContainsFunc(texts, func(text string) bool {
		if b, ok := value.(bool); ok {
			want, known := httpx.ParseBool(text)
			return known && want == b
		}
		return fmt.Sprint(value) == strings.TrimSpace(text)
	})
}

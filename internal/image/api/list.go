package api

import (
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// list describes a paged list that can be sorted by some fields, the newest
// first. What it can be filtered by is further fields, or read by its handler.
func (a *api) list(schema string, sorted []string, more ...rest.Field) *rest.List {
	cfg := a.svc.Config()
	l := &rest.List{
		Dialect: &rest.Dialect{
			Page: min(cfg.PageDefault, cfg.PageMax), Most: cfg.PageMax, Zero: rest.ZeroIsNone,
			Sorting: rest.SortWords, Down: true, OneDir: true, SamePairs: true,
			Links: rest.GlanceLinks(schema), BadLimit: badLimit,
			BadSort: func(key string) error {
				return errs.New(errs.Invalid, "Invalid sort key: %.100s. It must be one of the following: %s.", key, join(sorted))
			},
			BadDir: func(dir string) error { return errs.New(errs.Invalid, "Invalid sort direction: %.100s", dir) },
		},
		Sort: []store.Sort{{Field: "created_at", Desc: true}},
	}
	for _, name := range sorted {
		l.Fields = append(l.Fields, rest.Field{Name: name, NoFilter: true})
	}
	l.Fields = append(l.Fields, more...)
	return l
}

// filled is a filter that counts only if it has a value.
func filled(name string) rest.Field {
	return rest.Field{Name: name, NoSort: true, Filter: func(values []string) ([]store.Cond, error) {
		if values[0] == "" {
			return nil, nil
		}
		return []store.Cond{store.Eq(name, values[0])}, nil
	}}
}

func badLimit(text string) error {
	if n, err := strconv.Atoi(text); err == nil {
		return errs.New(errs.Invalid, "limit param must be positive, not %d", n)
	}
	return errs.New(errs.Invalid, "limit param must be an integer, not %.100q", text)
}

func join(list []string) string { return strings.Join(list, ",") }

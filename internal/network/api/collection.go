package api

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// maxPage bounds a page; more is not an error, as in Neutron.
const maxPage = 10000

// dialect is how Neutron words lists.
var dialect = &rest.Dialect{
	Most: maxPage, Infinite: "infinite", AnyValue: true, Reverse: "page_reverse", SamePairs: true,
	Ties: []store.Sort{{Field: "id"}}, Links: rest.NeutronLinks,
	Unknown: func(_ *httpx.Request, names []string) error {
		return badRequest("%s is invalid attribute for filtering", "['"+strings.Join(names, "', '")+"']")
	},
	NoMarker: func(marker string) error { return badRequest("Marker %s could not be found.", marker) },
	BadLimit: func(text string) error {
		return badRequest("Invalid input for operation: Limit must be an integer 0 or greater and not '%s'.", text)
	},
	BadSort: func(key string) error { return badRequest("['%s'] is invalid attribute for sort_keys", key) },
	BadDir: func(dir string) error {
		return badRequest("%s is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dir)
	},
	BadPairs: func() error { return badRequest("The number of sort_keys and sort_dirs must be same") },
}

// Lists are in the order of age, pages in that of ids.
var (
	oldestFirst = []store.Sort{{Field: "created_at"}, {Field: "id"}}
	idOrder     = []store.Sort{{Field: "id"}}
)

// collection completes a resource with what all of Neutron's have in common,
// and gives its routes.
func collection[R, V any](a *api, c *rest.Resource[V, change.Patch[R], change.Patch[R]], as *rest.Attributes[R, V]) []httpx.Route {
	if c.Item == "" {
		c.Item = strings.ReplaceAll(c.One, "-", "_") + "_id"
	}
	c.UpdateMethod = http.MethodPut
	if c.Rule == nil {
		c.Rule = rules(c.One)
	}
	fields := as.Fields()
	if slices.ContainsFunc(fields, func(f rest.Field) bool { return f.Name == "updated_at" }) {
		fields = append(fields, since)
	}
	if slices.ContainsFunc(fields, func(f rest.Field) bool { return f.Name == "tags" }) {
		fields = append(fields, tagFilters...)
	}
	c.Query = &rest.List{Dialect: dialect, Fields: fields, Also: []string{"fields", "verbose"}, Sort: oldestFirst, PageSort: idOrder}
	c.Expected = expected
	c.View = func(ctx context.Context, r *httpx.Request, _ []*V) (func(*rest.Writer, *V), error) {
		return as.View(fieldsOf(r), a.sees(ctx)), nil
	}
	c.ReadNew = func(r *httpx.Request) (p change.Patch[R], err error) {
		list, _, err := objects(r, c.One, c.Many, false)
		if err != nil {
			return p, err
		}
		return as.Patch(list[0], rest.Post)
	}
	c.ReadPatch = func(r *httpx.Request) (p change.Patch[R], err error) {
		list, _, err := objects(r, c.One, c.Many, false)
		if err != nil {
			return p, err
		}
		return as.Patch(list[0], rest.Put)
	}
	c.ReadMany = func(r *httpx.Request) ([]change.Patch[R], error) {
		list, bulk, err := objects(r, c.One, c.Many, true)
		if err != nil || !bulk {
			return nil, err
		}
		out := make([]change.Patch[R], len(list))
		for i, o := range list {
			if out[i], err = as.Patch(o, rest.Post); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return c.Routes()
}

// rules names the policy rules of a family.
func rules(name string) func(verb string) string {
	return func(verb string) string {
		if verb == "list" || verb == "show" {
			verb = "get"
		}
		return verb + "_" + name
	}
}

// fieldsOf are the attributes that a request wants to see; none: all.
func fieldsOf(r *httpx.Request) []string {
	if r.HTTP.Method != http.MethodGet {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(r.Query["fields"]), func(f string) bool { return f == "" })
}

// since is the filter that every collection has beside its attributes.
var since = rest.Field{Name: "changed_since", NoSort: true, Filter: func(values []string) ([]store.Cond, error) {
	t, err := isotime.Parse(values[0])
	if err != nil {
		return nil, badRequest("Invalid input for operation: The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[.ss][Z].")
	}
	return []store.Cond{{Field: "updated_at", Op: store.GreaterEq, Value: t}}, nil
}}

// tagFilters are the filters of what has tags, beside "tags".
var tagFilters = []rest.Field{
	{Name: "tags-any", NoSort: true, Filter: byTags(store.HasAny)},
	{Name: "not-tags", NoSort: true, Filter: byTags(store.NotAll)},
	{Name: "not-tags-any", NoSort: true, Filter: byTags(store.NotAny)},
}

// byTags compares with a list of tags between commas.
func byTags(op store.Op) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		return []store.Cond{{Field: "tags", Op: op, Value: strings.Split(strings.Join(values, ","), ",")}}, nil
	}
}

// asBool reads a filter by an attribute that is true or false.
func asBool(name string) func(text string) (any, error) {
	return func(text string) (any, error) {
		v, err := toBool(text)
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: %s.", name, err)
		}
		return v, nil
	}
}

// wants reads a filter's text as requests' values are read, so that it finds what
// they made: lower case where the attribute is, the short form of an address. What
// cannot be a value finds nothing; "None" is what answers show as null.
func wants[E any](convert func(any) (E, error)) func(text string) (any, error) {
	return func(text string) (any, error) {
		if text == "None" || text == "null" {
			text = ""
		}
		if v, err := convert(text); err == nil && text != "" {
			return v, nil
		}
		return text, nil
	}
}

// expected reads If-Match: revision_number=N.
func expected(r *httpx.Request) (int64, bool, error) {
	n, err := revision(r)
	if err != nil || n == nil {
		return 0, false, err
	}
	return *n, true, nil
}

// unnamed are the attributes that every resource has.
func unnamed[R, V any](req func(*R) *network.Standard, view func(*V) *network.Standard) []rest.Attribute[R, V] {
	stamp := func(name string, of func(*network.Standard) time.Time) rest.Attribute[R, V] {
		return rest.ReadOnly[R](name, func(w *rest.Writer, key string, v *V) { w.Time(key, of(view(v)), rest.Seconds) }).
			By(name).Filtered(within(name))
	}
	return append(owned(req, view),
		rest.ReadOnly[R]("revision_number", func(w *rest.Writer, key string, v *V) { w.Int(key, view(v).Revision) }).By("revision").Whole(),
		stamp("created_at", func(s *network.Standard) time.Time { return s.CreatedAt }),
		stamp("updated_at", func(s *network.Standard) time.Time { return s.UpdatedAt }),
	)
}

// owned are the id and both names of the project.
func owned[R, V any](req func(*R) *network.Standard, view func(*V) *network.Standard) []rest.Attribute[R, V] {
	project := func(name string) rest.Attribute[R, V] {
		return rest.Set(name, rest.Post, rest.Unset, func(r *R, v any) error {
			text, err := toText(255)(v)
			at := &req(r).ProjectID
			if name == "tenant_id" && err == nil && *at != "" && *at != text {
				return errs.New(errs.Invalid, "'project_id' and 'tenant_id' do not match").WithCode("HTTPBadRequest")
			}
			*at = text
			return err
		}, func(w *rest.Writer, key string, v *V) { w.Text(key, view(v).ProjectID) }).By("project_id")
	}
	return []rest.Attribute[R, V]{
		rest.ReadOnly[R]("id", func(w *rest.Writer, key string, v *V) { w.Text(key, view(v).ID) }).By("id"),
		project("project_id"), project("tenant_id"),
	}
}

// own are unnamed and the name.
func own[R, V any](req func(*R) *network.Standard, view func(*V) *network.Standard) []rest.Attribute[R, V] {
	return append(unnamed(req, view), rest.Asked("name", rest.Both, "", toText(255), func(r *R) *string { return &req(r).Name },
		func(w *rest.Writer, key string, v *V) { w.Text(key, view(v).Name) }).By("name"))
}

// described are the description and the tags.
func described[R, V any](req func(*R) *network.Standard, view func(*V) *network.Standard) []rest.Attribute[R, V] {
	return []rest.Attribute[R, V]{
		rest.Asked("description", rest.Both, "", toText(255), func(r *R) *string { return &req(r).Description },
			func(w *rest.Writer, key string, v *V) { w.Text(key, view(v).Description) }).By("description"),
		rest.Asked("tags", rest.Post, rest.Unset, uniqueListOf(toTag), func(r *R) *[]string { return &req(r).Tags },
			func(w *rest.Writer, key string, v *V) { w.Texts(key, view(v).Tags) }).Filtered(byTags(store.HasAll)),
	}
}

// within finds a time by the second that answers show.
func within(field string) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		t, err := isotime.Parse(values[0])
		if err != nil {
			return nil, badRequest("Invalid input for %s. Reason: '%s' is no time.", field, values[0])
		}
		return []store.Cond{{Field: field, Op: store.GreaterEq, Value: t}, {Field: field, Op: store.Less, Value: t.Add(time.Second)}}, nil
	}
}

package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// verb says in which requests an attribute may stand.
type verb uint8

const (
	post verb = 1 << iota
	put
	read verb = 0
)

// attr is one attribute. R is what a request builds, V what an answer shows.
type attr[R, V any] struct {
	name     string
	verbs    verb
	required bool // in POST
	// plain is the JSON default: saying it asks for nothing special, so its
	// policy rule is not consulted. unset means that every value is special.
	plain any
	set   func(r *R, v any) error
	get   func(v *V) any
	see   string // rule that guards its sight, "" for none
	// wanted reads a filter's text as set reads the attribute, into what get shows.
	// Nil: the text as it is.
	wanted func(text string) (string, error)
	// column is where filters look in the database, "" to filter afterwards.
	column string
	// noFilter attributes cannot be filtered by.
	noFilter bool
}

type unsetType struct{}

var unset = unsetType{}

// resource is one collection.
type resource[R, V any] struct {
	member, collection string // "network", "networks"
	path               string // "/v2.0/networks"
	attrs              []attr[R, V]
	id                 func(*V) string
	tags               func(*V) []string // nil: no tags

	begin  func() *R // a request with its defaults
	list   func(ctx context.Context, f network.Filter) ([]*V, error)
	paged  bool // list obeys the filter's page
	show   func(ctx context.Context, id string) (*V, error)
	create func(ctx context.Context, tx *store.Tx, r *R, c network.Change) (*V, error)
	update func(ctx context.Context, tx *store.Tx, id string, c network.Change, apply func(*R) error) (*V, error)
	remove func(ctx context.Context, tx *store.Tx, id string, c network.Change) error

	createBulk bool
	// complete reads what answers say of other resources; nil: nothing.
	complete func(ctx context.Context, vs []*V) error
	byName   map[string]*attr[R, V]
}

func (r *resource[R, V]) index() {
	r.byName = make(map[string]*attr[R, V], len(r.attrs))
	for i := range r.attrs {
		r.byName[r.attrs[i].name] = &r.attrs[i]
	}
}

// field makes an attribute from a converter and the place that it is kept.
func field[R, V, E any](name string, verbs verb, plain any, convert func(any) (E, error), at func(*R) *E, get func(*V) any) attr[R, V] {
	return attr[R, V]{name: name, verbs: verbs, plain: plain, get: get, wanted: wanted(convert), set: func(r *R, v any) error {
		e, err := convert(v)
		if err == nil {
			*at(r) = e
		}
		return err
	}}
}

// silent is the getter of an attribute that answers do not show.
func silent[V any]() func(*V) any { return nil }

// shown makes an attribute that requests cannot set.
func shown[R, V any](name string, get func(*V) any) attr[R, V] {
	return attr[R, V]{name: name, get: get}
}

func (a attr[R, V]) needed() attr[R, V]             { a.required = true; return a }
func (a attr[R, V]) guarded(rule string) attr[R, V] { a.see = rule; return a }
func (a attr[R, V]) indexed(col string) attr[R, V]  { a.column = col; return a }
func (a attr[R, V]) unfiltered() attr[R, V]         { a.noFilter = true; return a }

func (a attr[R, V]) filteredAs(convert func(string) (string, error)) attr[R, V] {
	a.wanted = convert
	return a
}

// standard are the attributes that every resource has.
func standard[R, V any](req func(*R) *network.Standard, view func(*V) *network.Standard, kinds ...string) []attr[R, V] {
	out := []attr[R, V]{
		shown[R]("id", func(v *V) any { return view(v).ID }).indexed("id"),
		{
			name: "project_id", verbs: post, plain: unset, column: "project_id", get: func(v *V) any { return view(v).ProjectID },
			set: func(r *R, v any) (err error) { req(r).ProjectID, err = toText(255)(v); return err },
		},
		{
			name: "tenant_id", verbs: post, plain: unset, column: "project_id", get: func(v *V) any { return view(v).ProjectID },
			set: func(r *R, v any) error {
				s, err := toText(255)(v)
				if p := req(r).ProjectID; err == nil && p != "" && p != s {
					return errs.New(errs.Invalid, "'project_id' and 'tenant_id' do not match").WithCode("HTTPBadRequest")
				}
				req(r).ProjectID = s
				return err
			},
		},
		shown[R]("revision_number", func(v *V) any { return view(v).Revision }),
		shown[R]("created_at", func(v *V) any { return stamp(view(v).CreatedAt) }),
		shown[R]("updated_at", func(v *V) any { return stamp(view(v).UpdatedAt) }),
	}
	for _, k := range kinds {
		switch k {
		case "name":
			out = append(out, field("name", post|put, "", toText(255), func(r *R) *string { return &req(r).Name }, func(v *V) any { return view(v).Name }).indexed("name"))
		case "description":
			out = append(out, field("description", post|put, "", toText(255), func(r *R) *string { return &req(r).Description }, func(v *V) any { return view(v).Description }))
		case "tags":
			out = append(out, field("tags", post, unset, uniqueListOf(toTag), func(r *R) *[]string { return &req(r).Tags }, func(v *V) any { return orEmpty(view(v).Tags) }))
		}
	}
	return out
}

func orEmpty[E any](s []E) []E {
	if s == nil {
		return []E{}
	}
	return s
}

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05Z")
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func addrOrNull(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a.String()
}

// fill applies a request's attributes to r and tells which of them its rules
// must be asked about.
func (r *resource[R, V]) fill(into *R, body map[string]any, v verb) ([]string, error) {
	var unknown []string
	names := make([]string, 0, len(body))
	for name := range body {
		a, ok := r.byName[name]
		if !ok {
			unknown = append(unknown, name)
			continue
		}
		if a.verbs&v == 0 {
			return nil, badRequest("Attribute '%s' not allowed in %s", name, map[verb]string{post: "POST", put: "PUT"}[v])
		}
		names = append(names, name)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, badRequest("Unrecognized attribute(s) '%s'", strings.Join(unknown, "', '"))
	}
	if v == post {
		for _, a := range r.attrs {
			if _, ok := body[a.name]; a.required && !ok {
				return nil, badRequest("Failed to parse request. Required attribute '%s' not specified", a.name)
			}
		}
	}
	slices.Sort(names)
	var asked []string
	for _, name := range names {
		a := r.byName[name]
		value := body[name]
		if err := a.set(into, value); err != nil {
			var typed *errs.Error
			if asTyped(err, &typed) {
				return nil, err
			}
			return nil, badRequest("Invalid input for %s. Reason: %s.", name, strings.TrimSuffix(err.Error(), "."))
		}
		if v == put || !isPlain(a.plain, value) {
			asked = append(asked, name)
			asked = append(asked, inner(name, value)...)
		}
	}
	return asked, nil
}

// inner names the parts of a composite attribute that have rules of their own:
// "fixed_ips:subnet_id", "external_gateway_info:enable_snat".
func inner(name string, value any) []string {
	var out []string
	add := func(m map[string]any) {
		for k := range m {
			if key := name + ":" + k; !slices.Contains(out, key) {
				out = append(out, key)
			}
		}
	}
	switch x := value.(type) {
	case map[string]any:
		add(x)
	case []any:
		for _, e := range x {
			if m, ok := e.(map[string]any); ok {
				add(m)
			}
		}
	}
	slices.Sort(out)
	return out
}

func isPlain(plain, v any) bool {
	if plain == unset {
		return false
	}
	if n, ok := v.(json.Number); ok {
		return fmt.Sprint(plain) == n.String()
	}
	return reflect.DeepEqual(plain, v)
}

// view shows v; fields narrows it, sees answers about guarded attributes.
func (r *resource[R, V]) view(v *V, fields []string, sees func(rule string) bool) map[string]any {
	out := make(map[string]any, len(r.attrs))
	for i := range r.attrs {
		a := &r.attrs[i]
		if a.get == nil || len(fields) > 0 && !slices.Contains(fields, a.name) {
			continue
		}
		if a.see != "" && !sees(a.see) {
			continue
		}
		out[a.name] = a.get(v)
	}
	return out
}

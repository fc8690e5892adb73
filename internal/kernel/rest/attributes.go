package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
)

// Verb says in which requests an attribute may stand.
type Verb uint8

// The verbs; an attribute with neither is only shown.
const (
	Post Verb = 1 << iota
	Put
	Both = Post | Put
)

func (v Verb) String() string { return map[Verb]string{Post: "POST", Put: "PUT"}[v] }

// Unset as an attribute's plain value means that every value is special.
var Unset = unset{}

type unset struct{}

// Attribute is one attribute of a resource: R is what requests build, V what
// answers show; for most resources the two are one type.
type Attribute[R, V any] struct {
	name     string
	in       Verb
	required bool // in POST
	// plain is the JSON default: saying it asks for nothing special, so its
	// policy rule is not consulted.
	plain  any
	set    func(r *R, v any) error
	show   func(w *Writer, key string, v *V) // nil: not shown
	guard  string                            // rule that guards its sight
	filter Field
}

// Attr is an attribute that answers show as requests say it: convert reads its
// JSON value (numbers as json.Number), at is where it is kept.
func Attr[R, E any](name string, in Verb, plain any, convert func(any) (E, error), at func(*R) *E) Attribute[R, R] {
	return Asked(name, in, plain, convert, at, func(w *Writer, key string, v *R) { writeAt(w, key, at(v)) })
}

// Asked is an attribute whose answer has a form of its own; show may be nil.
func Asked[R, V, E any](name string, in Verb, plain any, convert func(any) (E, error), at func(*R) *E, show func(w *Writer, key string, v *V)) Attribute[R, V] {
	a := Attribute[R, V]{name: name, in: in, plain: plain, show: show, set: func(r *R, v any) error {
		e, err := convert(v)
		if err == nil {
			*at(r) = e
		}
		return err
	}}
	a.filter = Field{Name: name, NoFilter: true, NoSort: true, Read: reader[E](name)}
	return a
}

// ReadOnly is an attribute that no request sets.
func ReadOnly[R, V any](name string, show func(w *Writer, key string, v *V)) Attribute[R, V] {
	return Attribute[R, V]{name: name, show: show, filter: Field{Name: name, NoFilter: true, NoSort: true}}
}

// Set is an attribute that a function of its own reads.
func Set[R, V any](name string, in Verb, plain any, set func(r *R, v any) error, show func(w *Writer, key string, v *V)) Attribute[R, V] {
	return Attribute[R, V]{name: name, in: in, plain: plain, set: set, show: show, filter: Field{Name: name, NoFilter: true, NoSort: true}}
}

// Lift makes attributes of what answers show into attributes of requests that
// hold one, and say more.
func Lift[R, V any](list []Attribute[V, V], of func(*R) *V) []Attribute[R, V] {
	out := make([]Attribute[R, V], len(list))
	for i, a := range list {
		out[i] = Attribute[R, V]{name: a.name, in: a.in, required: a.required, plain: a.plain, show: a.show, guard: a.guard, filter: a.filter}
		if a.set != nil {
			out[i].set = func(r *R, v any) error { return a.set(of(r), v) }
		}
	}
	return out
}

// Needed makes it required in POST.
func (a Attribute[R, V]) Needed() Attribute[R, V] { a.required = true; return a }

// Guarded hides it from those whom the rule does not permit.
func (a Attribute[R, V]) Guarded(rule string) Attribute[R, V] { a.guard = rule; return a }

// By lets lists be filtered and sorted by it; field is the table's name for it.
func (a Attribute[R, V]) By(field string) Attribute[R, V] {
	a.filter.At, a.filter.NoFilter, a.filter.NoSort = field, false, false
	return a
}

// Filtered is By with conditions of its own.
func (a Attribute[R, V]) Filtered(filter func(values []string) ([]store.Cond, error)) Attribute[R, V] {
	a.filter.Filter, a.filter.NoFilter = filter, false
	return a
}

// Unsorted leaves the filter alone.
func (a Attribute[R, V]) Unsorted() Attribute[R, V] { a.filter.NoSort = true; return a }

// Whole reads the values of its filter as numbers.
func (a Attribute[R, V]) Whole() Attribute[R, V] { return a.Read(reader[int64](a.name)) }

// Read converts the values of its filter.
func (a Attribute[R, V]) Read(read func(text string) (any, error)) Attribute[R, V] {
	a.filter.Read = read
	return a
}

// writeAt writes what a pointer points to.
func writeAt(w *Writer, key string, at any) {
	switch p := at.(type) {
	case *string:
		w.Text(key, *p)
	case *bool:
		w.Bool(key, *p)
	case *int:
		w.Int(key, int64(*p))
	case *int64:
		w.Int(key, *p)
	case *[]string:
		w.Texts(key, *p)
	case **int64:
		w.IntPointer(key, *p)
	case **string:
		w.TextPointer(key, *p)
	default:
		w.Any(key, at)
	}
}

// reader converts the text of a filter to the attribute's type, as bodies are
// converted, without judging it: who looks for what cannot be finds nothing.
func reader[E any](name string) func(string) (any, error) {
	var e E
	switch any(e).(type) {
	case bool:
		return func(text string) (any, error) {
			b, ok := httpx.ParseBool(text)
			if !ok {
				return nil, badInput(name, fmt.Errorf("'%s' cannot be converted to boolean", text))
			}
			return b, nil
		}
	case int, int64, *int64:
		return func(text string) (any, error) {
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, badInput(name, fmt.Errorf("'%s' is not an integer", text))
			}
			return n, nil
		}
	}
	return nil
}

// Attributes are those of one resource.
type Attributes[R, V any] struct {
	list   []Attribute[R, V]
	byName map[string]*Attribute[R, V]
}

// NewAttributes puts attributes together, in the order that answers show.
func NewAttributes[R, V any](list ...Attribute[R, V]) *Attributes[R, V] {
	as := &Attributes[R, V]{list: list, byName: make(map[string]*Attribute[R, V], len(list))}
	for i := range list {
		as.byName[list[i].name] = &list[i]
	}
	return as
}

// Fields are what lists can be filtered and sorted by.
func (as *Attributes[R, V]) Fields() []Field {
	out := make([]Field, len(as.list))
	for i, a := range as.list {
		out[i] = a.filter
	}
	return out
}

// Patch reads a request's object: it judges every value, and remembers them for
// whom the patch is applied to.
func (as *Attributes[R, V]) Patch(object map[string]any, in Verb) (change.Patch[R], error) {
	var p change.Patch[R]
	names, err := as.names(object, in)
	if err != nil {
		return p, err
	}
	for _, name := range names {
		if in == Put || !isPlain(as.byName[name].plain, object[name]) {
			p.Named = append(append(p.Named, name), inner(name, object[name])...)
		}
	}
	p.Apply = func(r *R) error {
		for _, name := range names {
			if err := as.byName[name].set(r, object[name]); err != nil {
				return badInput(name, err)
			}
		}
		return nil
	}
	return p, p.Apply(new(R))
}

// names are the attributes of a request's object, in order.
func (as *Attributes[R, V]) names(object map[string]any, in Verb) ([]string, error) {
	var unknown []string
	names := make([]string, 0, len(object))
	for name := range object {
		a, ok := as.byName[name]
		switch {
		case !ok:
			unknown = append(unknown, name)
		case a.in&in == 0:
			return nil, bad("Attribute '%s' not allowed in %s", name, in)
		default:
			names = append(names, name)
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, bad("Unrecognized attribute(s) '%s'", strings.Join(unknown, "', '"))
	}
	for _, a := range as.list {
		if _, ok := object[a.name]; in == Post && a.required && !ok {
			return nil, bad("Failed to parse request. Required attribute '%s' not specified", a.name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// View returns what writes a row: only the fields asked for, if any are, and of
// guarded ones those that sees permits.
func (as *Attributes[R, V]) View(fields []string, sees func(rule string) bool) func(w *Writer, v *V) {
	shown := make([]*Attribute[R, V], 0, len(as.list))
	for i := range as.list {
		a := &as.list[i]
		if a.show != nil && (len(fields) == 0 || slices.Contains(fields, a.name)) && (a.guard == "" || sees(a.guard)) {
			shown = append(shown, a)
		}
	}
	return func(w *Writer, v *V) {
		for _, a := range shown {
			a.show(w, a.name, v)
		}
	}
}

func bad(format string, args ...any) error {
	return errs.New(errs.Invalid, format, args...).WithCode("HTTPBadRequest")
}

func badInput(name string, err error) error {
	var typed *errs.Error
	if errors.As(err, &typed) {
		return err
	}
	return bad("Invalid input for %s. Reason: %s.", name, strings.TrimSuffix(err.Error(), "."))
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
	if plain == Unset {
		return false
	}
	if n, ok := v.(json.Number); ok {
		return fmt.Sprint(plain) == n.String()
	}
	return reflect.DeepEqual(plain, v)
}

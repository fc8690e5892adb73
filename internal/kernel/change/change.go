// Package change has the two shapes of what a request asks to change.
//
// A family with few attributes has a struct of Optional fields, which its use
// case reads one by one. A family whose policy asks about each attribute that a
// request names, as Neutron's do, takes a Patch, which carries the names.
package change

import (
	"context"
	"encoding/json"
	"slices"
)

// Optional tells apart what JSON tells apart: a key that is absent, one that is
// null, and one with a value. The zero value is absent.
type Optional[T any] struct {
	Set   bool // the key is there
	Null  bool // and null
	Value T
}

// Of is a value that is there.
func Of[T any](v T) Optional[T] { return Optional[T]{Set: true, Value: v} }

// UnmarshalJSON is called for keys that are there.
func (o *Optional[T]) UnmarshalJSON(b []byte) error {
	*o = Optional[T]{Set: true, Null: string(b) == "null"}
	if o.Null {
		return nil
	}
	return json.Unmarshal(b, &o.Value)
}

// Into stores what was said: null as the zero value; absent changes nothing.
func (o Optional[T]) Into(at *T) {
	if o.Set {
		*at = o.Value
	}
}

// IntoPointer stores what was said where null is nil.
func (o Optional[T]) IntoPointer(at **T) {
	switch {
	case o.Null:
		*at = nil
	case o.Set:
		*at = &o.Value
	}
}

// Or is the value, or another where none was said.
func (o Optional[T]) Or(other T) T {
	if o.Set && !o.Null {
		return o.Value
	}
	return other
}

// Patch is a request's change of a T: of a new one with its defaults, or of one
// that was read.
type Patch[T any] struct {
	// Named are the attributes that the request names and that say something
	// special, as policies know them: "name", "fixed_ips:subnet_id".
	Named []string
	// Apply makes the change. It may be called several times, as transactions
	// are; nil changes nothing.
	Apply func(v *T) error
}

// New is a patch for callers within the cloud: whatever f makes of v.
func New[T any](f func(v *T)) Patch[T] {
	return Patch[T]{Apply: func(v *T) error { f(v); return nil }}
}

// Has tells whether the request names an attribute.
func (p Patch[T]) Has(name string) bool { return slices.Contains(p.Named, name) }

// To applies the patch.
func (p Patch[T]) To(v *T) error {
	if p.Apply == nil {
		return nil
	}
	return p.Apply(v)
}

type expectedKey struct{}

// Expect returns a context for a change of a resource that must still have the
// generation, as If-Match demands.
func Expect(ctx context.Context, generation int64) context.Context {
	return context.WithValue(ctx, expectedKey{}, generation)
}

// Expected is the generation that a request demands, if it does.
func Expected(ctx context.Context) (generation int64, demanded bool) {
	generation, demanded = ctx.Value(expectedKey{}).(int64)
	return generation, demanded
}

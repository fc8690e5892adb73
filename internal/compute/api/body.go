package api

import (
	"encoding/json"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/schema"
)

// perVersion is a schema that depends on the microversion.
func perVersion(build func(minor int) schema.Object) *rest.Schema {
	return rest.PerVersion(build, formats)
}

// fixed is a schema that all versions share.
func fixed(o schema.Object) *rest.Schema { return perVersion(func(int) schema.Object { return o }) }

// body checks a request's body and decodes it into out, which may be nil.
func body(r *httpx.Request, s *rest.Schema, out any) error {
	b, err := s.Check(r)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(b, out); err != nil {
		return errs.Wrap(errs.Invalid, err, "Malformed request body: %s.", err)
	}
	return nil
}

type (
	flexInt  = rest.Int
	scalar   = rest.Text
	flexBool = rest.Bool
)

// optional tells a key that is absent from one that is null.
type optional[T any] struct {
	Set   bool
	Value *T
}

func (o *optional[T]) UnmarshalJSON(b []byte) error {
	o.Set, o.Value = true, nil
	if string(b) == "null" {
		return nil
	}
	o.Value = new(T)
	return json.Unmarshal(b, o.Value)
}

// pointer is nil for an absent key, else points to the value, which may be nil.
func (o optional[T]) pointer() **T {
	if !o.Set {
		return nil
	}
	return &o.Value
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

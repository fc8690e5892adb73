package api

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

// versioned is a schema that depends on the microversion: made on first use by
// build, once for each minor version that is asked for.
type versioned struct {
	build func(minor int) schema.Object
	mu    sync.Mutex
	made  map[int]*schema.Schema
}

func perVersion(build func(minor int) schema.Object) *versioned {
	return &versioned{build: build, made: map[int]*schema.Schema{}}
}

// fixed is a schema that all versions share.
func fixed(o schema.Object) *versioned {
	return &versioned{build: func(int) schema.Object { return o }, made: map[int]*schema.Schema{}}
}

func (v *versioned) at(minor int) *schema.Schema {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.made[minor]
	if s == nil {
		s = formats(schema.Of(v.build(minor)))
		v.made[minor] = s
	}
	return s
}

// body checks a request's body and decodes it into out, which may be nil.
func body(r *httpx.Request, s *versioned, out any) error {
	b, err := r.Body()
	if err != nil {
		return err
	}
	if len(strings.TrimSpace(string(b))) == 0 {
		return errs.New(errs.Invalid, "Malformed request body: it is empty, a JSON object is expected.")
	}
	if _, err := r.Object(); err != nil {
		return err
	}
	if err := s.at(r.Version.Minor).ValidateJSON(b); err != nil {
		return err
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return errs.Wrap(errs.Invalid, err, "Malformed request body: %s.", err)
	}
	return nil
}

// flexInt is an integer that may come as a string of digits.
type flexInt int

func (f *flexInt) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return errs.New(errs.Invalid, "%s is not an integer", text)
	}
	*f = flexInt(n)
	return nil
}

// scalar is a value that may come as a string or a number and is kept as text.
type scalar string

func (s *scalar) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = scalar(text)
		return nil
	}
	*s = scalar(b)
	return nil
}

// flexBool is a boolean that may come as one of Nova's words for it.
type flexBool bool

func (f *flexBool) UnmarshalJSON(b []byte) error {
	v, ok := httpx.ParseBool(strings.Trim(string(b), `"`))
	if !ok {
		return errs.New(errs.Invalid, "%s is not a boolean", b)
	}
	*f = flexBool(v)
	return nil
}

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

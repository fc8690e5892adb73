package rest

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/schema"
)

// Schema is what a body must look like, in each microversion.
type Schema struct {
	build   func(minor int) schema.Object
	formats func(*schema.Schema) *schema.Schema
	shapes  bool
	words   func(violation error) error
	mu      sync.Mutex
	made    map[int]*schema.Schema
}

// PerVersion makes a schema that depends on the minor version: build is called
// once for each that is asked for. formats adds the formats that it names; it may be nil.
func PerVersion(build func(minor int) schema.Object, formats func(*schema.Schema) *schema.Schema) *Schema {
	return &Schema{build: build, formats: formats, made: map[int]*schema.Schema{}}
}

// AnyShape lets the schema say what a body is at all; without, it must be an object.
func (s *Schema) AnyShape() *Schema {
	s.shapes = true
	return s
}

// Worded gives violations an API's own words.
func (s *Schema) Worded(words func(violation error) error) *Schema {
	s.words = words
	return s
}

// At is the schema of a minor version.
func (s *Schema) At(minor int) *schema.Schema {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.made[minor]
	if at == nil {
		if at = schema.Of(s.build(minor)); s.formats != nil {
			at = s.formats(at)
		}
		s.made[minor] = at
	}
	return at
}

// Check checks a request's body and returns it.
func (s *Schema) Check(r *httpx.Request) ([]byte, error) {
	b, err := r.Body()
	if err != nil {
		return nil, err
	}
	if s.shapes {
		var v any
		err = httpx.DecodeJSON(b, &v)
	} else {
		_, err = r.Object()
	}
	if err != nil {
		return nil, err
	}
	if err = s.At(r.Version.Minor).ValidateJSON(b); err != nil && s.words != nil {
		err = s.words(err)
	}
	return b, err
}

// Body checks a request's body and decodes it into a T.
func Body[T any](r *httpx.Request, s *Schema) (T, error) {
	var v T
	b, err := s.Check(r)
	if err != nil {
		return v, err
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, errs.Wrap(errs.Invalid, err, "Malformed request body: %s.", err)
	}
	return v, nil
}

// Int is a whole number that may come as a string of digits.
type Int int

// UnmarshalJSON reads both forms; null is 0.
func (n *Int) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	i, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		return errs.New(errs.Invalid, "%s is not an integer", text)
	}
	*n = Int(i)
	return nil
}

// Bool is true or false, or one of OpenStack's words for it.
type Bool bool

// UnmarshalJSON reads all forms.
func (v *Bool) UnmarshalJSON(b []byte) error {
	known, ok := httpx.ParseBool(strings.Trim(string(b), `"`))
	if !ok {
		return errs.New(errs.Invalid, "%s is not a boolean", b)
	}
	*v = Bool(known)
	return nil
}

// Text is a string that may come as a number, and is kept as it was written.
type Text string

// UnmarshalJSON reads both forms.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		*t = Text(s)
		return nil
	}
	*t = Text(b)
	return nil
}

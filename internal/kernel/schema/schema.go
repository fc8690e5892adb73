// Package schema checks request bodies against JSON Schema (draft 2020-12) and
// turns the first violation into an Invalid error that names the field, its
// value and what is wrong with it.
//
//	var createServer = schema.Of(schema.Object{
//		"type": "object", "required": schema.List{"name"}, "additionalProperties": false,
//		"properties": schema.Object{"name": schema.Object{"type": "string", "minLength": 1}},
//	})
//
// A schema is compiled at its first use, so that declaring many costs nothing.
package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"kumoi/internal/kernel/errs"
)

// Object and List make schemas in Go literals shorter.
type (
	Object = map[string]any
	List   = []any
)

// Schema is one compiled schema. Make it with Of.
type Schema struct {
	source  any
	formats []*jsonschema.Format
	once    sync.Once
	built   *jsonschema.Schema
	err     error
}

// Of makes a schema from a Go literal of maps, slices and scalars, or from its
// JSON text as a string.
func Of(source any) *Schema { return &Schema{source: source} }

// WithFormat adds a check for strings that a schema marks with "format": name.
// It must be called before the first use.
func (s *Schema) WithFormat(name string, check func(text string) error) *Schema {
	s.formats = append(s.formats, &jsonschema.Format{Name: name, Validate: func(v any) error {
		if text, ok := v.(string); ok {
			return check(text)
		}
		return nil
	}})
	return s
}

// Compile reports whether the schema itself is well formed; tests call it.
func (s *Schema) Compile() error {
	s.once.Do(s.compile)
	return s.err
}

func (s *Schema) compile() {
	text, isText := s.source.(string)
	if !isText {
		b, err := json.Marshal(s.source)
		if err != nil {
			s.err = err
			return
		}
		text = string(b)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		s.err = err
		return
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	c.UseLoader(noLoader{})
	for _, f := range s.formats {
		c.RegisterFormat(f)
	}
	if s.err = c.AddResource("kumoi:schema", doc); s.err == nil {
		s.built, s.err = c.Compile("kumoi:schema")
	}
}

// noLoader keeps references from reading files or the network.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("schema refers to %s, which is not part of it", url)
}

// Validate checks a decoded JSON value (maps, slices, strings, json.Number or
// float64, bool, nil). A schema that does not compile gives an Internal error.
func (s *Schema) Validate(v any) error {
	if err := s.Compile(); err != nil {
		return fmt.Errorf("compile schema: %w", err)
	}
	err := s.built.Validate(v)
	if err == nil {
		return nil
	}
	violation, ok := err.(*jsonschema.ValidationError) //nolint:errorlint // the library's documented type, never wrapped
	if !ok {
		return errs.Wrap(errs.Invalid, err, "The request body does not match its schema: %s", err)
	}
	leaf := deepest(violation)
	return errs.New(errs.Invalid, "%s", explain(leaf, v))
}

// ValidateJSON is Validate for text.
func (s *Schema) ValidateJSON(text []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return errs.Wrap(errs.Invalid, err, "Malformed request body: it is not valid JSON (%s).", err)
	}
	return s.Validate(v)
}

// deepest follows the first cause down to what is really wrong. Alternatives
// (anyOf, oneOf) stop the descent: no single branch is to blame, unless all
// agree on the place.
func deepest(e *jsonschema.ValidationError) *jsonschema.ValidationError {
	for len(e.Causes) > 0 {
		switch e.ErrorKind.(type) {
		case *kind.AnyOf, *kind.OneOf:
			best := e.Causes[0]
			for _, c := range e.Causes[1:] {
				if d := deepest(c); len(d.InstanceLocation) > len(deepest(best).InstanceLocation) {
					best = c
				}
			}
			if len(deepest(best).InstanceLocation) <= len(e.InstanceLocation) {
				return e
			}
			e = best
		default:
			e = e.Causes[0]
		}
	}
	return e
}

// explain says what is wrong first and shows the value last, cut to a size that
// can be read; what may be a secret is not shown.
func explain(e *jsonschema.ValidationError, root any) string {
	var value any = hidden
	if !secret(e.InstanceLocation) {
		parent := ""
		if n := len(e.InstanceLocation); n > 0 {
			parent = e.InstanceLocation[n-1]
		}
		value = redacted(parent, at(root, e.InstanceLocation))
	}
	why := reason(e.ErrorKind, value)
	if len(e.InstanceLocation) == 0 {
		return why
	}
	return fmt.Sprintf("Invalid input for field/attribute %s. %s. Value: %s", shorten(strings.Join(e.InstanceLocation, "/")), why, show(value))
}

func reason(k jsonschema.ErrorKind, value any) string {
	v := subject(value)
	switch k := k.(type) {
	case *kind.Type:
		return fmt.Sprintf("%s is not of type %s", v, quoteAll(k.Want))
	case *kind.Enum:
		want := make([]string, len(k.Want))
		for i, w := range k.Want {
			want[i] = show(w)
		}
		return fmt.Sprintf("%s is not one of [%s]", v, strings.Join(want, ", "))
	case *kind.Const:
		return fmt.Sprintf("%s was expected", show(k.Want))
	case *kind.Format:
		return fmt.Sprintf("%s is not a '%s'", v, k.Want)
	case *kind.Required:
		return fmt.Sprintf("%s is a required property", quoteAll(k.Missing))
	case *kind.AdditionalProperties:
		return fmt.Sprintf("Additional properties are not allowed (%s was unexpected)", quoteAll(k.Properties))
	case *kind.MinLength:
		return fmt.Sprintf("%s is too short", v)
	case *kind.MaxLength:
		return fmt.Sprintf("%s is too long", v)
	case *kind.Pattern:
		return fmt.Sprintf("%s does not match '%s'", v, k.Want)
	case *kind.MinItems, *kind.MinProperties:
		return fmt.Sprintf("%s is too short: it has too few entries", v)
	case *kind.MaxItems, *kind.MaxProperties:
		return fmt.Sprintf("%s is too long: it has too many entries", v)
	case *kind.UniqueItems:
		return fmt.Sprintf("%s has non-unique elements", v)
	case *kind.AnyOf, *kind.OneOf:
		return fmt.Sprintf("%s is not valid under any of the given schemas", v)
	case *kind.Minimum:
		return fmt.Sprintf("%s is less than the minimum of %s", v, k.Want.RatString())
	case *kind.Maximum:
		return fmt.Sprintf("%s is greater than the maximum of %s", v, k.Want.RatString())
	case *kind.PropertyNames:
		return fmt.Sprintf("'%s' is not an allowed name", shorten(k.Property))
	}
	return fmt.Sprintf("%s is not allowed here (%s)", v, strings.Join(k.KeywordPath(), "/"))
}

// quoteAll lists names, some of which may be the client's.
func quoteAll(words []string) string {
	const most = 10
	var out []string
	for i, w := range words {
		if i == most {
			out = append(out, "…")
			break
		}
		out = append(out, "'"+shorten(w)+"'")
	}
	return strings.Join(out, ", ")
}

// subject is the value as the subject of a sentence: itself if it is short.
func subject(v any) string {
	switch v.(type) {
	case map[string]any:
		return "the object"
	case []any:
		return "the list"
	}
	if text := show(v); len(text) <= 64 {
		return text
	}
	return "the value"
}

const longestShown = 120

func show(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%.*v", longestShown, v)
	}
	return shorten(string(b))
}

func shorten(text string) string {
	n := 0
	for i := range text {
		if n++; n > longestShown {
			return text[:i] + "…"
		}
	}
	return text
}

// at finds the value that a path of keys and indices leads to.
func at(v any, path []string) any {
	for _, p := range path {
		switch x := v.(type) {
		case map[string]any:
			v = x[p]
		case []any:
			var i int
			if _, err := fmt.Sscan(p, &i); err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

package schema

import (
	"errors"
	"strings"
	"testing"

	"kumoi/internal/kernel/errs"
)

var person = Of(Object{
	"type": "object", "required": List{"user"}, "additionalProperties": false,
	"properties": Object{"user": Object{
		"type": "object", "required": List{"name"}, "additionalProperties": false,
		"properties": Object{
			"name":     Object{"type": "string", "minLength": 1, "maxLength": 5},
			"age":      Object{"type": List{"integer", "null"}, "minimum": 0, "maximum": 150},
			"kind":     Object{"enum": List{"a", "b"}},
			"password": Object{"type": "string"},
			"odd":      Object{"type": "string", "format": "odd"},
			"tags":     Object{"type": "array", "maxItems": 2, "uniqueItems": true, "items": Object{"type": "string"}},
			"either":   Object{"anyOf": List{Object{"type": "string"}, Object{"type": "object", "properties": Object{"x": Object{"type": "integer"}}}}},
		},
	}},
}).WithFormat("odd", func(s string) error {
	if len(s)%2 == 0 {
		return errors.New("even")
	}
	return nil
})

func TestValidateNamesFieldAndValue(t *testing.T) {
	tests := []struct{ body, want string }{
		{`{"user":{"name":"ann","age":null,"odd":"abc","tags":["x"],"either":"s"}}`, ""},
		{`{}`, "'user' is a required property"},
		{`{"user":{}}`, "Invalid input for field/attribute user. 'name' is a required property. Value: {}"},
		{`{"user":{"name":5}}`, "Invalid input for field/attribute user/name. 5 is not of type 'string'. Value: 5"},
		{`{"user":{"name":"toolong"}}`, `"toolong" is too long`},
		{`{"user":{"name":""}}`, `"" is too short`},
		{`{"user":{"name":"a","age":-1}}`, "-1 is less than the minimum of 0"},
		{`{"user":{"name":"a","age":151}}`, "151 is greater than the maximum of 150"},
		{`{"user":{"name":"a","kind":"c"}}`, `"c" is not one of ["a", "b"]`},
		{`{"user":{"name":"a","odd":"ab"}}`, "is not a 'odd'"},
		{`{"user":{"name":"a","tags":["x","x"]}}`, "has non-unique elements"},
		{`{"user":{"name":"a","tags":["x",1]}}`, "user/tags/1. 1 is not of type 'string'. Value: 1"},
		{`{"user":{"name":"a","either":7}}`, "not valid under any of the given schemas"},
		{`{"user":{"name":"a","either":{"x":"y"}}}`, "user/either/x"},
		{`{"user":{"name":"a","nope":1}}`, "('nope' was unexpected)"},
		{`{"user":`, "not valid JSON"},
	}
	for _, tc := range tests {
		err := person.ValidateJSON([]byte(tc.body))
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.body, err)
		case tc.want != "" && (!errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: got %v, want %q", tc.body, err, tc.want)
		}
	}
}

func TestSecretsAreNotRepeated(t *testing.T) {
	err := person.ValidateJSON([]byte(`{"user":{"name":"a","password":["hunter2"]}}`))
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestBadSchemaIsReported(t *testing.T) {
	for _, s := range []*Schema{Of(`{"type": 5}`), Of(`{`), Of(`{"$ref": "file:///etc/passwd"}`), Of(`{"$ref": "http://192.0.2.1/"}`)} {
		if s.Compile() == nil {
			t.Errorf("%v compiled", s.source)
		}
	}
}

func FuzzValidate(f *testing.F) {
	f.Add([]byte(`{"user":{"name":"a","tags":["x"]}}`))
	f.Fuzz(func(_ *testing.T, b []byte) { _ = person.ValidateJSON(b) })
}

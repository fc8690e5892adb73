package store

import (
	"encoding/json"
	"reflect"
	"testing"
)

// Lists of strings are read as a decoder reads them, whatever their form.
func TestPlainTexts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`null`, `[]`, `["a"]`, `["a","b"]`, `["a", "b"]`, `["a,b","","c]"]`, `["\"","\u00e9"]`, `["é"]`, ` ["a"]`, `[ ]`,
		``, `[`, `["a"`, `["a",`, `["a",]`, `["a"]x`, `[a]`, `["a" "b"]`, `[1]`, `{}`,
	} {
		var want, got []string
		wantErr, gotErr := json.Unmarshal([]byte(text), &want), jsonField{&got}.read(text)
		if (wantErr == nil) != (gotErr == nil) || wantErr == nil && !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, %v, want %q, %v", text, got, gotErr, want, wantErr)
		}
	}
}

type digits []int

func (d *digits) ReadPlain(text string) bool {
	if text == "[1]" {
		*d = digits{-1}
		return true
	}
	return false
}

// A value's own reading is asked first; what it does not know is decoded.
func TestReadPlain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]digits{"[1]": {-1}, "[1,2]": {1, 2}, "null": nil, "[]": {}} {
		var got digits
		if err := (jsonField{&got}).read(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	var m map[string]any
	if err := (jsonField{&m}).read(`{}`); err != nil || m == nil || len(m) > 0 {
		t.Errorf("{}: %v, %v", m, err)
	}
}

package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
)

// wanted makes a filter's text what an answer would show had it been the attribute's
// value in a request: lower case where the attribute is, the short form of an
// address, an element of a list. Text that cannot be a value matches nothing, as it
// is; only what is no boolean and no number is refused.
func wanted[E any](convert func(any) (E, error)) func(string) (string, error) {
	return func(text string) (string, error) {
		if text == "" || text == "None" || text == "null" {
			return text, nil
		}
		e, err := convert(text)
		if err != nil {
			if _, numberErr := strconv.ParseInt(text, 10, 64); numberErr == nil {
				e, err = convert(json.Number(text))
			}
		}
		if err != nil {
			e, err = convert([]any{text})
		}
		if err == nil {
			return asShown(reflect.ValueOf(&e).Elem(), text), nil
		}
		switch any(e).(type) {
		case bool, int, *int, *int64:
			return "", err
		}
		return text, nil
	}
}

// asShown is a converted value as filters compare it.
func asShown(v reflect.Value, text string) string {
	switch x := v.Interface().(type) {
	case netip.Addr:
		return x.String()
	case netip.Prefix:
		return x.String()
	}
	switch {
	case v.Kind() == reflect.Pointer && !v.IsNil():
		return asShown(v.Elem(), text)
	case v.Kind() == reflect.Slice && v.Len() == 1:
		return asShown(v.Index(0), text)
	case v.Kind() == reflect.Pointer, v.Kind() == reflect.Slice, v.Kind() == reflect.Struct, v.Kind() == reflect.Map:
		return text
	}
	return fmt.Sprint(v.Interface())
}

// filters are the texts of a filter as the attribute would show them.
func (a *attr[R, V]) filters(texts []string) ([]string, error) {
	if a.wanted == nil {
		return texts, nil
	}
	out := make([]string, len(texts))
	for i, text := range texts {
		var err error
		if out[i], err = a.wanted(text); err != nil {
			return nil, badRequest("Invalid input for %s. Reason: %s.", a.name, err)
		}
	}
	return out, nil
}

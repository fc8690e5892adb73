package api

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"

	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// matching lets lists be filtered and sorted by a field of text. "None" and
// "null" are what answers show where there is none.
func matching[R, V any](a rest.Attribute[R, V], field string, read func(text string) (string, error)) rest.Attribute[R, V] {
	return a.By(field).Filtered(func(values []string) ([]store.Cond, error) {
		want, err := readAll(values, read)
		return []store.Cond{store.In(field, want)}, err
	})
}

// orNone is an attribute of text that is null where there is none.
func orNone[V any](name string, in rest.Verb, plain any, convert func(any) (string, error), at func(*V) *string, field string) rest.Attribute[V, V] {
	return matching(rest.Asked(name, in, plain, convert, at, func(w *rest.Writer, key string, v *V) { w.TextOrNull(key, *at(v)) }), field, nil)
}

// containing finds rows whose list has one of the values.
func containing(field string, read func(text string) (string, error)) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		want, err := readAll(values, read)
		return []store.Cond{{Field: field, Op: store.HasAny, Value: want}}, err
	}
}

func readAll(values []string, read func(text string) (string, error)) ([]string, error) {
	var out []string
	for _, text := range values {
		if text == "None" || text == "null" {
			out = append(out, "")
		}
		if read != nil {
			var err error
			if text, err = read(text); err != nil {
				return nil, err
			}
		}
		out = append(out, text)
	}
	return out, nil
}

// none is a condition that no row fulfils.
var none = store.In("id", []string{})

// always finds all rows or none: an attribute is the same for all.
func always(shown string) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		for _, v := range values {
			if strings.EqualFold(v, shown) {
				return nil, nil
			}
		}
		return []store.Cond{none}, nil
	}
}

// inZones finds what is in one of the zones: without hints for others, in the common one.
func inZones(values []string) ([]store.Cond, error) {
	hinted := store.Cond{Field: "availability_zone_hints", Op: store.HasAny, Value: values}
	for _, v := range values {
		if v == network.DefaultAZ {
			return []store.Cond{store.Or(hinted, store.Eq("hints", 0))}, nil
		}
	}
	return []store.Cond{hinted}, nil
}

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

package api

import (
	"fmt"
	"strings"

	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// matching lets lists be filtered and sorted by a field of text. "None" and
// "null" are what answers show where there is none.
func matching[R, V any](a rest.Attribute[R, V], field string, read func(text string) string) rest.Attribute[R, V] {
	return a.By(field).Filtered(func(values []string) ([]store.Cond, error) {
		return []store.Cond{store.In(field, readAll(values, read))}, nil
	})
}

// orNone is an attribute of text that is null where there is none.
func orNone[V any](name string, in rest.Verb, plain any, convert func(any) (string, error), at func(*V) *string, field string) rest.Attribute[V, V] {
	return matching(rest.Asked(name, in, plain, convert, at, func(w *rest.Writer, key string, v *V) { w.TextOrNull(key, *at(v)) }), field, nil)
}

// containing finds rows whose list has one of the values.
func containing(field string, read func(text string) string) func(values []string) ([]store.Cond, error) {
	return func(values []string) ([]store.Cond, error) {
		return []store.Cond{{Field: field, Op: store.HasAny, Value: readAll(values, read)}}, nil
	}
}

func readAll(values []string, read func(text string) string) []string {
	var out []string
	for _, text := range values {
		if text == "None" || text == "null" {
			out = append(out, "")
		}
		if read != nil {
			text = read(text)
		}
		out = append(out, text)
	}
	return out
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
// address. Text that cannot be a value matches nothing, as it is.
func wanted[E any](convert func(any) (E, error)) func(string) string {
	return func(text string) string {
		if text == "" || text == "None" || text == "null" {
			return text
		}
		if e, err := convert(text); err == nil {
			return fmt.Sprint(e)
		}
		return text
	}
}

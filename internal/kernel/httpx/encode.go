package httpx

import (
	"encoding/json"
	"slices"
	"strconv"
	"unicode/utf8"
)

// RawJSON is JSON text that is part of an answer as it stands.
type RawJSON []byte

// MarshalJSON returns the text.
func (r RawJSON) MarshalJSON() ([]byte, error) { return r, nil }

// EncodeJSON is how answers are encoded.
func EncodeJSON(v any) ([]byte, error) { return appendJSON(make([]byte, 0, 1024), v) }

// AppendJSON appends v as EncodeJSON writes it.
func AppendJSON(b []byte, v any) ([]byte, error) { return appendJSON(b, v) }

// AppendText appends a string with its quotes.
func AppendText(b []byte, s string) []byte { return appendText(b, s) }

// appendJSON writes v as encoding/json would, keys in order. Most answers are
// views of maps, slices and scalars; for those reflection would cost more than
// everything else about a long list. Other types are left to encoding/json.
func appendJSON(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...), nil
	case string:
		return appendText(b, v), nil
	case RawJSON:
		return append(b, v...), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case map[string]any:
		return appendMap(b, v, appendJSON)
	case map[string]string:
		return appendMap(b, v, appendString)
	case []any:
		return appendList(b, v, appendJSON)
	case []map[string]any:
		return appendList(b, v, appendObject)
	case []map[string]string:
		return appendList(b, v, func(b []byte, m map[string]string) ([]byte, error) { return appendMap(b, m, appendString) })
	case []string:
		return appendList(b, v, appendString)
	}
	text, err := json.Marshal(v)
	return append(b, text...), err
}

func appendObject(b []byte, m map[string]any) ([]byte, error) { return appendMap(b, m, appendJSON) }

func appendString(b []byte, s string) ([]byte, error) { return appendText(b, s), nil }

func appendMap[V any](b []byte, m map[string]V, value func([]byte, V) ([]byte, error)) ([]byte, error) {
	if m == nil {
		return append(b, "null"...), nil
	}
	var room [64]string
	keys := room[:0]
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	var err error
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendText(b, k), ':')
		if b, err = value(b, m[k]); err != nil {
			return b, err
		}
	}
	return append(b, '}'), nil
}

func appendList[V any](b []byte, list []V, value func([]byte, V) ([]byte, error)) ([]byte, error) {
	if list == nil {
		return append(b, "null"...), nil
	}
	b = append(b, '[')
	var err error
	for i, v := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = value(b, v); err != nil {
			return b, err
		}
	}
	return append(b, ']'), nil
}

// appendText writes a string; what must be escaped is encoding/json's to know.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			text, err := json.Marshal(s)
			if err != nil { // strings always marshal
				panic(err)
			}
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// plain tells which bytes of a string stand in JSON as they are.
var plain = func() (out [256]bool) {
	for c := byte(0x20); c < utf8.RuneSelf; c++ {
		out[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&'
	}
	return out
}()

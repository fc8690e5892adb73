package api

import (
	"encoding/json"
	"errors"
	"strings"
)

var errNoDictionary = errors.New("it is no dictionary of texts")

// dictionary reads what clients write of a dictionary: JSON, or with the quotes
// that Python prints.
func dictionary(text string) (map[string]string, error) {
	var m map[string]string
	if json.Unmarshal([]byte(text), &m) == nil {
		return m, nil
	}
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "{") || !strings.HasSuffix(text, "}") {
		return nil, errNoDictionary
	}
	out := map[string]string{}
	rest := strings.TrimSpace(text[1 : len(text)-1])
	for rest != "" {
		key, after, ok := quoted(rest)
		if !ok || !strings.HasPrefix(after, ":") {
			return nil, errNoDictionary
		}
		value, after, ok := quoted(strings.TrimSpace(after[1:]))
		if !ok {
			return nil, errNoDictionary
		}
		out[key] = value
		rest = strings.TrimSpace(strings.TrimPrefix(after, ","))
	}
	return out, nil
}

// quoted reads a text in single or double quotes, perhaps with Python's u in
// front, and returns what follows it.
func quoted(s string) (text, after string, ok bool) {
	if strings.HasPrefix(s, "u'") || strings.HasPrefix(s, `u"`) {
		s = s[1:]
	}
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return "", "", false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			b.WriteByte(s[i])
		case s[i] == s[0]:
			return b.String(), strings.TrimSpace(s[i+1:]), true
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// settingKeys are the keys of something that a person describes in the settings
// by key=value or a map, and that has a type with keys of its own.
type settingKeys struct {
	what   string // with its article
	common []string
	types  map[string][]string
	order  string // the types, for people
}

// text reads key=value,key=value.
func (k settingKeys) text(text string, field func(key string) any) error {
	values := map[string]any{}
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return fmt.Errorf("%q is not key=value", part)
		}
		values[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return k.set(values, field)
}

// json reads a map.
func (k settingKeys) json(data []byte, field func(key string) any) error {
	var values map[string]any
	if err := json.Unmarshal(data, &values); err != nil {
		return err
	}
	return k.set(values, field)
}

// set takes the keys over; one that the type does not have is an error.
func (k settingKeys) set(values map[string]any, field func(key string) any) error {
	kind, _ := values["type"].(string)
	keys, ok := k.types[kind]
	if !ok {
		return fmt.Errorf("%s's type must be %s, not %q", k.what, k.order, kind)
	}
	known := slices.Concat(k.common, keys)
	for key, v := range values {
		if !slices.Contains(known, key) {
			return fmt.Errorf("%s of type %s has no key %q; it has %s", k.what, kind, key, strings.Join(known, ", "))
		}
		text, err := fmt.Sprint(v), error(nil)
		switch to := field(key).(type) {
		case *string:
			*to = text
		case *int:
			*to, err = strconv.Atoi(text)
		case *float64:
			*to, err = strconv.ParseFloat(text, 64)
		case *bool:
			*to, err = strconv.ParseBool(text)
		}
		if err != nil {
			return fmt.Errorf("%s's %s: %w", k.what, key, err)
		}
	}
	return nil
}

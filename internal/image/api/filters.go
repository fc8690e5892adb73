package api

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/store"
)

var (
	sortKeys     = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}
	textFields   = []string{"name", "id", "status", "container_format", "disk_format"}
	plainFields  = []string{"owner", "checksum", "os_hash_algo", "os_hash_value"}
	numberFields = []string{"size", "virtual_size", "min_disk", "min_ram"}
	notFilters   = []string{"limit", "marker", "sort", "sort_key", "sort_dir", "tag"}
	// words are those that two parameters may have.
	words = map[string][]string{
		"member_status": {"pending", "accepted", "rejected", "all"},
		"visibility":    {"community", "public", "private", "shared", "all"},
	}
)

const longestFilter = 64 << 10

// filters reads what a list of images is narrowed by: attributes, compared in
// several ways, tags, and any property.
func filters(query url.Values) ([]store.Cond, error) {
	if query.Has("changes-since") {
		return nil, errs.New(errs.Invalid, `The "changes-since" filter is no longer available on v2.`)
	}
	var out []store.Cond
	for key, values := range query {
		if slices.Contains(notFilters, key) {
			continue
		}
		if len(values[0]) > longestFilter || strings.ContainsRune(key+values[0], 0) {
			return nil, errs.New(errs.Invalid, "Invalid value for the filter %.100q.", key)
		}
		conds, err := filter(key, values[0])
		if err != nil {
			return nil, err
		}
		out = append(out, conds...)
	}
	if tags := query["tag"]; len(tags) > 0 {
		out = append(out, store.Cond{Field: "tag", Op: store.HasAll, Value: trimmed(tags)})
	}
	if !query.Has("os_hidden") {
		out = append(out, store.Eq("os_hidden", false))
	}
	return out, nil
}

func trimmed(list []string) []string {
	out := make([]string, len(list))
	for i, text := range list {
		out[i] = strings.TrimSpace(text)
	}
	return out
}

// filter reads one parameter.
func filter(key, value string) ([]store.Cond, error) {
	if cond, ok, err := numberFilter(key, value); ok {
		return []store.Cond{cond}, err
	}
	switch {
	case words[key] != nil:
		return wordFilter(key, value)
	case key == "os_hidden", key == "protected":
		if value = strings.ToLower(value); value != "true" && value != "false" {
			return nil, errs.New(errs.Invalid, "Invalid value '%.100s' for '%s' filter. Valid values are 'true' or 'false'.", value, key)
		}
		return []store.Cond{store.Eq(key, value == "true")}, nil
	case key == "created_at", key == "updated_at":
		return timeFilter(key, value)
	case slices.Contains(textFields, key):
		return textFilter(key, value)
	case slices.Contains(plainFields, key):
		return []store.Cond{store.Eq(key, value)}, nil
	}
	return []store.Cond{store.Is("property", []any{key, value})}, nil
}

// numberFilter reads size=1, size_min=1 and size_max=1.
func numberFilter(key, value string) (c store.Cond, ok bool, err error) {
	c.Field = key
	if field, is := strings.CutSuffix(key, "_min"); is {
		c.Field, c.Op = field, store.GreaterEq
	} else if field, is := strings.CutSuffix(key, "_max"); is {
		c.Field, c.Op = field, store.LessEqual
	}
	if !slices.Contains(numberFields, c.Field) {
		return c, false, nil
	}
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return c, true, errs.New(errs.Invalid, "Unable to filter on a range with a non-numeric value: %s=%.100q.", key, value)
	}
	c.Value = n
	return c, true, nil
}

func wordFilter(key, value string) ([]store.Cond, error) {
	switch {
	case value == "":
		return nil, nil
	case slices.Contains(words[key], value):
		return []store.Cond{store.Eq(key, value)}, nil
	case key == "visibility":
		return nil, errs.New(errs.Invalid, "Invalid visibility value: %q; it is one of %s.", value, join(words[key]))
	}
	return nil, errs.New(errs.Invalid, "Invalid status: %q; a member's status is one of %s.", value, join(words[key]))
}

var operators = map[string]store.Op{
	"eq": store.Equal, "neq": store.NotEqual, "gt": store.Greater, "gte": store.GreaterEq, "lt": store.Less, "lte": store.LessEqual, "in": store.OneOf,
}

// operator splits "gt:value"; without an operator it is equality.
func operator(value string) (word string, op store.Op, rest string) {
	if word, rest, ok := strings.Cut(value, ":"); ok {
		if op, ok := operators[word]; ok {
			return word, op, rest
		}
	}
	return "eq", store.Equal, value
}

func unknownOperator(word string) error {
	return errs.New(errs.Invalid, "Unable to filter by unknown operator '%s'.", word)
}

func timeFilter(key, value string) ([]store.Cond, error) {
	word, op, rest := operator(value)
	t, err := isotime.Parse(rest)
	switch {
	case err != nil:
		return nil, errs.New(errs.Invalid, `Bad "%s" query filter format. Use ISO 8601 DateTime notation.`, key)
	case op == store.OneOf:
		return nil, unknownOperator(word)
	}
	return []store.Cond{{Field: key, Op: op, Value: t}}, nil
}

func textFilter(key, value string) ([]store.Cond, error) {
	word, op, rest := operator(value)
	switch op {
	case store.Equal:
		return []store.Cond{store.Eq(key, rest)}, nil
	case store.OneOf:
		list, err := quotedList(rest)
		return []store.Cond{store.In(key, list)}, err
	}
	return nil, unknownOperator(word)
}

// quotedList splits a list at its commas; items in double quotes may have
// commas themselves.
func quotedList(text string) ([]any, error) {
	bad := errs.New(errs.Invalid, "Invalid filter value %.100q. The quote is not closed, or something stands behind it.", text)
	var out []any
	for text != "" {
		if text[0] != '"' {
			item, rest, _ := strings.Cut(text, ",")
			if strings.Contains(item, `"`) {
				return nil, bad
			}
			out, text = append(out, item), rest
			continue
		}
		item, rest, ok := strings.Cut(text[1:], `"`)
		if !ok || rest != "" && rest[0] != ',' {
			return nil, bad
		}
		out, text = append(out, item), strings.TrimPrefix(rest, ",")
	}
	if len(out) > 1000 {
		return nil, errs.New(errs.Invalid, "A filter may list at most 1000 values.")
	}
	return out, nil
}

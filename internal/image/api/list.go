package api

import (
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/image"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/kernel/store"
)

var (
	sortKeys      = []string{"name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at"}
	textFields    = []string{"name", "id", "status", "container_format", "disk_format"}
	plainFields   = []string{"owner", "checksum", "os_hash_algo", "os_hash_value"}
	numberFields  = []string{"size", "virtual_size", "min_disk", "min_ram"}
	memberStatus  = []string{"pending", "accepted", "rejected", "all"}
	visibilities  = []string{"community", "public", "private", "shared", "all"}
	notFilters    = []string{"limit", "marker", "member_status", "tag", "sort", "sort_key", "sort_dir", "visibility"}
	sizeTolerance = 1 << 10 // the longest filter value
)

// listRequest reads the query of a list of images.
func (a *api) listRequest(r *httpx.Request) (image.ListRequest, error) {
	q := image.ListRequest{
		MarkerID: r.Query.Get("marker"), MemberStatus: r.Query.Get("member_status"),
		Visibility: image.Visibility(r.Query.Get("visibility")),
	}
	var err error
	if q.Limit, err = pageLimit(r, a.svc.Config().PageDefault); err != nil {
		return q, err
	}
	if q.MemberStatus != "" && !slices.Contains(memberStatus, q.MemberStatus) {
		return q, errs.New(errs.Invalid, "Invalid status: %q; a member's status is one of %s.", q.MemberStatus, join(memberStatus))
	}
	if q.Visibility != "" && !slices.Contains(visibilities, string(q.Visibility)) {
		return q, errs.New(errs.Invalid, "Invalid visibility value: %q; it is one of %s.", q.Visibility, join(visibilities))
	}
	for _, t := range r.Query["tag"] {
		q.Tags = append(q.Tags, strings.TrimSpace(t))
	}
	if q.Sort, err = sorting(r, sortKeys); err != nil {
		return q, err
	}
	q.Filters, err = filters(r)
	return q, err
}

// pageLimit reads ?limit=; without one it is the default, and 0 asks for nothing.
func pageLimit(r *httpx.Request, fallback int) (int, error) {
	text := r.Query.Get("limit")
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0, errs.New(errs.Invalid, "limit param must be an integer, not %.100q", text)
	}
	if n < 0 {
		return 0, errs.New(errs.Invalid, "limit param must be positive, not %d", n)
	}
	return n, nil
}

// sorting reads either form: sort=name:asc,size or pairs of sort_key and sort_dir.
func sorting(r *httpx.Request, known []string) ([]image.SortKey, error) {
	keys, dirs := r.Query["sort_key"], r.Query["sort_dir"]
	if r.Query.Has("sort") {
		if len(keys)+len(dirs) > 0 {
			return nil, errs.New(errs.Invalid, "Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(strings.TrimSpace(r.Query.Get("sort")), ",") {
			key, dir, _ := strings.Cut(part, ":")
			keys, dirs = append(keys, key), append(dirs, dir)
		}
	} else if len(dirs) > 1 && len(dirs) != len(keys) {
		return nil, errs.New(errs.Invalid, "Number of sort dirs does not match the number of sort keys")
	}
	if len(keys) == 0 && len(dirs) > 0 {
		keys = []string{"created_at"}
	}
	var out []image.SortKey
	for i, key := range keys {
		key = strings.TrimSpace(key)
		if !slices.Contains(known, key) {
			return nil, errs.New(errs.Invalid, "Invalid sort key: %.100s. It must be one of the following: %s.", key, join(known))
		}
		dir := "desc"
		if len(dirs) == 1 {
			dir = dirs[0]
		} else if i < len(dirs) {
			dir = dirs[i]
		}
		if dir = strings.TrimSpace(dir); dir != "" && dir != "asc" && dir != "desc" {
			return nil, errs.New(errs.Invalid, "Invalid sort direction: %.100s", dir)
		}
		if !slices.ContainsFunc(out, func(k image.SortKey) bool { return k.Field == key }) {
			out = append(out, image.SortKey{Field: key, Desc: dir != "asc"})
		}
	}
	return out, nil
}

// filters reads every other parameter as a condition on an attribute or property.
func filters(r *httpx.Request) ([]image.Filter, error) {
	if r.Query.Has("changes-since") {
		return nil, errs.New(errs.Invalid, `The "changes-since" filter is no longer available on v2.`)
	}
	hidden := false
	var out []image.Filter
	for key, values := range r.Query {
		if slices.Contains(notFilters, key) {
			continue
		}
		value := values[0]
		if len(value) > 64*sizeTolerance || strings.ContainsRune(key+value, 0) {
			return nil, errs.New(errs.Invalid, "Invalid value for the filter %.100q.", key)
		}
		f, err := filter(key, value)
		if err != nil {
			return nil, err
		}
		hidden = hidden || key == "os_hidden"
		out = append(out, f)
	}
	if !hidden {
		out = append(out, image.Filter{Field: "os_hidden", Op: "eq", Values: []any{false}})
	}
	return out, nil
}

func filter(key, value string) (image.Filter, error) {
	f := image.Filter{Field: key, Op: "eq", Values: []any{value}}
	field, bound := key, ""
	if i := strings.LastIndex(key, "_m"); i > 0 && (key[i:] == "_min" || key[i:] == "_max") {
		field, bound = key[:i], key[i+1:]
	}
	switch {
	case slices.Contains(numberFields, field):
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return f, errs.New(errs.Invalid, "Unable to filter on a range with a non-numeric value: %s=%.100q.", key, value)
		}
		f.Field, f.Values = field, []any{n}
		f.Op = map[string]string{"": "eq", "min": "gte", "max": "lte"}[bound]
	case key == "os_hidden", key == "protected":
		if value = strings.ToLower(value); value != "true" && value != "false" {
			return f, errs.New(errs.Invalid, "Invalid value '%.100s' for '%s' filter. Valid values are 'true' or 'false'.", value, key)
		}
		f.Values = []any{value == "true"}
	case key == "created_at", key == "updated_at":
		op, rest := operator(value)
		t, err := isotime.Parse(rest)
		if err != nil {
			return f, errs.New(errs.Invalid, `Bad "%s" query filter format. Use ISO 8601 DateTime notation.`, key)
		}
		f.Op, f.Values = op, []any{store.Micros(t)}
		return f, checkOperator(op, "eq", "neq", "gt", "gte", "lt", "lte")
	case slices.Contains(textFields, key):
		op, rest := operator(value)
		f.Op, f.Values = op, []any{rest}
		if op == "in" {
			list, err := quotedList(rest)
			if err != nil {
				return f, err
			}
			f.Values = list
		}
		return f, checkOperator(op, "eq", "in")
	case slices.Contains(plainFields, key):
	default:
		f.Property = true
	}
	return f, nil
}

// operator splits "gt:value"; without an operator it is equality.
func operator(value string) (op, rest string) {
	if op, rest, ok := strings.Cut(value, ":"); ok {
		if slices.Contains([]string{"eq", "neq", "gt", "gte", "lt", "lte", "in"}, op) {
			return op, rest
		}
	}
	return "eq", value
}

func checkOperator(op string, known ...string) error {
	if !slices.Contains(known, op) {
		return errs.New(errs.Invalid, "Unable to filter by unknown operator '%s'.", op)
	}
	return nil
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

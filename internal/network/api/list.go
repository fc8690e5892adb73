package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/isotime"
	"kumoi/internal/network"
)

// listing is what a list's query string asks for.
type listing struct {
	filter   network.Filter
	rest     map[string][]string // attribute → any of these values
	tags     map[string][]string // tags, tags-any, not-tags, not-tags-any
	since    time.Time
	fields   []string
	sort     []sortKey
	limit    int
	marker   string
	reverse  bool
	fixed    map[string][]string // fixed_ips=KEY=VALUE
	paginate bool
}

type sortKey struct {
	name string
	desc bool
}

// maxPage bounds a page; more is not an error, as in Neutron.
const maxPage = 10000

func (r *resource[R, V]) parse(q url.Values) (*listing, error) {
	l := &listing{rest: map[string][]string{}, tags: map[string][]string{}, fixed: map[string][]string{}, filter: network.Filter{Columns: map[string][]string{}}}
	var unknown []string
	for name, values := range q {
		switch name {
		case "fields":
			l.fields = slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s == "" })
		case "sort_key", "sort_dir", "verbose":
		case "limit":
			if values[0] == "infinite" || values[0] == "" {
				continue
			}
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 0 {
				return nil, badRequest("Invalid input for operation: Limit must be an integer 0 or greater and not '%s'.", values[0])
			}
			l.limit, l.paginate = min(n, maxPage), n > 0
		case "marker":
			l.marker = values[0]
		case "page_reverse":
			l.reverse, _ = httpx.ParseBool(values[0])
		case "tags", "tags-any", "not-tags", "not-tags-any":
			if r.tags == nil {
				unknown = append(unknown, name)
				continue
			}
			for _, v := range values {
				l.tags[name] = append(l.tags[name], strings.Split(v, ",")...)
			}
		case "changed_since":
			t, err := isotime.Parse(values[0])
			if err != nil {
				return nil, badRequest("Invalid input for operation: The input changed_since must be in the following format: YYYY-MM-DDTHH:MM:SS[.ss][Z].")
			}
			l.since = t
		case "fixed_ips":
			if _, ok := r.byName[name]; !ok {
				unknown = append(unknown, name)
				continue
			}
			for _, v := range values {
				k, x, ok := strings.Cut(v, "=")
				if !ok || k != "ip_address" && k != "subnet_id" && k != "ip_address_substr" {
					return nil, badRequest("Invalid input for fixed_ips. Reason: '%s' is not ip_address=, ip_address_substr= or subnet_id=.", v)
				}
				if k == "ip_address" {
					x, _ = wanted(toAddr)(x)
				}
				l.fixed[k] = append(l.fixed[k], x)
			}
		default:
			a, ok := r.byName[name]
			if !ok || a.get == nil || a.noFilter {
				unknown = append(unknown, name)
				continue
			}
			values, err := a.filters(values)
			if err != nil {
				return nil, err
			}
			switch a.column {
			case "":
				l.rest[name] = values
			case "id":
				l.filter.IDs = append(l.filter.IDs, values...)
			default:
				l.filter.Columns[a.column] = append(l.filter.Columns[a.column], values...)
			}
		}
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		return nil, badRequest("%s is invalid attribute for filtering", "['"+strings.Join(unknown, "', '")+"']")
	}
	return l, r.parseSort(l, q["sort_key"], q["sort_dir"])
}

func (r *resource[R, V]) parseSort(l *listing, keys, dirs []string) error {
	if len(keys) != len(dirs) && len(dirs) > 0 {
		return badRequest("The number of sort_keys and sort_dirs must be same")
	}
	for i, k := range keys {
		a, ok := r.byName[k]
		if !ok || a.get == nil {
			return badRequest("['%s'] is invalid attribute for sort_keys", k)
		}
		s := sortKey{name: k}
		if i < len(dirs) {
			switch dirs[i] {
			case "asc":
			case "desc":
				s.desc = true
			default:
				return badRequest("%s is invalid value for sort_dirs, valid value is 'asc' and 'desc'", dirs[i])
			}
		}
		l.sort = append(l.sort, s)
	}
	return nil
}

// matches applies the filters that the database did not.
func (r *resource[R, V]) matches(l *listing, v *V) bool {
	for name, want := range l.rest {
		if !matchAny(r.byName[name].get(v), want) {
			return false
		}
	}
	if len(l.tags) > 0 && !matchTags(r.tags(v), l.tags) {
		return false
	}
	if !l.since.IsZero() {
		text, _ := r.byName["updated_at"].get(v).(string)
		if t, err := isotime.Parse(text); err != nil || t.Before(l.since) {
			return false
		}
	}
	return len(l.fixed) == 0 || matchFixed(r.byName["fixed_ips"].get(v), l.fixed)
}

func matchAny(have any, want []string) bool {
	if list, ok := have.([]string); ok {
		return slices.ContainsFunc(list, func(s string) bool { return slices.Contains(want, s) }) || len(list) == 0 && slices.Contains(want, "")
	}
	if b, ok := have.(bool); ok {
		return slices.ContainsFunc(want, func(w string) bool { x, known := httpx.ParseBool(w); return known && x == b })
	}
	text := ""
	if have != nil {
		text = fmt.Sprint(have)
	}
	return slices.Contains(want, text) || text == "" && (slices.Contains(want, "None") || slices.Contains(want, "null"))
}

func matchTags(have []string, want map[string][]string) bool {
	has := func(t string) bool { return slices.Contains(have, t) }
	all := func(ts []string) bool { return !slices.ContainsFunc(ts, func(t string) bool { return !has(t) }) }
	for how, ts := range want {
		ok := true
		switch how {
		case "tags":
			ok = all(ts)
		case "tags-any":
			ok = slices.ContainsFunc(ts, has)
		case "not-tags":
			ok = !all(ts)
		case "not-tags-any":
			ok = !slices.ContainsFunc(ts, has)
		}
		if !ok {
			return false
		}
	}
	return true
}

// matchFixed wants for each key one address of the port that has one of the values.
func matchFixed(have any, want map[string][]string) bool {
	ips, _ := have.([]map[string]any)
	for key, values := range want {
		ok := slices.ContainsFunc(ips, func(f map[string]any) bool {
			if key == "ip_address_substr" {
				return slices.ContainsFunc(values, func(x string) bool { return strings.Contains(fmt.Sprint(f["ip_address"]), x) })
			}
			return slices.Contains(values, fmt.Sprint(f[key]))
		})
		if !ok {
			return false
		}
	}
	return true
}

// order sorts by the keys asked for; ties and unsorted lists keep their order,
// which pages rely on.
func (r *resource[R, V]) order(l *listing, vs []*V) {
	if len(l.sort) == 0 {
		return
	}
	slices.SortStableFunc(vs, func(a, b *V) int {
		for _, k := range l.sort {
			get := r.byName[k.name].get
			c := compare(get(a), get(b))
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return strings.Compare(r.id(a), r.id(b))
	})
}

func compare(a, b any) int {
	switch x := a.(type) {
	case int:
		if y, ok := b.(int); ok {
			return x - y
		}
	case bool:
		if y, ok := b.(bool); ok && x != y {
			if x {
				return 1
			}
			return -1
		} else if ok {
			return 0
		}
	case int64:
		if y, ok := b.(int64); ok {
			return int(x - y)
		}
	case nil:
		if b == nil {
			return 0
		}
		return -1
	}
	if b == nil {
		return 1
	}
	return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
}

// read returns the page asked for, or the whole list.
func (r *resource[R, V]) read(ctx context.Context, l *listing) ([]*V, error) {
	inStore := r.pageInStore(l)
	all, err := r.list(ctx, l.filter)
	if inStore {
		if l.marker != "" && errs.Is(err, errs.NotFound) {
			return nil, noMarker(l)
		}
		return all, err
	}
	if err != nil {
		return nil, err
	}
	vs := make([]*V, 0, len(all))
	for _, v := range all {
		if r.matches(l, v) {
			vs = append(vs, v)
		}
	}
	r.order(l, vs)
	return r.cut(l, vs)
}

// pageInStore hands the paging to the database, where it knows all that the
// list asks for: there is nothing to filter afterwards, and the order is that
// of ids, which is Neutron's for pages that are not sorted.
func (r *resource[R, V]) pageInStore(l *listing) bool {
	if !r.paged || !l.paginate || len(l.sort)+len(l.rest)+len(l.tags)+len(l.fixed) > 0 || !l.since.IsZero() {
		return false
	}
	l.filter.Page = &network.Page{Marker: l.marker, Limit: l.limit, Reverse: l.reverse}
	return true
}

// cut cuts out the page asked for.
func (r *resource[R, V]) cut(l *listing, vs []*V) ([]*V, error) {
	if l.marker != "" {
		i := slices.IndexFunc(vs, func(v *V) bool { return r.id(v) == l.marker })
		if i < 0 {
			return nil, noMarker(l)
		}
		if l.reverse {
			vs = vs[:i]
		} else {
			vs = vs[i+1:]
		}
	}
	whole := len(vs)
	switch {
	case !l.paginate || whole <= l.limit:
		return vs, nil
	case l.reverse:
		return vs[whole-l.limit:], nil
	}
	return vs[:l.limit], nil
}

func noMarker(l *listing) error { return badRequest("Marker %s could not be found.", l.marker) }

// links lead from a page to its neighbours.
func (r *resource[R, V]) links(req *httpx.Request, l *listing, vs []*V) []map[string]string {
	links := []map[string]string{}
	link := func(rel, marker, reverse string) {
		links = append(links, map[string]string{"rel": rel, "href": req.PageURL(map[string]string{"marker": marker, "page_reverse": reverse})})
	}
	first, last := "", "" // of an empty page: back to the end, or to the beginning
	if len(vs) > 0 {
		first, last = r.id(vs[0]), r.id(vs[len(vs)-1])
	}
	if len(vs) == l.limit || l.reverse {
		link("next", last, "")
	}
	if len(vs) == l.limit || !l.reverse {
		link("previous", first, "True")
	}
	return links
}

package rest

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/store"
)

// Dialect is how an API words and answers requests for lists.
type Dialect struct {
	// Page is the length of a page whose request names no limit, Most that of
	// the longest one; 0: all. Zero is what limit=0 asks for.
	Page, Most int
	Zero       Zero
	// Infinite is a word for no limit.
	Infinite string
	// Sorting is the syntax, Down the direction where none is said, and Ties
	// the order of rows that are equal in what was asked for.
	// TurnsDefault lets a direction without a key turn the order of lists that ask for none.
	Sorting      Sorting
	Down         bool
	TurnsDefault bool
	Ties         []store.Sort
	// Alone is the key of an order of which only the direction is said.
	Alone string
	// Reverse names the parameter that asks for the page before the marker.
	Reverse string
	// AnyValue takes all values of a filter that is named several times; else the first counts.
	AnyValue bool
	// Operator splits a comparison off a filter's name or value; nil: there is none.
	Operator func(name, value string) (field string, op store.Op, rest string)
	// Unknown answers to parameters that the list does not know; nil ignores them.
	Unknown func(r *httpx.Request, names []string) error
	// LostMarker and NoMarker: see store.Query; NoMarker words its error.
	LostMarker bool
	NoMarker   func(marker string) error
	// BadLimit and BadSort word errors; the general words are used without.
	BadLimit func(text string) error
	BadSort  func(key string) error
	BadDir   func(dir string) error
	// OneDir lets a single direction stand for all keys, or for the list's own order.
	OneDir bool
	// SamePairs wants as many directions as keys, if there are any; BadPairs words it.
	SamePairs bool
	BadPairs  func() error
	// Links writes what leads from a page to others, beside the list under its key.
	Links func(w *Writer, r *httpx.Request, key string, p Part)
}

// Zero is what limit=0 asks for.
type Zero uint8

// What limit=0 asks for.
const (
	ZeroIsAll  Zero = iota // as without a limit
	ZeroIsMost             // the longest page
	ZeroIsNone             // an empty page
)

// Sorting is a syntax of orders.
type Sorting uint8

// The syntaxes of orders.
const (
	SortPairs Sorting = iota // sort_key=a&sort_dir=asc, repeated
	SortWords                // SortPairs, or sort=a:asc,b
	SortNever
)

// Part is what Links knows of a page.
type Part struct {
	Rows        int
	First, Last string // markers of its ends
	Limit       int    // that the request named or got; 0: none
	More        bool
	Reverse     bool
	Truncated   bool
}

// Field is what a list can be filtered and sorted by.
type Field struct {
	Name string // in the query string
	At   string // the table's name for it, where it differs
	// Read converts a filter's value; nil: it is a text.
	Read func(text string) (any, error)
	// Filter makes the conditions itself, from all values.
	Filter func(values []string) ([]store.Cond, error)
	// Since is the minor version that brought the filter.
	Since int
	// NoSort and NoFilter leave one of the two.
	NoSort, NoFilter bool
}

func (f *Field) at() string {
	if f.At != "" {
		return f.At
	}
	return f.Name
}

// List is what the query string of one collection may say.
type List struct {
	*Dialect
	Fields []Field
	// Also are parameters that are known and read elsewhere.
	Also []string
	// Everyone names the parameter that asks for all projects' rows.
	Everyone string
	// ByOffset pages with limit and offset, without markers. Paged tells from which
	// microversion there are pages at all; nil: from the first.
	ByOffset bool
	Paged    func(r *httpx.Request) bool
	// More makes conditions of several parameters together, which Fields name too.
	More func(r *httpx.Request) ([]store.Cond, error)
	// Sort is the order of lists that ask for none, PageSort that of their pages.
	Sort, PageSort []store.Sort
}

// known tells whether a parameter is about the list as a whole.
func (l *List) known(name string) bool {
	switch name {
	case "limit":
		return true
	case "marker":
		return !l.ByOffset
	case "offset":
		return l.ByOffset || slices.Contains(l.Also, name) // Cinder's lists know both
	case "sort_key", "sort_dir":
		return l.Sorting != SortNever
	case "sort":
		return l.Sorting == SortWords
	}
	return name == l.Reverse || slices.Contains(l.Also, name)
}

// Query reads a request's query string.
func (l *List) Query(r *httpx.Request) (store.Query, error) {
	q := store.Query{LostMarker: l.LostMarker, Everyone: l.Everyone != "" && r.Query.Has(l.Everyone)}
	var unknown []string
	for name, values := range r.Query {
		if l.known(name) {
			continue
		}
		known, err := l.filter(&q, r.Version.Minor, name, values)
		if err != nil {
			return q, err
		}
		if !known && name != l.Everyone {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 && l.Unknown != nil {
		slices.Sort(unknown)
		if err := l.Unknown(r, unknown); err != nil {
			return q, err
		}
	}
	if l.More != nil {
		more, err := l.More(r)
		if err != nil {
			return q, err
		}
		q.Where = append(q.Where, more...)
	}
	if l.Reverse != "" {
		q.Reverse, _ = httpx.ParseBool(r.Query.Get(l.Reverse))
	}
	if l.Paged == nil || l.Paged(r) {
		if err := l.page(&q, r); err != nil {
			return q, err
		}
	}
	return q, l.order(&q, r)
}

// filter adds the conditions of one parameter, if the list knows it.
func (l *List) filter(q *store.Query, minor int, name string, values []string) (known bool, err error) {
	field, op, rest := name, store.Equal, ""
	if l.Operator != nil {
		if field, op, rest = l.Operator(name, values[0]); rest != values[0] {
			values = []string{rest}
		}
	}
	i := slices.IndexFunc(l.Fields, func(f Field) bool { return f.Name == field && !f.NoFilter && f.Since <= minor })
	if i < 0 {
		return false, nil
	}
	f := &l.Fields[i]
	if f.Filter != nil {
		conds, err := f.Filter(values)
		q.Where = append(q.Where, conds...)
		return true, err
	}
	if !l.AnyValue {
		values = values[:1]
	}
	list := make([]any, len(values))
	for i, text := range values {
		if list[i] = text; f.Read != nil {
			if list[i], err = f.Read(text); err != nil {
				return true, err
			}
		}
	}
	if len(list) > 1 {
		q.Where = append(q.Where, store.In(f.at(), list))
	} else {
		q.Where = append(q.Where, store.Cond{Field: f.at(), Op: op, Value: list[0]})
	}
	return true, nil
}

// page reads where the page begins and how long it is.
func (l *List) page(q *store.Query, r *httpx.Request) (err error) {
	if q.Limit, err = l.limit(r.Query.Get("limit")); err != nil {
		return err
	}
	if !l.ByOffset {
		q.Marker = r.Query.Get("marker")
		return nil
	}
	text := r.Query.Get("offset")
	if text == "" {
		return nil
	}
	if q.Offset, err = strconv.Atoi(text); err != nil || q.Offset < 0 {
		return errs.New(errs.Invalid, "Invalid input for query parameters offset. Value: %s. It is not a non-negative integer", text)
	}
	return nil
}

// Marked gives an error the API's words if it is about the query's marker.
func (l *List) Marked(err error, q store.Query) error {
	if errors.Is(err, store.ErrNoMarker) && l.NoMarker != nil {
		return l.NoMarker(q.Marker)
	}
	return err
}

func (l *List) limit(text string) (int, error) {
	if text == "" || text == l.Infinite {
		return l.Page, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 0:
		if l.BadLimit != nil {
			return 0, l.BadLimit(text)
		}
		return 0, errs.New(errs.Invalid, "limit must be a non-negative integer, not %q.", text)
	case n == 0 && l.Zero == ZeroIsNone:
		return -1, nil
	case n == 0 && l.Zero == ZeroIsAll:
		return l.Page, nil
	case l.Most > 0 && (n == 0 || n > l.Most):
		return l.Most, nil
	}
	return n, nil
}

// order reads the keys and directions of the order.
func (l *List) order(q *store.Query, r *httpx.Request) error {
	keys, dirs, err := l.sorting(r)
	if err != nil {
		return err
	}
	if len(keys) == 0 && len(dirs) > 0 && l.Alone != "" {
		keys = []string{l.Alone}
	}
	for i, key := range keys {
		at := slices.IndexFunc(l.Fields, func(f Field) bool { return f.Name == key && !f.NoSort })
		if at < 0 {
			return worded(l.BadSort, key, "%s is not a valid sort key.", key)
		}
		s := store.Sort{Field: l.Fields[at].at(), Desc: l.Down}
		if i < len(dirs) {
			if s.Desc, err = l.down(dirs[i]); err != nil {
				return err
			}
		}
		q.Sort = append(q.Sort, s)
	}
	if len(keys) == 0 && len(dirs) > 0 && l.TurnsDefault && len(l.Sort) == 1 {
		down, err := l.down(dirs[0])
		q.Sort = []store.Sort{{Field: l.Sort[0].Field, Desc: down}}
		return err
	}
	switch {
	case len(q.Sort) > 0:
		q.Sort = append(q.Sort, l.Ties...)
	case q.Limit != 0 && l.PageSort != nil:
		q.Sort = l.PageSort
	default:
		q.Sort = l.Sort
	}
	return nil
}

// down reads a direction.
func (l *List) down(dir string) (bool, error) {
	switch dir {
	case "asc", "desc":
		return dir == "desc", nil
	case "":
		return l.Down, nil
	}
	return false, worded(l.BadDir, dir, "Unknown sort direction %q, must be one of: asc, desc.", dir)
}

func (l *List) sorting(r *httpx.Request) (keys, dirs []string, err error) {
	if l.Sorting == SortNever {
		return nil, nil, nil
	}
	keys, dirs = r.Query["sort_key"], r.Query["sort_dir"]
	if l.OneDir && len(dirs) == 1 {
		if len(keys) == 0 && len(l.Sort) > 0 {
			keys = []string{l.Sort[0].Field}
		}
		dirs = slices.Repeat(dirs, len(keys))
	}
	if l.SamePairs && len(dirs) > 0 && len(dirs) != len(keys) {
		if l.BadPairs != nil {
			return nil, nil, l.BadPairs()
		}
		return nil, nil, errs.New(errs.Invalid, "Number of sort dirs does not match the number of sort keys")
	}
	if l.Sorting == SortWords && r.Query.Has("sort") {
		if len(keys)+len(dirs) > 0 {
			return nil, nil, errs.New(errs.Invalid, "Old and new sorting syntax cannot be combined")
		}
		for part := range strings.SplitSeq(r.Query.Get("sort"), ",") {
			key, dir, _ := strings.Cut(strings.TrimSpace(part), ":")
			keys, dirs = append(keys, strings.TrimSpace(key)), append(dirs, strings.TrimSpace(dir))
		}
	}
	return keys, dirs, nil
}

// worded is an error in an API's own words, or in the general ones.
func worded(own func(string) error, what, format string, args ...any) error {
	if own != nil {
		return own(what)
	}
	return errs.New(errs.Invalid, format, args...)
}

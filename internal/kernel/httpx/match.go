package httpx

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/micro"
)

// match is what a path means to a service.
type match struct {
	routes   []*Route // of any method and version; none: the path is unknown
	segments []string // as in the routes' paths
	whole    []string // the same with the project that stood beside them
	project  string   // that project
	plain    bool     // it came by an older version's name, which knows no microversions
}

var errNotText = errs.New(errs.Invalid, "The path contains a null byte, or bytes that are not UTF-8.")

// match finds the routes of an escaped path below the service's prefix.
func (s *mounted) match(method, path string) (match, error) {
	if s.StripJSON {
		path = strings.TrimSuffix(path, ".json")
	}
	var m match
	var err error
	if m.segments, err = unescaped(path, s.RawPath); err != nil {
		return m, errs.Wrap(errs.Invalid, err, "The path is malformed: %s.", err)
	}
	if slices.ContainsFunc(m.segments, func(s string) bool { return !isText(s) }) {
		return m, errNotText
	}
	if s.Unversioned != nil && len(m.segments) > 0 && !s.knows(m.segments[0]) {
		m.routes, m.segments = []*Route{{Method: method, Path: "/", Public: true, Unaudited: true, Handler: s.Unversioned}}, nil
		return m, nil
	}
	m.routes = s.tree.find(m.segments)
	if now, ok := s.Versions[first(m.segments)]; ok && len(m.routes) == 0 {
		m.segments = append([]string{now}, m.segments[1:]...)
		m.routes, m.plain = s.tree.find(m.segments), true
	}
	m.whole = m.segments
	if s.ExactSlash && len(m.segments) > 1 && strings.HasSuffix(path, "/") {
		m.routes = nil // the id behind the slash is missing
		return m, nil
	}
	if len(m.routes) == 0 && s.ProjectAfter != "" && len(m.segments) >= 3 && m.segments[0] == s.ProjectAfter {
		shorter := append([]string{m.segments[0]}, m.segments[2:]...)
		if m.routes = s.tree.find(shorter); len(m.routes) > 0 {
			m.project, m.segments = m.segments[1], shorter
		}
	}
	return m, nil
}

func first(segs []string) string {
	if len(segs) == 0 {
		return ""
	}
	return segs[0]
}

// knows tells whether a path may begin with a segment.
func (s *mounted) knows(segment string) bool {
	_, literal := s.tree.literal[segment]
	_, version := s.Versions[segment]
	return literal || version
}

// maxParameters bounds a query, which is read before the token is.
const maxParameters = 1000

func parseQuery(raw string) (url.Values, error) {
	if strings.Count(raw, "&") >= maxParameters {
		return nil, errs.New(errs.Invalid, "The query string has more than %d parameters.", maxParameters)
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "The query string is malformed: %s.", err)
	}
	return q, textual(q)
}

// choose picks the route by method, version and action.
func choose(w http.ResponseWriter, req *Request, candidates []*Route) (*Route, error) {
	var allow []string
	var matching []*Route
	for _, c := range candidates {
		if !slices.Contains(allow, c.Method) {
			allow = append(allow, c.Method)
		}
		if c.Method == req.HTTP.Method {
			matching = append(matching, c)
		}
	}
	if len(matching) == 0 && req.HTTP.Method == http.MethodHead {
		for _, c := range candidates {
			if c.Method == http.MethodGet {
				matching = append(matching, c)
			}
		}
	}
	if len(matching) == 0 && strings.HasSuffix(req.HTTP.URL.Path, "/") { // an item with an empty name
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	if len(matching) == 0 {
		slices.Sort(allow)
		w.Header().Set("Allow", strings.Join(allow, ", "))
		return nil, errs.New(errs.Method, "The method %s is not allowed for this resource; allowed: %s.", req.HTTP.Method, strings.Join(allow, ", "))
	}
	if slices.ContainsFunc(matching, func(c *Route) bool { return c.Action != "" }) {
		return chooseAction(req, matching)
	}
	for _, c := range matching {
		if offered(c, req.Version) {
			return c, nil
		}
	}
	return nil, errs.New(errs.NotFound, "The resource could not be found in version %s of this API.", req.Version)
}

func chooseAction(req *Request, matching []*Route) (*Route, error) {
	body, err := req.Object()
	if err != nil {
		return nil, err
	}
	var unoffered bool
	var plain *Route
	for _, c := range matching {
		if c.Action == "" {
			plain = c
			continue
		}
		if _, ok := body[c.Action]; ok && len(body) == 1 {
			if offered(c, req.Version) {
				return c, nil
			}
			unoffered = true
		}
	}
	if plain != nil {
		return plain, nil
	}
	if unoffered {
		return nil, errs.New(errs.NotFound, "The action is not in version %s of this API.", req.Version)
	}
	keys := make([]string, 0, len(body))
	for k := range body {
		keys = append(keys, k)
	}
	if len(keys) != 1 {
		return nil, errs.New(errs.Invalid, "The body of an action must have exactly one key, the action's name.")
	}
	return nil, errs.New(errs.Invalid, "There is no such action: %.100s", keys[0])
}

func offered(c *Route, v micro.Version) bool {
	return v.IsZero() || (c.Min.IsZero() || v.AtLeast(c.Min)) && (c.Max.IsZero() || c.Max.AtLeast(v))
}

func sameMethod(route, request string) bool {
	return route == request || route == http.MethodGet && request == http.MethodHead
}

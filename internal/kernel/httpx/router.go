package httpx

import (
	"net/url"
	"slices"
	"strings"
)

// node is one segment of the path tree. A literal is tried before a
// placeholder, with backtracking, so "/users/{id}" and "/users/me" live together.
type node struct {
	literal map[string]*node
	param   *node
	rest    []*Route // routes whose last segment takes the rest of the path
	routes  []*Route
}

func (n *node) add(r *Route) {
	segs := segments(r.Path)
	for i, seg := range segs {
		if strings.HasPrefix(seg, "{") {
			if strings.HasSuffix(seg, "...}") && i == len(segs)-1 {
				n.rest = append(n.rest, r)
				return
			}
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		next, ok := n.literal[seg]
		if !ok {
			next = &node{}
			n.literal[seg] = next
		}
		n = next
	}
	n.routes = append(n.routes, r)
}

// find returns the routes of a path, of any method and version.
func (n *node) find(segs []string) []*Route {
	if len(segs) == 0 {
		return append(slices.Clip(n.routes), n.rest...)
	}
	if next, ok := n.literal[segs[0]]; ok {
		if found := next.find(segs[1:]); len(found) > 0 {
			return found
		}
	}
	if n.param != nil && segs[0] != "" {
		if found := n.param.find(segs[1:]); len(found) > 0 {
			return found
		}
	}
	return n.rest
}

// vars reads the placeholders of r's path from the segments of a request's.
func (r *Route) vars(segs []string) map[string]string {
	vars := map[string]string{}
	for i, seg := range segments(r.Path) {
		if name, ok := strings.CutPrefix(seg, "{"); ok {
			name = strings.TrimSuffix(name, "}")
			if rest, ok := strings.CutSuffix(name, "..."); ok {
				if i < len(segs) {
					vars[rest] = strings.Join(segs[i:], "/")
				}
				break
			}
			vars[name] = segs[i]
		}
	}
	return vars
}

// segments splits a path; empty segments do not count, wherever they stand.
func segments(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// unescaped splits an escaped path and decodes each segment by itself, so that
// an encoded slash stays inside its segment. A raw path keeps its empty
// segments, but for those at its ends.
func unescaped(escaped string, raw bool) ([]string, error) {
	segs := segments(escaped)
	if trimmed := strings.Trim(escaped, "/"); raw && trimmed != "" {
		segs = strings.Split(trimmed, "/")
	}
	for i, s := range segs {
		u, err := url.PathUnescape(s)
		if err != nil {
			return nil, err
		}
		segs[i] = u
	}
	return segs, nil
}

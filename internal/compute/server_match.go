package compute

import (
	"context"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// statusConds narrows a list to status words; none tells that no server can match.
func statusConds(words []string) (conds []store.Cond, none bool) {
	if len(words) == 0 {
		return nil, false
	}
	var vm []VMState
	var tasks []TaskState
	anyTask := false
	for _, word := range words {
		v, t, ok := statusStates(word)
		if !ok {
			continue
		}
		vm = append(vm, v...)
		tasks = append(tasks, t...)
		anyTask = anyTask || t == nil
	}
	if len(vm) == 0 {
		return nil, true
	}
	conds = append(conds, store.In("vm_state", texts(vm)))
	if !anyTask {
		conds = append(conds, store.In("task_state", texts(tasks)))
	}
	return conds, false
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, w := range in {
		out[i] = string(w)
	}
	return out
}

// matcher builds the check that the database cannot make, nil if there is none,
// and what of it the database can: the letters that must be there.
func (r *ListServers) matcher() (match func([]*Server) ([]*Server, error), literals []store.Cond, err error) {
	var checks []func(*Server) bool
	pattern := func(text, field string, of func(*Server) string) error {
		if text == "" {
			return nil
		}
		re, err := compile(text)
		if err != nil {
			return err
		}
		checks = append(checks, func(s *Server) bool { return re.MatchString(of(s)) })
		if part := literal(re); part != "" {
			literals = append(literals, store.Cond{Field: field, Op: store.IContains, Value: part})
		}
		return nil
	}
	err = errors.Join(
		pattern(r.Name, "name", func(s *Server) string { return s.Name }),
		pattern(r.Hostname, "hostname", func(s *Server) string { return s.Hostname }),
		pattern(r.Description, "description", func(s *Server) string {
			if s.Description == nil {
				return ""
			}
			return *s.Description
		}))
	if err != nil {
		return nil, nil, err
	}
	for _, want := range r.Metadata {
		checks = append(checks, func(s *Server) bool {
			for k, v := range want {
				if have, ok := s.Metadata[k]; !ok || have != v {
					return false
				}
			}
			return true
		})
	}
	if len(checks) == 0 {
		return nil, nil, nil
	}
	return func(list []*Server) ([]*Server, error) {
		return keep(list, func(s *Server) bool {
			return !slices.ContainsFunc(checks, func(holds func(*Server) bool) bool { return !holds(s) })
		}), nil
	}, literals, nil
}

// literal is the longest text that whatever matches the expression has in it, in
// some case. The databases fold the case of ASCII alike, and of k and s there
// are further forms.
func literal(re *regexp.Regexp) (longest string) {
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return ""
	}
	parts := []*syntax.Regexp{tree}
	if tree = tree.Simplify(); tree.Op == syntax.OpConcat {
		parts = tree.Sub
	}
	for _, p := range parts {
		if p.Op != syntax.OpLiteral {
			continue
		}
		for _, word := range strings.FieldsFunc(string(p.Rune), func(r rune) bool { return r > unicode.MaxASCII || strings.ContainsRune("kKsS", r) }) {
			if len(word) > len(longest) {
				longest = word
			}
		}
	}
	return longest
}

// compile reads a pattern of a filter. What is no regular expression is taken by the letter.
func compile(text string) (*regexp.Regexp, error) {
	if len(text) > 255 {
		return nil, errs.New(errs.Invalid, "A filter's pattern has at most 255 characters.")
	}
	re, err := regexp.Compile("(?i)" + text)
	if err != nil {
		return regexp.MustCompile("(?i)" + regexp.QuoteMeta(text)), nil
	}
	return re, nil
}

func keep(list []*Server, match func(*Server) bool) []*Server {
	out := list[:0]
	for _, s := range list {
		if match(s) {
			out = append(out, s)
		}
	}
	return out
}

// keepAddresses keeps the servers that have an address like the patterns.
func (s *Servers) keepAddresses(ctx context.Context, d *Details, r ListServers) error {
	all := make([]string, len(d.Servers))
	for i, srv := range d.Servers {
		all[i] = srv.ID
	}
	addresses, err := s.network.ServerAddresses(ctx, all)
	if err != nil {
		return err
	}
	d.Addresses = addresses
	for _, p := range []struct {
		pattern string
		v6      bool
	}{{r.IP, false}, {r.IP6, true}} {
		if p.pattern == "" {
			continue
		}
		re, err := compile(p.pattern)
		if err != nil {
			return err
		}
		d.Servers = keep(d.Servers, func(srv *Server) bool {
			for _, a := range addresses[srv.ID] {
				if a.IP.Is6() == p.v6 && re.MatchString(a.IP.String()) {
					return true
				}
			}
			return false
		})
	}
	return nil
}

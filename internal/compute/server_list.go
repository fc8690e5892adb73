package compute

import (
	"context"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// ListServers is a request for a list: what the database can decide, and
// patterns that are matched afterwards.
type ListServers struct {
	store.Query
	// Patterns are regular expressions.
	Name, IP, IP6, Description, Hostname string
	Metadata                             []map[string]string // all must be there
	Statuses                             []string            // status words; none known means no server
}

// Details is what a view of servers shows beside the servers.
type Details struct {
	Servers   []*Server
	Addresses map[string][]network.ServerAddress
	Groups    map[string][]*network.SecurityGroup
	Hosts     map[string]*Host
	Volumes   map[string][]*VolumeDevice
	More      bool // another page follows
	Shown     Shown
}

// Shown is what the actor may see of servers besides what their owners may.
type Shown struct {
	Attributes bool // where the server is, and what went wrong there
	HostStatus bool
	Specs      bool // the flavor's extra specs
}

func (s *Servers) shown(ctx context.Context) Shown {
	return Shown{
		Attributes: s.may(ctx, "os-extended-server-attributes"), HostStatus: s.may(ctx, "servers:show:host_status"),
		Specs: s.may(ctx, "servers:show:flavor-extra-specs"),
	}
}

// AllFilters tells whether the actor may ask lists for servers by whatever they have.
func (s *Servers) AllFilters(ctx context.Context) bool {
	return s.may(ctx, "servers:allow_all_filters")
}

// List lists the servers that the actor may see.
func (s *Servers) List(ctx context.Context, r ListServers, detail bool) (*Details, error) {
	rule := "servers:index"
	if detail {
		rule = "servers:detail"
	}
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	q := r.Query
	if !q.Everyone {
		q = q.Within(store.Eq("project_id", actor.From(ctx).ProjectID))
	} else if err := s.checkOwn(ctx, rule+":get_all_tenants"); err != nil {
		return nil, err
	}
	states, none := statusConds(r.Statuses)
	if none {
		return &Details{}, nil
	}
	match, literals, err := r.matcher()
	if err != nil {
		return nil, err
	}
	q = q.Filter(append(states, literals...)...)
	byAddress := r.IP != "" || r.IP6 != ""
	if byAddress && q.Limit > 0 {
		q.Limit = 0 // the network knows addresses
	}
	out := &Details{Shown: s.shown(ctx)}
	err = s.read(ctx, func(tx *store.Tx) error {
		page, err := s.shownServers.ListKept(ctx, tx, q, match)
		out.Servers, out.More = page.Rows, page.More
		if err != nil || !detail {
			return err
		}
		if out.Volumes, err = s.connections.ofServers(ctx, tx, page.Rows); err != nil {
			return err
		}
		out.Hosts, err = s.hostsOf(ctx, tx, page.Rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	if byAddress {
		if err := s.keepAddresses(ctx, out, r); err != nil {
			return nil, err
		}
		if r.Limit > 0 && len(out.Servers) > r.Limit {
			out.Servers, out.More = out.Servers[:r.Limit], true
		}
	}
	if !detail {
		return out, nil
	}
	return out, s.surround(ctx, out)
}

// Describe returns one server with what its view shows.
func (s *Servers) Describe(ctx context.Context, id, rule string) (*Server, *Details, error) {
	d := &Details{Shown: s.shown(ctx)}
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, rule)
		if err != nil {
			return err
		}
		d.Servers = []*Server{srv}
		if d.Volumes, err = s.connections.ofServers(ctx, tx, d.Servers); err != nil {
			return err
		}
		d.Hosts, err = s.hostsOf(ctx, tx, d.Servers)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return d.Servers[0], d, s.surround(ctx, d)
}

// surround asks the network about all servers at once.
func (s *Servers) surround(ctx context.Context, d *Details) error {
	ids := make([]string, len(d.Servers))
	for i, srv := range d.Servers {
		ids[i] = srv.ID
	}
	if len(ids) == 0 {
		return nil
	}
	var g errgroup.Group // the two are of one size: side by side
	if d.Addresses == nil {
		g.Go(func() (err error) {
			d.Addresses, err = s.network.ServerAddresses(ctx, ids)
			return err
		})
	}
	g.Go(func() (err error) {
		d.Groups, err = s.network.ServerSecurityGroups(ctx, ids)
		return err
	})
	return g.Wait()
}

// hostsOf reads what views of servers tell of their hosts.
func (s *Servers) hostsOf(ctx context.Context, tx *store.Tx, servers []*Server) (map[string]*Host, error) {
	var names []string
	for _, srv := range servers {
		if srv.Host != "" && (len(names) == 0 || names[len(names)-1] != srv.Host) && !slices.Contains(names, srv.Host) {
			names = append(names, srv.Host)
		}
	}
	out := make(map[string]*Host, len(names))
	if len(names) == 0 {
		return out, nil
	}
	hosts, err := s.hostStates.All(ctx, tx, store.In("name", names))
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		out[h.Name] = h
	}
	return out, s.Hosts.situate(ctx, tx, hosts)
}

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

// HostStatus is the health of a server's host in Nova's words.
func HostStatus(h *Host) string {
	switch {
	case h == nil:
		return ""
	case h.ForcedDown:
		return "DOWN"
	case h.Disabled:
		return "MAINTENANCE"
	case !h.Up:
		return "UNKNOWN"
	}
	return "UP"
}

// Show returns a server for the context's actor, with its groups and tags.
func (s *Servers) Show(ctx context.Context, id, rule string) (*Server, error) {
	var srv *Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.load(ctx, tx, id, rule)
		return err
	})
	return srv, err
}

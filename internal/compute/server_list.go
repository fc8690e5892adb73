package compute

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// ListServers is a request for a list: what the database can decide, and
// patterns that are matched afterwards.
type ListServers struct {
	ServerFilter
	AllProjects bool
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
	More      bool // another page follows
}

// List lists the servers that the actor may see.
func (s *Service) List(ctx context.Context, r ListServers, detail bool) (*Details, error) {
	rule := "servers:index"
	if detail {
		rule = "servers:detail"
	}
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	who := actor.From(ctx)
	if r.AllProjects {
		if err := s.check(ctx, rule+":get_all_tenants", policy.Target{"project_id": who.ProjectID}); err != nil {
			return nil, err
		}
	} else {
		r.ProjectID = who.ProjectID
	}
	if none := r.applyStatuses(); none {
		return &Details{}, nil
	}
	match, err := r.matcher()
	if err != nil {
		return nil, err
	}
	out := &Details{}
	limit := r.Limit
	filter := r.ServerFilter
	filter.Shown = true
	if filter.Limit > 0 {
		filter.Limit++ // one more tells whether another page follows
	}
	byAddress := r.IP != "" || r.IP6 != ""
	if match != nil || byAddress {
		filter.Limit = 0
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		var err error
		if out.Servers, err = s.store.Servers(ctx, tx, filter); err != nil {
			return err
		}
		if detail {
			out.Hosts, err = s.hostMap(ctx, tx)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if match != nil {
		out.Servers = keep(out.Servers, match)
	}
	if byAddress {
		if err := s.keepAddresses(ctx, out, r); err != nil {
			return nil, err
		}
	}
	if limit > 0 && len(out.Servers) > limit {
		out.Servers, out.More = out.Servers[:limit], true
	}
	if !detail {
		return out, nil
	}
	return out, s.surround(ctx, out)
}

// Describe returns one server with what its view shows.
func (s *Service) Describe(ctx context.Context, id, rule string) (*Server, *Details, error) {
	d := &Details{}
	err := s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, rule)
		if err != nil {
			return err
		}
		d.Servers = []*Server{srv}
		d.Hosts, err = s.hostMap(ctx, tx)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return d.Servers[0], d, s.surround(ctx, d)
}

// surround asks the network about all servers at once.
func (s *Service) surround(ctx context.Context, d *Details) error {
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

func (s *Service) hostMap(ctx context.Context, tx *store.Tx) (map[string]*Host, error) {
	hosts, err := s.hostsTx(ctx, tx)
	out := make(map[string]*Host, len(hosts))
	for _, h := range hosts {
		out[h.Name] = h
	}
	return out, err
}

// applyStatuses narrows the filter to status words; none tells that no server can match.
func (r *ListServers) applyStatuses() (none bool) {
	if len(r.Statuses) == 0 {
		return false
	}
	vm := []VMState{}
	anyTask := false
	var tasks []TaskState
	for _, word := range r.Statuses {
		v, t, ok := statusStates(word)
		if !ok {
			continue
		}
		vm = append(vm, v...)
		tasks = append(tasks, t...)
		anyTask = anyTask || t == nil
	}
	if len(vm) == 0 {
		return true
	}
	r.VMStates = vm
	if !anyTask {
		r.TaskStates = tasks
	}
	return false
}

// matcher builds the check that the database cannot make; nil if there is none.
func (r *ListServers) matcher() (func(*Server) bool, error) {
	var checks []func(*Server) bool
	pattern := func(text string, of func(*Server) string) error {
		if text == "" {
			return nil
		}
		re, err := compile(text)
		if err != nil {
			return err
		}
		checks = append(checks, func(s *Server) bool { return re.MatchString(of(s)) })
		return nil
	}
	err := errors.Join(
		pattern(r.Name, func(s *Server) string { return s.Name }),
		pattern(r.Hostname, func(s *Server) string { return s.Hostname }),
		pattern(r.Description, func(s *Server) string {
			if s.Description == nil {
				return ""
			}
			return *s.Description
		}))
	if err != nil {
		return nil, err
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
		return nil, nil
	}
	return func(s *Server) bool {
		for _, c := range checks {
			if !c(s) {
				return false
			}
		}
		return true
	}, nil
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
func (s *Service) keepAddresses(ctx context.Context, d *Details, r ListServers) error {
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

// Diagnostics asks the server's host what it measures of the guest.
func (s *Service) Diagnostics(ctx context.Context, id string) (*hostapi.Diagnostics, *Server, error) {
	srv, err := s.Server(ctx, id, "os-server-diagnostics")
	if err != nil {
		return nil, nil, err
	}
	if srv.Host == "" || srv.VMState == VMBuilding {
		return nil, nil, errs.New(errs.Conflict, "Instance %s is not ready", id)
	}
	d, err := s.hosts.Diagnostics(ctx, srv.Host, id)
	if errs.Is(err, errs.Unavailable) || errs.Is(err, errs.NotFound) {
		return nil, nil, errs.Wrap(errs.Conflict, err, "Instance %s cannot be measured now: %s", id, strings.TrimSuffix(errs.As(err).Msg, "."))
	}
	return d, srv, err
}

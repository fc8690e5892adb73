package compute

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"kumoi/internal/kernel/actor"
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
	out, table := &Details{Shown: s.shown(ctx)}, s.shownServers
	if !detail && r.Hostname == "" && r.Description == "" && len(r.Metadata) == 0 {
		table = s.namedServers
	}
	err = s.read(ctx, func(tx *store.Tx) error {
		page, err := table.ListKept(ctx, tx, q, match)
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
		srv, err := s.loadFrom(ctx, tx, s.shownServers, id, rule)
		if err != nil {
			return err
		}
		d.Servers = []*Server{srv}
		if d.Volumes, err = s.connections.ofServers(ctx, tx, d.Servers); err != nil {
			return err
		}
		if d.Hosts, err = s.hostsOf(ctx, tx, d.Servers); err != nil {
			return err
		}
		if d.Addresses, err = s.network.ServerAddressesTx(ctx, tx, []string{id}); err != nil {
			return err
		}
		d.Groups, err = s.network.ServerSecurityGroupsTx(ctx, tx, []string{id})
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return d.Servers[0], d, nil
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

// Show returns a server for the context's actor, with its groups and tags.
func (s *Servers) Show(ctx context.Context, id, rule string) (*Server, error) {
	var srv *Server
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		srv, err = s.load(ctx, tx, id, rule)
		return err
	})
	return srv, err
}

package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/compute/aggregate"
	"kumoi/internal/compute/servergroup"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// claim has placement choose among the hosts that compute finds fit, and take
// what the consumer needs. Without a host the error is NoCapacity and says why.
func (s *scheduler) claim(ctx context.Context, tx *store.Tx, srv *Server, consumer string, need Resources, not []string) (*Decision, error) {
	hosts, err := s.Hosts.all(ctx, tx)
	if err != nil {
		return nil, err
	}
	aggregates, err := s.Aggregates.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	f := filter{srv: srv, not: not, aggregates: aggregates}
	if err := f.group(ctx, tx, s.core); err != nil {
		return nil, err
	}
	if err := f.hints(ctx, tx, s.servers); err != nil {
		return nil, err
	}
	req := ClaimRequest{
		ConsumerID: consumer, ProjectID: srv.ProjectID, UserID: srv.UserID, Resources: need, Prefer: map[string]float64{},
	}
	req.Required, req.Forbidden = traits(srv.Flavor)
	var refused []Verdict
	anyUp := false
	for _, h := range hosts {
		anyUp = anyUp || h.Up
		if why := f.refuse(h); why != "" {
			refused = append(refused, Verdict{Host: h.Name, Why: why})
			continue
		}
		req.Hosts = append(req.Hosts, h.Name)
		if w := f.weight(h.Name); w != 0 {
			req.Prefer[h.Name] = w
		}
	}
	if !anyUp && len(hosts) > 0 && s.justStarted() {
		return nil, errs.New(errs.Unavailable, "No host has reported yet since the control plane was started.")
	}
	if len(req.Hosts) == 0 {
		return nil, errs.New(errs.NoCapacity, "%s", sumUp(len(hosts), refused))
	}
	d, err := s.placement.Claim(ctx, tx, req)
	if err == nil && d.Host == "" {
		err = errs.New(errs.NoCapacity, "%s", d.Why)
	}
	if errs.Is(err, errs.NoCapacity) {
		if d != nil {
			refused = append(refused, d.Verdicts...)
		}
		return nil, errs.Wrap(errs.NoCapacity, err, "%s", sumUp(len(hosts), refused))
	}
	if err == nil {
		d.Verdicts = append(d.Verdicts, refused...)
	}
	return d, err
}

// sumUp says in one sentence why no host would do, without naming any: the
// sentence is for the server's owner.
func sumUp(total int, refused []Verdict) string {
	if total == 0 {
		return "There are not enough hosts available: none has reported yet."
	}
	count := map[string]int{}
	for _, v := range refused {
		if !v.Fits {
			count[v.Why]++
		}
	}
	var parts []string
	for _, why := range sortedKeys(count) {
		parts = append(parts, fmt.Sprintf("%d %s", count[why], why))
	}
	return fmt.Sprintf("There are not enough hosts available (%d known: %s).", total, strings.Join(parts, ", "))
}

// filter holds compute's own reasons for and against hosts.
type filter struct {
	srv        *Server
	not        []string
	aggregates []*aggregate.Aggregate

	policy  string
	perHost int
	members map[string]int // of the server's group, by host
	only    map[string]bool
	never   map[string]bool
}

func (f *filter) group(ctx context.Context, tx *store.Tx, s *core) error {
	if f.srv.GroupID == "" {
		return nil
	}
	g, err := s.ServerGroups.Get(ctx, tx, f.srv.GroupID)
	if err != nil {
		return err
	}
	f.policy, f.perHost = g.Policy, max(1, g.Rules["max_server_per_host"])
	if f.members, err = s.store.GroupHosts(ctx, tx, g.ID); err != nil {
		return err
	}
	if f.srv.Host != "" { // the server itself does not stand in its own way
		if f.members[f.srv.Host]--; f.members[f.srv.Host] <= 0 {
			delete(f.members, f.srv.Host)
		}
	}
	return nil
}

// hints reads same_host and different_host.
func (f *filter) hints(ctx context.Context, tx *store.Tx, servers *store.Table[Server]) error {
	hostsOf := func(key string) (map[string]bool, error) {
		if len(f.srv.Hints[key]) == 0 {
			return nil, nil
		}
		out := map[string]bool{}
		for _, id := range f.srv.Hints[key] {
			if !ids.IsUUID(id) {
				continue
			}
			other, err := servers.Get(ctx, tx, id)
			if err == nil && !other.Deleted && other.ProjectID == f.srv.ProjectID {
				out[other.Host] = true
			} else if err != nil && !errs.Is(err, errs.NotFound) {
				return nil, err
			}
		}
		return out, nil
	}
	var err error
	if f.only, err = hostsOf("same_host"); err != nil {
		return err
	}
	f.never, err = hostsOf("different_host")
	return err
}

// refuse says why a host will not do; "" if it will. The reasons are worded
// to follow a number of hosts.
func (f *filter) refuse(h *Host) string {
	switch {
	case !h.Up:
		return "down"
	case h.Disabled:
		return "disabled"
	case slices.Contains(f.not, h.Name):
		return "failed to build it"
	case f.srv.RequestedHost != "" && f.srv.RequestedHost != h.Name:
		return "not the host asked for"
	case f.srv.PinnedZone != "" && f.srv.PinnedZone != h.Zone:
		return "in another availability zone"
	case f.policy == servergroup.Affinity && len(f.members) > 0 && f.members[h.Name] == 0:
		return "apart from the server group"
	case f.policy == servergroup.AntiAffinity && f.members[h.Name] >= f.perHost:
		return "in use by the server group"
	case f.only != nil && !f.only[h.Name]:
		return "not where same_host points"
	case f.never[h.Name]:
		return "ruled out by different_host"
	}
	return f.refuseByAggregate(h)
}

// refuseByAggregate matches the flavor's extra specs for aggregates, and keeps
// projects out of aggregates that are reserved for others.
func (f *filter) refuseByAggregate(h *Host) string {
	has := map[string]string{}
	reserved, mine := false, false
	for _, a := range f.aggregates {
		if !slices.Contains(a.Hosts, h.Name) {
			continue
		}
		for k, v := range a.Metadata {
			has[k] = v
			if strings.HasPrefix(k, "filter_tenant_id") {
				reserved = true
				mine = mine || slices.Contains(strings.Split(v, ","), f.srv.ProjectID)
			}
		}
	}
	if reserved && !mine {
		return "reserved for other projects"
	}
	for k, want := range f.srv.Flavor.ExtraSpecs {
		if key, ok := strings.CutPrefix(k, "aggregate_instance_extra_specs:"); ok && !matches(want, has[key]) {
			return "without what the flavor asks of their aggregate"
		}
	}
	return ""
}

// matches reads the few operators that flavors use.
func matches(want, have string) bool {
	op, rest, ok := strings.Cut(want, " ")
	switch {
	case ok && op == "<in>":
		return strings.Contains(have, strings.TrimSpace(rest))
	case ok && op == "s==":
		return have == rest
	case ok && op == "s!=":
		return have != rest
	case ok && op == "<or>":
		for alt := range strings.SplitSeq(want, "<or>") {
			if alt = strings.TrimSpace(alt); alt != "" && alt == have {
				return true
			}
		}
		return false
	}
	return want == have
}

func (f *filter) weight(host string) float64 {
	switch f.policy {
	case servergroup.SoftAffinity:
		return float64(f.members[host])
	case servergroup.SoftAntiAffinity:
		return -float64(f.members[host])
	}
	return 0
}

// traits reads trait:NAME=required|forbidden from a flavor.
func traits(fl *Flavor) (required, forbidden []string) {
	for _, k := range sortedKeys(fl.ExtraSpecs) {
		name, ok := strings.CutPrefix(k, "trait:")
		switch {
		case ok && fl.ExtraSpecs[k] == "required":
			required = append(required, name)
		case ok && fl.ExtraSpecs[k] == "forbidden":
			forbidden = append(forbidden, name)
		}
	}
	return required, forbidden
}

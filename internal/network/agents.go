package network

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// DefaultAZ is the availability zone of hosts that name none.
const DefaultAZ = "nova"

// agentDownAfter is when a silent agent counts as dead.
const agentDownAfter = 75 * time.Second

// HostReport is what the network learns from a host's heartbeat.
type HostReport struct {
	Host     string // name
	AZ       string
	Chassis  string            // OVN's system-id of the host
	Mappings map[string]string // physical network → bridge
	Alive    bool
}

// HostReport keeps the list of agents: of each host its controller, which
// switches and routes, and the part of Kumoi's agent that serves metadata.
func (f *Servers) HostReport(ctx context.Context, r HostReport) error {
	if r.AZ == "" {
		r.AZ = DefaultAZ
	}
	now := f.s.now()
	kinds := []struct{ id, kind, binary string }{
		{ids.Derive("ovn-controller", r.Host), "OVN Controller Gateway agent", "ovn-controller"},
		{ids.Derive("metadata-agent", r.Host), "OVN Metadata agent", "kumoi-agent"},
	}
	if len(r.Mappings) == 0 {
		kinds[0].kind = "OVN Controller agent"
	}
	if known, err := f.s.Agents.known(ctx, r); err != nil || known {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		have, err := f.s.Agents.table.All(ctx, tx, store.Eq("host", r.Host))
		if err != nil {
			return err
		}
		for _, k := range kinds {
			i := slices.IndexFunc(have, func(a *Agent) bool { return a.Binary == k.binary })
			if i < 0 {
				if !r.Alive {
					continue
				}
				err = f.s.Agents.table.Insert(ctx, tx, &Agent{
					ID: k.id, Type: k.kind, Binary: k.binary, Host: r.Host, AZ: r.AZ, Topic: "n/a", AdminStateUp: true,
					Configurations: agentConfig(r), CreatedAt: now, StartedAt: now, HeartbeatAt: now,
				})
			} else {
				a := have[i]
				a.Type, a.AZ, a.Configurations = k.kind, r.AZ, agentConfig(r)
				if r.Alive {
					a.HeartbeatAt = now
				} else {
					a.HeartbeatAt = time.Time{}
				}
				err = f.s.Agents.table.Update(ctx, tx, a)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// agentWriteEvery is how often an unchanged report is written down: reports
// come every few seconds from every host.
const agentWriteEvery = 25 * time.Second

// known tells whether the list says already what the report says.
func (f *Agents) known(ctx context.Context, r HostReport) (bool, error) {
	known := false
	err := f.s.db.Read(ctx, func(tx *store.Tx) error {
		have, err := f.table.All(ctx, tx, store.Eq("host", r.Host))
		known = r.Alive && len(have) == 2
		for _, a := range have {
			known = known && a.AZ == r.AZ && f.s.now().Sub(a.HeartbeatAt) < agentWriteEvery &&
				fmt.Sprint(a.Configurations) == fmt.Sprint(agentConfig(r))
		}
		return err
	})
	return known, err
}

func agentConfig(r HostReport) map[string]any {
	mappings := map[string]any{}
	for k, v := range r.Mappings {
		mappings[k] = v
	}
	return map[string]any{"chassis_name": r.Chassis, "bridge-mappings": mappings}
}

// Agents are the use cases of the parts of hosts that do the network's work.
type Agents struct {
	s     *Service
	table *store.Table[Agent]
}

func (f *Agents) may(ctx context.Context) bool {
	return f.s.Access.permits(ctx, "get_agent", policy.Target{"project_id": actor.From(ctx).ProjectID})
}

func (f *Agents) judge(as ...*Agent) {
	for _, a := range as {
		a.Alive = f.s.now().Sub(a.HeartbeatAt) < agentDownAfter
	}
}

// List returns the parts that the query wants, none to who may not see them.
func (f *Agents) List(ctx context.Context, q store.Query) (page store.Page[Agent], err error) {
	if !f.may(ctx) {
		return store.Page[Agent]{Rows: []*Agent{}}, nil
	}
	q.Where = slices.Clone(q.Where)
	for i, c := range q.Where {
		if c.Field == "alive" { // it was heard of since
			heard := store.Cond{Field: "heartbeat_at", Op: store.Greater, Value: f.s.now().Add(-agentDownAfter)}
			if q.Where[i] = heard; c.Value != true {
				q.Where[i] = store.Not(heard)
			}
		}
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.table.List(ctx, tx, q)
		return err
	})
	f.judge(page.Rows...)
	return page, err
}

func (f *Agents) get(ctx context.Context, tx *store.Tx, id string) (*Agent, error) {
	a, err := f.table.Get(ctx, tx, id)
	if isNotFound(err) {
		return nil, fault(errs.NotFound, "AgentNotFound", "Agent %s could not be found.", id)
	}
	if err == nil {
		f.judge(a)
	}
	return a, err
}

// Show returns one of them.
func (f *Agents) Show(ctx context.Context, id string) (a *Agent, err error) {
	if !f.may(ctx) {
		return nil, fault(errs.NotFound, "AgentNotFound", "Agent %s could not be found.", id)
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		a, err = f.get(ctx, tx, id)
		return err
	})
	return a, err
}

// Update changes an agent.
func (f *Agents) Update(ctx context.Context, id string, p change.Patch[Agent]) (a *Agent, err error) {
	if err := f.s.Access.check(ctx, "update_agent", nil); err != nil {
		return nil, err
	}
	err = f.s.db.Write(ctx, func(tx *store.Tx) (err error) {
		if a, err = f.get(ctx, tx, id); err != nil {
			return err
		}
		if err := p.To(a); err != nil {
			return err
		}
		return f.table.Update(ctx, tx, a)
	})
	return a, err
}

// Delete forgets an agent that is no longer heard of; a living one comes back.
func (f *Agents) Delete(ctx context.Context, id string) error {
	if err := f.s.Access.check(ctx, "delete_agent", nil); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.get(ctx, tx, id); err != nil {
			return err
		}
		return f.table.Delete(ctx, tx, id)
	})
}

// AvailabilityZone is where networks and routers can be asked to live.
type AvailabilityZone struct {
	Name, Resource string
	Available      bool
}

// Zones lists the zones of the hosts.
func (f *Agents) Zones(ctx context.Context) ([]AvailabilityZone, error) {
	if err := f.s.Access.check(ctx, "get_availability_zone", nil); err != nil {
		return nil, err
	}
	var names []string
	err := f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		names, err = f.zoneNames(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []AvailabilityZone
	for _, n := range names {
		out = append(out, AvailabilityZone{n, "network", true}, AvailabilityZone{n, "router", true})
	}
	return out, nil
}

// zoneNames lists the zones of the hosts; a cloud without hosts has the default one.
func (f *Agents) zoneNames(ctx context.Context, tx *store.Tx) ([]string, error) {
	as, err := f.table.All(ctx, tx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(as, func(a, b *Agent) int { return compareText(a.Host, b.Host) })
	names := []string{DefaultAZ}
	for _, a := range as {
		if !slices.Contains(names, a.AZ) {
			names = append(names, a.AZ)
		}
	}
	return names, nil
}

func (f *Agents) checkHints(ctx context.Context, tx *store.Tx, hints []string) error {
	if len(hints) == 0 {
		return nil
	}
	have, err := f.zoneNames(ctx, tx)
	if err != nil {
		return err
	}
	for _, h := range hints {
		if !slices.Contains(have, h) {
			return fault(errs.NotFound, "AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", h)
		}
	}
	return nil
}

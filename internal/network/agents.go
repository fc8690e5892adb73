package network

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kumoi/internal/kernel/actor"
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
func (s *Service) HostReport(ctx context.Context, r HostReport) error {
	if r.AZ == "" {
		r.AZ = DefaultAZ
	}
	now := s.now()
	kinds := []struct{ id, kind, binary string }{
		{ids.Derive("ovn-controller", r.Host), "OVN Controller Gateway agent", "ovn-controller"},
		{ids.Derive("metadata-agent", r.Host), "OVN Metadata agent", "kumoi-agent"},
	}
	if len(r.Mappings) == 0 {
		kinds[0].kind = "OVN Controller agent"
	}
	if known, err := s.reportKnown(ctx, r); err != nil || known {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		have, err := agentTable.Where(ctx, tx, "host", r.Host)
		if err != nil {
			return err
		}
		for _, k := range kinds {
			i := slices.IndexFunc(have, func(a *Agent) bool { return a.Binary == k.binary })
			if i < 0 {
				if !r.Alive {
					continue
				}
				err = agentTable.Insert(ctx, tx, &Agent{
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
				err = agentTable.Update(ctx, tx, a)
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

// reportKnown tells whether the list says already what the report says.
func (s *Service) reportKnown(ctx context.Context, r HostReport) (bool, error) {
	known := false
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		have, err := agentTable.Where(ctx, tx, "host", r.Host)
		known = r.Alive && len(have) == 2
		for _, a := range have {
			known = known && a.AZ == r.AZ && s.now().Sub(a.HeartbeatAt) < agentWriteEvery &&
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

// Agents returns the parts of all hosts, none to who may not see them.
func (s *Service) Agents(ctx context.Context) ([]*Agent, error) {
	if !s.permits(ctx, "get_agent", policy.Target{"project_id": actor.From(ctx).ProjectID}) {
		return nil, nil
	}
	var out []*Agent
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.agents(ctx, tx)
		return err
	})
	return out, err
}

func (s *Service) agents(ctx context.Context, tx *store.Tx) ([]*Agent, error) {
	out, err := agentTable.Find(ctx, tx, agentTable.Select().OrderBy("host, agent_type"))
	for _, a := range out {
		a.Alive = s.now().Sub(a.HeartbeatAt) < agentDownAfter
	}
	return out, err
}

func noAgent(id string) error {
	return fault(errs.NotFound, "AgentNotFound", "Agent %s could not be found.", id)
}

// Agent returns one of them.
func (s *Service) Agent(ctx context.Context, id string) (*Agent, error) {
	all, err := s.Agents(ctx)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(all, func(a *Agent) bool { return a.ID == id }); i >= 0 {
		return all[i], nil
	}
	return nil, noAgent(id)
}

// UpdateAgent changes an agent by apply.
func (s *Service) UpdateAgent(ctx context.Context, tx *store.Tx, id string, apply func(*Agent) error) (*Agent, error) {
	if err := s.check(ctx, "update_agent", nil); err != nil {
		return nil, err
	}
	a, err := agentTable.Get(ctx, tx, id)
	if isNotFound(err) {
		return nil, noAgent(id)
	}
	if err != nil {
		return nil, err
	}
	if err := apply(a); err != nil {
		return nil, err
	}
	a.Alive = s.now().Sub(a.HeartbeatAt) < agentDownAfter
	return a, agentTable.Update(ctx, tx, a)
}

// DeleteAgent forgets an agent that is no longer heard of; a living one comes back.
func (s *Service) DeleteAgent(ctx context.Context, tx *store.Tx, id string) error {
	if err := s.check(ctx, "delete_agent", nil); err != nil {
		return err
	}
	if _, err := agentTable.Get(ctx, tx, id); isNotFound(err) {
		return noAgent(id)
	} else if err != nil {
		return err
	}
	return agentTable.Delete(ctx, tx, id)
}

// AvailabilityZone is where networks and routers can be asked to live.
type AvailabilityZone struct {
	Name, Resource string
	Available      bool
}

// AvailabilityZones lists the zones of the hosts.
func (s *Service) AvailabilityZones(ctx context.Context) ([]AvailabilityZone, error) {
	if err := s.check(ctx, "get_availability_zone", nil); err != nil {
		return nil, err
	}
	var names []string
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		names, err = s.zones(ctx, tx)
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

// zones lists the zones of the hosts; a cloud without hosts has the default one.
func (s *Service) zones(ctx context.Context, tx *store.Tx) ([]string, error) {
	as, err := s.agents(ctx, tx)
	if err != nil {
		return nil, err
	}
	names := []string{DefaultAZ}
	for _, a := range as {
		if !slices.Contains(names, a.AZ) {
			names = append(names, a.AZ)
		}
	}
	return names, nil
}

func (s *Service) checkAZHints(ctx context.Context, tx *store.Tx, hints []string) error {
	if len(hints) == 0 {
		return nil
	}
	have, err := s.zones(ctx, tx)
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

package network

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network/fabric"
)

// Deps is what the service needs from outside.
type Deps struct {
	DB     *store.DB
	Policy *policy.Engine
	Log    *slog.Logger
	Clock  func() time.Time // nil: time.Now
	Fabric fabric.Fabric
	Tables Tables
	Events *event.Log // nil: nobody is told what changes
	Config Config
}

// Tables are where the families are kept; package sqlstore has them.
type Tables struct {
	AddressScopes                    *store.Table[AddressScope]
	AddressGroups                    *store.Table[AddressGroup]
	SecurityGroups                   *store.Table[SecurityGroup]
	SecurityGroupRules, DefaultRules *store.Table[SecurityGroupRule]
	QoSPolicies                      *store.Table[QoSPolicy]
	QoSRules                         *store.Table[QoSRule]
	QoSBindings                      *store.Table[QoSBinding]
	Agents                           *store.Table[Agent]
	Networks                         *store.Table[Network]
	Segments                         *store.Table[Segment]
	Subnets                          *store.Table[Subnet]
	SubnetPools                      *store.Table[SubnetPool]
	Ports                            *store.Table[Port]
	PortGroups                       *store.Table[PortGroup]
	Allocations                      *store.Table[Allocation]
	RBACPolicies                     *store.Table[RBACPolicy]
	Grants                           *store.Table[Grant]
	Quotas                           *store.Table[quota.Limit]
	Trunks                           *store.Table[Trunk]
	SubPorts                         *store.Table[SubPort]
	Routers                          *store.Table[Router]
	FloatingIPs                      *store.Table[FloatingIP]
	Forwardings                      *store.Table[PortForwarding]
	// What lists of servers show of many ports, by columns.
	ServerAddresses func(ctx context.Context, tx *store.Tx, servers []string) ([]FixedAddress, error)
	ServerGroups    func(ctx context.Context, tx *store.Tx, servers []string) ([]ServerGroup, error)
}

// Config is the operator's say. The zero value works.
type Config struct {
	// MTU of the hosts' links; networks get what their encapsulation leaves of it. Default 1500.
	MTU int
	// DNSDomain is appended to the names of ports. Default "kumoi.internal.".
	DNSDomain string
	// DNS are given to guests of subnets without name servers of their own.
	DNS []netip.Addr
	// VNIs and VLANs bound the segments given to networks that name none.
	VNIs, VLANs [2]int
	// ExternalPhysical is the physical network that the first external network
	// gets when it names none. Default: none, all such networks are overlays.
	ExternalPhysical string
	// FullEvery is how often everything is stated to the fabric anew. Default 5 minutes.
	FullEvery time.Duration
}

func (c Config) withDefaults() Config {
	if c.MTU == 0 {
		c.MTU = 1500
	}
	if c.DNSDomain == "" {
		c.DNSDomain = "kumoi.internal."
	}
	if c.VNIs == [2]int{} {
		c.VNIs = [2]int{1, 65536}
	}
	if c.VLANs == [2]int{} {
		c.VLANs = [2]int{100, 4094}
	}
	if c.FullEvery == 0 {
		c.FullEvery = 5 * time.Minute
	}
	return c
}

// Service is the network service. Make it with New, then Start it.
type Service struct {
	db     *store.DB
	log    *slog.Logger
	clock  func() time.Time
	fabric fabric.Fabric
	cfg    Config

	events *event.Log
	Access *Access
	Quotas *Quotas
	// The families, each with its use cases.
	AddressScopes      *AddressScopes
	AddressGroups      *AddressGroups
	SecurityGroups     *SecurityGroups
	SecurityGroupRules *SecurityGroupRules
	DefaultRules       *DefaultRules
	QoSPolicies        *QoSPolicies
	Agents             *Agents
	Networks           *Networks
	Subnets            *Subnets
	SubnetPools        *SubnetPools
	Ports              *Ports
	Routers            *Routers
	FloatingIPs        *FloatingIPs
	Forwardings        *Forwardings
	RBACPolicies       *RBACPolicies
	Trunks             *Trunks
	// What is asked across them.
	Servers          *Servers
	AutoTopologies   *AutoTopologies
	IPAvailabilities *IPAvailabilities
	Tags             *Tags

	ipam       *ipam
	grants     *grants
	portGroups *store.Table[PortGroup]
	tables     Tables

	projector *projector
	status    *statusKeeper

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New makes the service and registers its policy rules.
func New(d Deps) (*Service, error) {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if err := d.Policy.Register(Rules()...); err != nil {
		return nil, err
	}
	s := &Service{
		db: d.DB, log: d.Log.With("component", "network"), clock: d.Clock,
		fabric: d.Fabric, cfg: d.Config.withDefaults(), events: d.Events,
		portGroups: d.Tables.PortGroups, tables: d.Tables, Access: &Access{d.Policy},
	}
	t := d.Tables
	s.Quotas = newQuotas(d.DB, s.Access, t)
	s.grants = &grants{t.Grants, t.RBACPolicies, s.now}
	s.Servers, s.AutoTopologies, s.IPAvailabilities, s.Tags = &Servers{s}, &AutoTopologies{s}, &IPAvailabilities{s}, &Tags{s}
	s.AddressScopes = newAddressScopes(s, t.AddressScopes)
	s.AddressGroups = newAddressGroups(s, t.AddressGroups)
	s.SecurityGroups = newSecurityGroups(s, t.SecurityGroups)
	s.SecurityGroupRules = newSecurityGroupRules(s, t.SecurityGroupRules)
	s.DefaultRules = &DefaultRules{s, t.DefaultRules}
	s.Networks, s.Subnets, s.SubnetPools = newNetworks(s, t), newSubnets(s, t), newSubnetPools(s, t)
	s.Ports, s.Routers = newPorts(s, t), newRouters(s, t)
	s.FloatingIPs, s.Forwardings = newFloatingIPs(s, t), newForwardings(s, t)
	s.RBACPolicies, s.Trunks = newRBACPolicies(s, t.RBACPolicies), newTrunks(s, t)
	s.QoSPolicies = newQoSPolicies(s, t)
	s.Agents = &Agents{s, t.Agents}
	s.ipam = &ipam{t.Allocations, t.Ports, s.Subnets}
	s.projector = newProjector(s)
	s.status = newStatusKeeper(s)
	s.tell(d.Events, d.Tables)
	return s, nil
}

// Start begins to keep the fabric as the database says. The fabric may be away;
// it is brought up to date when it comes.
func (s *Service) Start(ctx context.Context) error {
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.wg.Go(func() { s.projector.run(ctx) })
	s.wg.Go(func() { s.status.run(ctx) })
	return s.fabric.Start(ctx, s.handleEvent)
}

// Stop ends the upkeep; the fabric and the guests go on.
func (s *Service) Stop() {
	if s.stop != nil {
		s.stop()
	}
	s.fabric.Stop()
	s.wg.Wait()
}

// now is the clock as it is stored: microseconds, UTC.
func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Write runs f in one transaction, for callers that make several changes at once.
func (s *Service) Write(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.db.Write(ctx, f)
}

// DNSDomain is where ports' names live, with a dot at the end.
func (s *Service) DNSDomain() string { return s.cfg.DNSDomain }

package compute

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
	"kumoi/internal/network"
	"kumoi/internal/volume"
)

// Deps is what compute needs. Identity, Volumes, NetworkProxy, ImageProxy and Log may be nil.
type Deps struct {
	DB        *store.DB
	Store     Store
	Tables    Tables
	Policy    *policy.Engine
	Sagas     *saga.Engine
	Tasks     *task.Runner
	Events    *event.Log // nil: nobody is told of changes
	Bus       bus.Conn
	Network   Network
	Images    Images
	ImageData ImageData
	Placement Placement
	Identity  Identity
	Volumes   Volumes
	// VolumeProxy is shown to clients of before 2.36; nil: there are no volumes.
	VolumeProxy *volume.Service
	// NetworkProxy and ImageProxy are what versions before 2.36 and 2.39 showed of
	// other services as compute's own.
	NetworkProxy *network.Service
	ImageProxy   ImageProxy
	Log          *slog.Logger
	Clock        func() time.Time
	Config       Config
}

// Config is what an operator may change; the zero value works.
type Config struct {
	// DefaultZone is the availability zone of hosts in no other; "nova" if empty.
	DefaultZone string
	// CPURatio, RAMRatio and DiskRatio overcommit hosts; 4, 1 and 1 if zero.
	CPURatio, RAMRatio, DiskRatio float64
	// MaxBuildAttempts is on how many hosts a build is tried; 3 if zero.
	MaxBuildAttempts int
	// StopGrace is how long a guest may take to shut down; 60 s if zero.
	StopGrace time.Duration
	// ConsoleTTL is how long a console may be opened with its token; 10 minutes if zero.
	ConsoleTTL time.Duration
	// InterfaceWait is how long the request for an interface waits for the host; 30 s if zero.
	InterfaceWait time.Duration
	// Quota replaces default limits, by resource.
	Quota map[string]int64
}

func (c Config) withDefaults() Config {
	if c.DefaultZone == "" {
		c.DefaultZone = "nova"
	}
	if c.CPURatio == 0 {
		c.CPURatio = 4
	}
	if c.RAMRatio == 0 {
		c.RAMRatio = 1
	}
	if c.DiskRatio == 0 {
		c.DiskRatio = 1
	}
	if c.MaxBuildAttempts == 0 {
		c.MaxBuildAttempts = 3
	}
	if c.StopGrace == 0 {
		c.StopGrace = time.Minute
	}
	if c.InterfaceWait == 0 {
		c.InterfaceWait = 30 * time.Second
	}
	if c.ConsoleTTL == 0 {
		c.ConsoleTTL = 10 * time.Minute
	}
	return c
}

// Service is the compute service: its families of use cases are fields.
type Service struct {
	core

	mu   sync.Mutex
	subs []bus.Subscription
}

// core is what the families have in common: one another, the tables and the neighbours.
type core struct {
	Families
	parts

	db                    *store.DB
	store                 Store
	servers, shownServers *store.Table[Server]
	namedServers          *store.Table[Server]
	usedServers           *store.Table[Server]
	actions               *store.Table[Action]
	events                *store.Table[Event]
	migrations            *store.Table[Migration]
	consoles              *store.Table[Console]
	quotas                *quota.Quotas
	hostTable, hostStates *store.Table[Host]
	guests                *store.Table[Guests]
	devices               *store.Table[VolumeDevice]
	policy                *policy.Engine
	sagas                 *saga.Engine
	tasks                 *task.Runner
	bus                   bus.Conn
	hosts                 hostapi.Client
	network               Network
	images                Images
	imageData             ImageData
	placement             Placement
	identity              Identity
	volumes               Volumes
	volumeProxy           *volume.Service
	networkProxy          *network.Service
	imageProxy            ImageProxy
	log                   *slog.Logger
	now                   func() time.Time
	cfg                   Config

	started time.Time
	grants  imageGrants
}

// New makes the service and makes its policies, sagas and tasks known to
// their engines.
func New(d Deps) (*Service, error) {
	s := &Service{core: core{
		db: d.DB, store: d.Store, policy: d.Policy, sagas: d.Sagas, tasks: d.Tasks, bus: d.Bus,
		hosts: hostapi.Client{Bus: d.Bus}, network: d.Network, images: d.Images, imageData: d.ImageData,
		placement: d.Placement, identity: d.Identity, volumes: d.Volumes, volumeProxy: d.VolumeProxy, networkProxy: d.NetworkProxy, imageProxy: d.ImageProxy,
		log: logx.Or(d.Log).With("component", "compute"), now: d.Clock, cfg: d.Config.withDefaults(),
	}}
	if s.now == nil {
		s.now = time.Now
	}
	s.started = s.now()
	t := d.Tables
	s.servers, s.shownServers, s.namedServers, s.usedServers = t.Servers, t.ShownServers, t.NamedServers, t.UsedServers
	s.actions, s.events, s.migrations = t.Actions, t.Events, t.Migrations
	s.consoles, s.hostTable, s.hostStates, s.guests = t.Consoles, t.Hosts, t.HostStates, t.Guests
	s.devices = t.Devices
	s.makeFamilies()
	s.quotas = s.Quotas.counted(t)
	tell(d.Events, d.DB, d.Tables)
	s.refresh.follow(d.Events)
	s.makePackages(d)
	if err := s.policy.Register(Rules()...); err != nil {
		return nil, err
	}
	s.registerSagas()
	if s.tasks != nil {
		s.tasks.Add(s.repairs.task(), s.Moves.confirmTask())
	}
	return s, nil
}

// Start listens to hosts.
func (s *Service) Start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	const queue = "compute"
	handle := func(verb string, h func(ctx context.Context, host string, m *bus.Msg) (any, error)) error {
		sub, err := s.bus.Handle(bus.AnyControl(verb), queue, func(ctx context.Context, m *bus.Msg) (any, error) {
			return h(actor.AsSystem(ctx, "host"), bus.HostOf(m.Subject), m)
		})
		s.subs = append(s.subs, sub)
		return err
	}
	subscribe := func(kind string, h func(ctx context.Context, host string, m *bus.Msg) error) error {
		sub, err := s.bus.Subscribe(bus.AnyReport(kind), queue, func(ctx context.Context, m *bus.Msg) {
			host := bus.HostOf(m.Subject)
			if err := h(actor.AsSystem(ctx, "host"), host, m); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "report not taken", "host", host, "kind", kind, "error", err)
			}
		})
		s.subs = append(s.subs, sub)
		return err
	}
	return errors.Join(
		handle(hostapi.ControlSpecs, s.answers.specs),
		handle(hostapi.ControlReadImage, s.answers.readImage),
		handle(hostapi.ControlWriteImage, s.answers.writeImage),
		subscribe(hostapi.ReportHost, s.Reports.takeHost),
		subscribe(hostapi.ReportServer, s.Reports.takeServer),
	)
}

// Stop stops listening.
func (s *Service) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sub := range s.subs {
		if sub != nil {
			_ = sub.Unsubscribe() // the connection may be closed already
		}
	}
	s.subs = nil
}

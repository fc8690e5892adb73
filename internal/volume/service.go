package volume

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/image"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// Deps is what the service needs.
type Deps struct {
	DB     *store.DB
	Tables Tables
	Policy *policy.Engine
	Sagas  *saga.Engine
	Tasks  *task.Runner
	Events *event.Log // nil: nobody is told what changes
	Bus    bus.Conn   // nil: hosts neither report nor send backups
	Log    *slog.Logger
	Clock  func() time.Time // nil: the system's
	Config Config

	Hosts    Hosts
	Images   Images
	Identity Identity
	Secrets  Secrets // nil: no encrypted volumes
}

// Hosts are the machines that keep volumes' bytes; hostapi.Client is one. Which
// there are is known from their reports.
type Hosts interface {
	Volumes(host string) hostapi.VolumeHost
}

// Images are where volumes come from and go to; *image.Images is one. What the
// actor may not see is not found.
type Images interface {
	Show(ctx context.Context, id string) (*image.Image, error)
	CreateSnapshot(ctx context.Context, tx *store.Tx, n image.Snapshot) error
	Delete(ctx context.Context, id string) error
}

// Identity answers questions about projects.
type Identity interface {
	ProjectExists(ctx context.Context, tx *store.Tx, id string) (bool, error)
}

// Secrets seal keys for the database.
type Secrets interface {
	Seal(ctx context.Context, about string, secret []byte) ([]byte, error)
	Open(ctx context.Context, about string, sealed []byte) ([]byte, error)
}

// Config is the operator's say.
type Config struct {
	// Zone is the availability zone of backends that name none.
	Zone string
	// DataDir is where backups are kept.
	DataDir string
	// OverSubscription is how many times its room a thin backend may promise.
	OverSubscription float64
}

func (c Config) withDefaults() Config {
	if c.Zone == "" {
		c.Zone = "nova"
	}
	if c.OverSubscription == 0 {
		c.OverSubscription = 20
	}
	return c
}

// Service is the volume service. Make it with New, then Start it.
type Service struct {
	// The families, each with its use cases.
	Volumes     *Volumes
	Contents    *Contents
	Moves       *Moves
	Managed     *Managed
	Snapshots   *Snapshots
	Attachments *Attachments
	Connections *Connections
	Servers     *Servers
	Transfers   *Transfers
	Backups     *Backups
	Backends    *Backends
	Families

	making making
	keys   keys

	db     *store.DB
	tables Tables
	policy *policy.Engine
	sagas  *saga.Engine
	tasks  *task.Runner
	events *event.Log
	bus    bus.Conn
	subs   []bus.Subscription
	log    *slog.Logger
	clock  func() time.Time
	cfg    Config

	hosts    Hosts
	images   Images
	identity Identity
	secrets  Secrets

	parts parts
	// groupsWait is set while groups wait for their volumes.
	groupsWait atomic.Bool
	chunks     chunkStore
}

// New makes the service and registers its policy rules and sagas.
func New(d Deps) (*Service, error) {
	if err := d.Policy.Register(Rules()...); err != nil {
		return nil, err
	}
	s := &Service{
		db: d.DB, tables: d.Tables, policy: d.Policy, sagas: d.Sagas, tasks: d.Tasks, events: d.Events, bus: d.Bus,
		log: logx.Or(d.Log).With("component", "volume"), clock: d.Clock, cfg: d.Config.withDefaults(),
		hosts: d.Hosts, images: d.Images, identity: d.Identity, secrets: d.Secrets,
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.Volumes, s.Contents, s.Moves, s.Managed = &Volumes{s}, &Contents{s}, &Moves{s}, &Managed{s}
	s.Snapshots, s.Attachments, s.Connections, s.Servers = &Snapshots{s}, &Attachments{s}, &Connections{s}, &Servers{s}
	s.Transfers, s.Backups, s.Backends = &Transfers{s}, &Backups{s}, &Backends{s}
	s.making, s.keys = making{s}, keys{s}
	s.parts, s.chunks = noParts(), chunkStore{dir: s.cfg.DataDir, open: &sync.Map{}}
	s.addFamilies(d.Tables.FamilyTables)
	s.follow()
	s.observe()
	s.registerSagas()
	return s, nil
}

// Start hands the service's upkeep to the task runner, and listens to hosts.
func (s *Service) Start(ctx context.Context) error {
	if err := s.startFamilies(ctx); err != nil {
		return err
	}
	return s.listen()
}

// Stop stops listening. What else runs by itself is stopped by its owner.
func (s *Service) Stop() {
	for _, sub := range s.subs {
		_ = sub.Unsubscribe() // the connection may be closed already
	}
}

func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

func (s *Service) read(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.db.Read(ctx, f)
}

func (s *Service) write(ctx context.Context, f func(tx *store.Tx) error) error {
	return s.db.Write(ctx, f)
}

// admin tells whether the actor sees all projects' volumes.
func (s *Service) admin(ctx context.Context) bool {
	return s.policy.Allowed(ctx, "volume/context_is_admin", nil)
}

// inside tells whether a part of the cloud, or a service on a user's behalf, acts.
func (s *Service) inside(ctx context.Context) bool {
	a := actor.From(ctx)
	return a.System != "" || a.HasRole("service") || slices.Contains(a.ServiceRoles, "service")
}

// Check asks a rule about what belongs to the actor's own project.
func (s *Service) Check(ctx context.Context, rule string) error {
	return s.policy.Check(ctx, rule, own(ctx))
}

// own is the target of a rule that concerns the actor's own project.
func own(ctx context.Context) policy.Target {
	a := actor.From(ctx)
	return policy.Target{"project_id": a.ProjectID, "user_id": a.UserID}
}

// sees tells whether the actor may know of what a project has.
func (s *Service) sees(ctx context.Context, project string) bool {
	return s.admin(ctx) || project == actor.From(ctx).ProjectID
}

// scope narrows a list to what the actor sees and asks for.
func (s *Service) scope(ctx context.Context, q store.Query, column string) store.Query {
	if q.Everyone && s.admin(ctx) {
		return q
	}
	return q.Within(store.Eq(column, actor.From(ctx).ProjectID))
}

// host is the machine that keeps what lies at a place.
func (s *Service) host(place string) (hostapi.VolumeHost, error) {
	p := ParsePlace(place)
	if p.Host == "" || p.Backend == "" {
		return nil, errs.New(errs.Conflict, "The volume is in no backend.")
	}
	return s.hosts.Volumes(p.Host), nil
}

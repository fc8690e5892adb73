package image

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/metadef"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

// Deps is what the service needs.
type Deps struct {
	DB     *store.DB
	Tables Tables
	Policy *policy.Engine
	Log    *slog.Logger
	Clock  func() time.Time // nil: the system's
	Config Config
	// Stores hold the data; the first one is the default if Config names none.
	Stores []NamedStore
	// Sagas runs imports; Tasks runs the upkeep.
	Sagas *saga.Engine
	Tasks *task.Runner
	// Events, which may be nil, is told of changes.
	Events *event.Log
	// Identity knows projects' limits and other regions; nil: there are none.
	Identity Identity
	// Certificates serve the verification of signed images; nil: a signed
	// image's upload is refused.
	Certificates Certificates
}

// Identity is what the service asks of identity; *identity.Service is one.
type Identity interface {
	// Allowances are a project's unified limits. They are read in the transaction
	// that takes from them, so that a change holds at once.
	Allowances(ctx context.Context, tx *store.Tx, serviceType, regionID, projectID string) (map[string]int64, error)
	// RegionEndpoint is the URL of a region's service for an interface; "" if there is none.
	RegionEndpoint(ctx context.Context, tx *store.Tx, serviceType, regionID, iface string) (string, error)
}

// Service is the image service.
type Service struct {
	// The families, each with its use cases.
	Images    *Images
	Locations *Locations
	Stores    *Stores
	Uploads   *Uploads
	Imports   *Imports
	Downloads *Downloads
	// Members are the projects that images are shared with.
	Members *Members
	// Tasks are the records of imports.
	Tasks *Tasks
	// Cache are this node's copies of images that lie far away.
	Cache *Cache
	// Hosts moves images' bytes to and from hosts.
	Hosts *Hosts
	// Metadefs is the catalogue of metadata definitions.
	Metadefs *metadef.Service

	db       *store.DB
	tables   Tables
	policy   *policy.Engine
	log      *slog.Logger
	clock    func() time.Time
	cfg      Config
	stores   []NamedStore
	identity Identity
	quotas   *quota.Quotas
	certs    Certificates

	sagas  *saga.Engine
	upkeep *task.Runner
	tokens sync.Map // import task id → the token of who asked, for glance-download
	away   sync.Map // store id → why it could not be reached last time
}

// New makes the service and registers its policy rules.
func New(d Deps) (*Service, error) {
	if err := d.Config.Validate(); err != nil {
		return nil, err
	}
	if err := d.Policy.Register(Rules()...); err != nil {
		return nil, err
	}
	s := &Service{
		db: d.DB, tables: d.Tables, policy: d.Policy, log: d.Log.With("component", "image"), clock: d.Clock,
		cfg: d.Config, stores: d.Stores, identity: d.Identity, certs: d.Certificates,
		sagas: d.Sagas, upkeep: d.Tasks,
	}
	s.Images, s.Locations, s.Stores, s.Uploads, s.Imports, s.Downloads = &Images{s}, &Locations{s}, &Stores{s}, &Uploads{s}, &Imports{s}, &Downloads{s}
	s.Members, s.Tasks, s.Cache = &Members{s, d.Tables.Members}, &Tasks{s, d.Tables.Tasks}, &Cache{s: s, table: d.Tables.Cache}
	s.Hosts = &Hosts{s: s, open: map[string]*incoming{}}
	s.Metadefs = metadef.New(metadef.Deps{DB: d.DB, Tables: d.Tables.Metadef, Policy: d.Policy, Now: s.now, PageMax: d.Config.PageMax})
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.cfg.DefaultStore == "" && len(d.Stores) > 0 {
		s.cfg.DefaultStore = d.Stores[0].ID
	}
	tell(d.Events, d.DB, d.Tables)
	s.quotas = s.newQuotas()
	if s.sagas != nil { // without one the service can only be looked at
		s.registerSagas()
	}
	return s, nil
}

// Start ends what an earlier life of this process left behind and hands the
// service's upkeep to the task runner.
func (s *Service) Start(ctx context.Context) error {
	ctx = actor.AsSystem(ctx, "image")
	if def, ok := s.Stores.named(s.cfg.DefaultStore); !ok || def.Backend.ReadOnly() {
		return fmt.Errorf("image: default store %q is not there or read only", s.cfg.DefaultStore)
	}
	for _, dir := range []string{s.stagingDir(), s.cacheDir()} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return fmt.Errorf("image: %w", err)
		}
	}
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := s.tables.Uploads.Patch(ctx, tx, store.Changes{"lease_until": time.Time{}}, store.Eq("node", s.cfg.Node))
		return err
	})
	if err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := s.Metadefs.Seed(ctx); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	s.upkeep.Add(
		task.Task{Name: reapTask, Every: s.cfg.Lease / 2, AtStart: true, Run: s.Uploads.reap},
		task.Task{Name: cacheTask, Every: time.Minute, AtStart: true, Run: s.Cache.fill},
		task.Task{Name: "image.stores", Every: time.Minute, AtStart: true, Run: s.Stores.check},
		task.Task{Name: "image.tasks", Every: 10 * time.Minute, Run: s.Tasks.expire},
	)
	return nil
}

// Stop is there for symmetry: the task runner and the saga engine, which run
// all that the service does by itself, are stopped by their owner.
func (s *Service) Stop() {}

func (s *Service) now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

func (s *Service) stagingDir() string { return filepath.Join(s.cfg.DataDir, "staging") }
func (s *Service) cacheDir() string   { return filepath.Join(s.cfg.DataDir, "cache") }

// Config returns the configuration in force.
func (s *Service) Config() Config { return s.cfg }

// named finds a store by its id.
func (f *Stores) named(id string) (NamedStore, bool) {
	for _, n := range f.s.stores {
		if n.ID == id {
			return n, true
		}
	}
	return NamedStore{}, false
}

// writable finds a store to write to; "" is the default one.
func (f *Stores) writable(id string) (NamedStore, error) {
	if id == "" {
		id = f.s.cfg.DefaultStore
	}
	n, ok := f.named(id)
	if !ok {
		return n, errs.New(errs.Invalid, "The selected store %s is not available on this node.", quotable(id))
	}
	if n.Backend.ReadOnly() {
		return n, errs.New(errs.Invalid, "The store %s is read only.", id)
	}
	return n, nil
}

// of finds who can read a location.
func (f *Stores) of(l Location) (backend.Backend, error) {
	if n, ok := f.named(l.Store); ok {
		return n.Backend, nil
	}
	for _, n := range f.s.stores {
		if n.Backend.Owns(l.URL) {
			return n.Backend, nil
		}
	}
	return nil, errs.New(errs.Unavailable, "The store %q of this image is not configured.", l.Store)
}

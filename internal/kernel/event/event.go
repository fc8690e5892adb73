// Package event tells what has changed in the cloud to whoever wants to know: the
// services among each other, other control plane processes, people at a terminal.
//
// A service publishes an event in the transaction of the change, so that neither
// exists without the other. After the commit every subscriber of every process
// that shares the database is given it: at least once, and in the order in which
// a resource's changes were committed. A subscriber's place is kept in the
// database; a process that was away goes on where it stopped. What is older than
// the log keeps is gone: a subscriber that was away for longer is told so, and
// must look at the state itself.
//
// # Order
//
// SQLite has one writer, so numbers are in the order of commits. On PostgreSQL
// numbers overtake commits: a row carries its transaction's id, and readers stop
// before the oldest transaction that still runs. As writes are serializable, of
// two transactions that change one resource the later has the higher id. A long
// transaction anywhere on that PostgreSQL delays events as long as it runs.
package event

import (
	"context"
	"embed"
	"encoding/json"
	"log/slog"
	"slices"
	"sync"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/store"
)

//go:embed migrations
var migrations embed.FS

// Migrations is the log's schema.
func Migrations() store.Migrations { return store.Migrations{Service: "event", FS: migrations} }

// Event is one change of a resource.
type Event struct {
	At   Position  `json:"at"` // its place in the log
	Time time.Time `json:"time"`
	// Type is service, resource and what happened: "compute.server.update".
	Type string `json:"type"`
	// Notification is OpenStack's name for it: "compute.instance.update".
	Notification string `json:"notification,omitempty"`
	Resource     string `json:"resource"` // its id
	Project      string `json:"project,omitempty"`
	User         string `json:"user,omitempty"`
	Request      string `json:"request,omitempty"`
	// State is what the resource has become, as its service words it. It holds
	// no secret, and is left out where it is too long.
	State json.RawMessage `json:"state,omitempty"`
}

// maxState bounds what one event may take on disk.
const maxState = 8 << 10

// Config bounds the log. The zero value means the defaults.
type Config struct {
	Host string        // this process among those that share the database
	Keep time.Duration // how long events are kept: 24 hours
	Most int           // how many are kept: 100,000
	// Poll is how often the database is asked for what other processes
	// published: a second. This process's own events are delivered at once.
	Poll time.Duration
	Now  func() time.Time // nil: the system's clock
	Log  *slog.Logger
}

// Log is the log of events. A nil Log publishes nothing.
type Log struct {
	db  *store.DB
	cfg Config

	mu          sync.Mutex
	wake        chan struct{} // closed at the next commit
	subscribers []*subscription
	cancel      context.CancelFunc
	wg          sync.WaitGroup
}

// New returns a log whose schema must be there before it is used.
func New(db *store.DB, cfg Config) *Log {
	if cfg.Keep == 0 {
		cfg.Keep = 24 * time.Hour
	}
	if cfg.Most == 0 {
		cfg.Most = 100_000
	}
	if cfg.Poll == 0 {
		cfg.Poll = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Log = logx.Or(cfg.Log).With("component", "event")
	return &Log{db: db, cfg: cfg, wake: make(chan struct{})}
}

// Publish tells of a change in the transaction of the change. Who changed it, and
// by which request, is taken from ctx; so is the project, if e has none. What one
// transaction does to a resource is one event, with the state at its end: a
// resource that is made and changed is made.
func (l *Log) Publish(ctx context.Context, tx *store.Tx, e Event, state any) error {
	if l == nil {
		return nil
	}
	who := actor.From(ctx)
	if e.Project == "" {
		e.Project = who.ProjectID
	}
	e.User, e.Request = who.UserID, who.RequestID
	p, ok := tx.Ending(l, func() store.Ending { return &pending{log: l} }).(*pending)
	if !ok {
		return errs.New(errs.Internal, "The transaction has other work of the log of events.")
	}
	p.add(e, state)
	return nil
}

// committed wakes those who wait for these events.
func (l *Log) committed(events []Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.wake)
	l.wake = make(chan struct{})
	for _, s := range l.subscribers {
		if slices.ContainsFunc(events, s.wants) {
			s.stir()
		}
	}
}

// next is closed at the next commit of this process.
func (l *Log) next() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.wake
}

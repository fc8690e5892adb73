// Package audit keeps the cloud's audit trail: who changed what, whether it
// was allowed, and every failed login, as CADF events in the database.
//
// An event is written in the transaction of the change it tells of, so that
// neither exists without the other. There are two ways to one:
//
//   - A service that knows more than the request shows records its own events
//     with Trail.Record; identity does, in Keystone's words ("created.user").
//   - For all others the gateway begins a Pending event with each request that
//     may change something. The first transaction under that request's context
//     that writes anything takes it along ("create", "update/reboot",
//     "delete"); Pending.Finish corrects it when the request fails after all.
//
// Requests that change nothing because they were refused (401 behind a public
// route, 403) or broke (5xx) are recorded when they end. Requests without a
// valid token and malformed ones leave no event: they did not get anywhere, and
// a stranger could fill the table with them.
//
// The trail is bounded by age and by number; successes and failures are
// counted apart, so that a flood of failures cannot push the changes out.
package audit

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/task"
)

//go:embed migrations
var migrations embed.FS

// Migrations is the trail's schema.
func Migrations() store.Migrations { return store.Migrations{Service: "audit", FS: migrations} }

// Config bounds the trail. The zero value means the defaults.
type Config struct {
	Host string           // this server's name, in observers
	Keep time.Duration    // how long events are kept: 90 days
	Most int              // how many of each outcome are kept: 1,000,000
	Now  func() time.Time // nil: the system's clock
}

// Trail is the audit trail. A nil Trail records nothing.
type Trail struct {
	db  *store.DB
	cfg Config
}

// New returns a trail whose schema must be there before it is used.
func New(db *store.DB, cfg Config) *Trail {
	if cfg.Keep == 0 {
		cfg.Keep = 90 * 24 * time.Hour
	}
	if cfg.Most == 0 {
		cfg.Most = 1_000_000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Trail{db: db, cfg: cfg}
}

// Record writes e in the transaction of the change it tells of. The caller
// names the service (Observer.Name), the action and the target; who did it is
// taken from ctx.
func (t *Trail) Record(ctx context.Context, tx *store.Tx, e Event) error {
	if t == nil {
		return nil
	}
	if p := pendingOf(ctx); p != nil {
		p.tells(ctx, tx, &e)
	}
	_, err := t.insert(ctx, tx, e)
	return err
}

// RecordAlone writes e, which tells of no change, in a transaction of its own.
func (t *Trail) RecordAlone(ctx context.Context, e Event) error {
	if t == nil {
		return nil
	}
	return t.db.Write(context.WithoutCancel(ctx), func(tx *store.Tx) error { return t.Record(ctx, tx, e) })
}

func (t *Trail) insert(ctx context.Context, tx *store.Tx, e Event) (Event, error) {
	at := t.cfg.Now()
	e.complete(ctx, uuid.NewString(), at, t.cfg.Host)
	text, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("audit: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO audit_event
		(id, at, service, action, outcome, initiator_id, initiator_name, project_id, target_id, request_id, event)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		e.ID, store.Micros(at), e.Service(), e.Action, e.Outcome, e.Initiator.ID, e.Initiator.Name, e.Initiator.ProjectID,
		e.Target.ID, e.Initiator.RequestID, string(text))
	return e, err
}

// replace writes an event again with what became known since.
func (t *Trail) replace(ctx context.Context, tx *store.Tx, e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	_, err = tx.Exec(ctx, "UPDATE audit_event SET outcome = ?, target_id = ?, event = ? WHERE id = ?", e.Outcome, e.Target.ID, string(text), e.ID)
	return err
}

// Filter selects events; what is empty selects all.
type Filter struct {
	Since, Until time.Time
	Service      string // "identity", "compute" …
	Action       string // the beginning of an action
	Outcome      string
	Initiator    string // id or name
	Project      string // of the initiator's token
	Target       string // id
	Request      string
	Limit        int
}

// List returns the events that a filter selects, newest first.
func (t *Trail) List(ctx context.Context, f Filter) ([]Event, error) {
	q := store.Select("SELECT event FROM audit_event").OrderBy("at DESC, id DESC").Limit(f.Limit)
	if !f.Since.IsZero() {
		q.Where("at >= ?", store.Micros(f.Since))
	}
	if !f.Until.IsZero() {
		q.Where("at < ?", store.Micros(f.Until))
	}
	for column, value := range map[string]string{
		"service": f.Service, "outcome": f.Outcome, "project_id": f.Project, "target_id": f.Target, "request_id": f.Request,
	} {
		if value != "" {
			q.Where(column+" = ?", value)
		}
	}
	if f.Initiator != "" {
		q.Where("initiator_id = ? OR initiator_name = ?", f.Initiator, f.Initiator)
	}
	if f.Action != "" {
		q.Where(`action LIKE ? ESCAPE '\'`, strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(f.Action)+"%")
	}
	var out []Event
	err := t.db.Read(ctx, func(tx *store.Tx) (err error) {
		out, err = store.Find(ctx, tx, scan, q)
		return err
	})
	return out, err
}

// Get returns one event.
func (t *Trail) Get(ctx context.Context, id string) (Event, error) {
	var e Event
	err := t.db.Read(ctx, func(tx *store.Tx) (err error) {
		e, err = store.One(ctx, tx, scan, "SELECT event FROM audit_event WHERE id = ?", id)
		return err
	})
	if errs.Is(err, errs.NotFound) {
		return e, errs.New(errs.NotFound, "There is no audit event %s.", id)
	}
	return e, err
}

func scan(r store.Row) (Event, error) {
	var text string
	var e Event
	if err := r.Scan(&text); err != nil {
		return e, err
	}
	return e, json.Unmarshal([]byte(text), &e)
}

// PruneTask deletes events that are too old or too many.
func (t *Trail) PruneTask() task.Task {
	return task.Task{Name: "audit-prune", Every: time.Hour, AtStart: true, Run: func(ctx context.Context) (string, error) {
		n, err := t.Prune(ctx)
		return fmt.Sprintf("%d old events deleted", n), err
	}}
}

// Prune deletes events that are too old or too many, and tells how many.
func (t *Trail) Prune(ctx context.Context) (int64, error) {
	var n int64
	err := t.db.Write(ctx, func(tx *store.Tx) error {
		n = 0
		for _, outcome := range []string{Success, Failure} {
			before := store.Micros(t.cfg.Now().Add(-t.cfg.Keep))
			// The oldest event that may stay, if there are that many.
			edge, err := store.One(ctx, tx, store.Value[int64],
				"SELECT at FROM audit_event WHERE outcome = ? ORDER BY at DESC LIMIT 1 OFFSET ?", outcome, t.cfg.Most-1)
			switch {
			case err == nil:
				before = max(before, edge)
			case !errs.Is(err, errs.NotFound):
				return err
			}
			deleted, err := tx.Exec(ctx, "DELETE FROM audit_event WHERE outcome = ? AND at < ?", outcome, before)
			if err != nil {
				return err
			}
			n += deleted
		}
		return nil
	})
	return n, err
}

package logx

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"kumoi/internal/kernel/actor"
)

// Event is one line of the audit log: who did what to which resource, and
// whether it was allowed. It never holds a secret.
type Event struct {
	Time      time.Time      `json:"time"`
	Action    string         `json:"action"`  // "compute:servers:create"
	Outcome   string         `json:"outcome"` // success, failure, denied
	Resource  string         `json:"resource,omitempty"`
	Reason    string         `json:"reason,omitempty"`
	UserID    string         `json:"user_id,omitempty"`
	ProjectID string         `json:"project_id,omitempty"`
	DomainID  string         `json:"domain_id,omitempty"`
	System    string         `json:"system,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Address   string         `json:"address,omitempty"`
	Details   map[string]any `json:"details,omitempty"`
}

// Audit writes one JSON line for each event. Lines are written whole, one
// after the other; an error is kept for Close to report.
type Audit struct {
	mu    sync.Mutex
	w     io.Writer
	close func() error
	err   error
	now   func() time.Time
}

// NewAudit writes events to w.
func NewAudit(w io.Writer) *Audit {
	return &Audit{w: w, close: func() error { return nil }, now: time.Now}
}

// OpenAudit appends events to the file at path, readable by its owner only;
// no path means standard error.
func OpenAudit(path string) (*Audit, error) {
	if path == "" {
		return NewAudit(os.Stderr), nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open audit log: %w", err)
	}
	a := NewAudit(f)
	a.close = f.Close
	return a, nil
}

// Record writes e. What e leaves empty of time and actor is taken from ctx. A
// nil Audit records nothing.
func (a *Audit) Record(ctx context.Context, e Event) {
	if a == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = a.now().UTC()
	}
	who := actor.From(ctx)
	fill(&e.UserID, who.UserID)
	fill(&e.ProjectID, who.ProjectID)
	fill(&e.DomainID, who.DomainID)
	fill(&e.System, who.System)
	fill(&e.RequestID, who.RequestID)
	fill(&e.Address, who.RemoteAddr)
	line, err := json.Marshal(e)
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		_, err = a.w.Write(append(line, '\n'))
	}
	if err != nil && a.err == nil {
		a.err = fmt.Errorf("audit log: %w", err)
	}
}

// Close closes the file and reports the first event that could not be written.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.close(); err != nil && a.err == nil {
		a.err = err
	}
	return a.err
}

func fill(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

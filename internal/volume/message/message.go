// Package message keeps what went wrong with a user's volumes, in words for the
// user. What is done in the background answers no request; a message says what
// was tried and why it did not work, under Cinder's codes, and is kept for a
// month.
package message

import (
	"context"
	"fmt"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Message says what went wrong.
type Message struct {
	ID, ProjectID, RequestID string
	ResourceType, ResourceID string // VOLUME, VOLUME_SNAPSHOT, VOLUME_BACKUP
	Event                    string // VOLUME_VOLUME_001_003
	Action, Detail           string // their codes: 001, 003
	Level                    string
	CreatedAt, ExpiresAt     time.Time
}

// kept is how long a message is promised to be there.
const kept = 30 * 24 * time.Hour

// Text is the message in words.
func (m *Message) Text() string {
	what, ok := actions[m.Action]
	if !ok {
		what = "unknown action"
	}
	why, ok := details[m.Detail]
	if !ok {
		why = details["001"]
	}
	return what + ":" + why
}

// Deps is what the service needs.
type Deps struct {
	DB    *store.DB
	Table *store.Table[Message]
	Now   func() time.Time
	Check func(ctx context.Context, rule string, t policy.Target) error
	Admin func(ctx context.Context) bool
}

// Service keeps messages.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// New leaves a message in the transaction in which something failed.
func (s *Service) New(ctx context.Context, tx *store.Tx, m Message) error {
	m.ID, m.Level, m.CreatedAt = ids.New(), "ERROR", s.d.Now().UTC()
	m.Event, m.ExpiresAt = fmt.Sprintf("VOLUME_%s_%s_%s", m.ResourceType, m.Action, m.Detail), m.CreatedAt.Add(kept)
	return s.d.Table.Insert(ctx, tx, &m)
}

// visible are the messages that the actor may know of.
func (s *Service) visible(ctx context.Context) []store.Cond {
	if s.d.Admin(ctx) {
		return nil
	}
	return []store.Cond{store.Eq("project_id", actor.From(ctx).ProjectID)}
}

// List lists the messages of the actor's project, or all of them for an administrator.
func (s *Service) List(ctx context.Context, q store.Query) (page store.Page[Message], err error) {
	a := actor.From(ctx)
	if err := s.d.Check(ctx, "message:get_all", policy.Target{"project_id": a.ProjectID, "user_id": a.UserID}); err != nil {
		return page, err
	}
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = s.d.Table.List(ctx, tx, q.Within(s.visible(ctx)...))
		return err
	})
	return page, err
}

func (s *Service) get(ctx context.Context, tx *store.Tx, id, rule string) (*Message, error) {
	m, err := s.d.Table.First(ctx, tx, append(s.visible(ctx), store.Eq("id", id))...)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.NotFound, "Message %s could not be found.", id)
	}
	if err != nil {
		return nil, err
	}
	return m, s.d.Check(ctx, rule, policy.Target{"project_id": m.ProjectID})
}

// Show returns a message.
func (s *Service) Show(ctx context.Context, id string) (m *Message, err error) {
	err = s.d.DB.Read(ctx, func(tx *store.Tx) (err error) {
		m, err = s.get(ctx, tx, id, "message:get")
		return err
	})
	return m, err
}

// Delete removes a message.
func (s *Service) Delete(ctx context.Context, id string) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.get(ctx, tx, id, "message:delete"); err != nil {
			return err
		}
		return s.d.Table.Delete(ctx, tx, id)
	})
}

// Prune removes messages that are no longer promised.
func (s *Service) Prune(ctx context.Context) (report string, err error) {
	err = s.d.DB.Write(ctx, func(tx *store.Tx) error {
		n, err := s.d.Table.DeleteWhere(ctx, tx, store.Cond{Field: "expires_at", Op: store.Less, Value: s.d.Now().UTC()})
		report = fmt.Sprintf("%d old messages deleted", n)
		return err
	})
	return report, err
}

package identity

import (
	"context"
	"sync"
	"time"

	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// How long events are kept and how often other processes look for new ones.
const (
	pollEvery   = 250 * time.Millisecond
	pollOverlap = 30 * time.Second // covers clocks that differ and commits that overtake each other
	noticesKept = 10 * time.Minute
	purgeEvery  = time.Minute
)

// Tags of what may change.
func userTag(id string) string    { return "user:" + id }
func loginTag(id string) string   { return "login:" + id }
func groupTag(id string) string   { return "group:" + id }
func projectTag(id string) string { return "project:" + id } // domains too
func auditTag(id string) string   { return "audit:" + id }
func chainTag(id string) string   { return "chain:" + id }
func trustTag(id string) string   { return "trust:" + id }
func appCredTag(id string) string { return "appcred:" + id }

const (
	rolesTag = "roles" // roles and which implies which
	keysTag  = "keys"
)

// changed tells every process that what it knows about the tags is stale: this
// one at the commit, others when they look.
func (s *Service) changed(ctx context.Context, tx *store.Tx, tags ...string) error {
	return s.announce(ctx, tx, time.Time{}, tags...)
}

// revoke voids the tokens of the tags that were issued until now.
func (s *Service) revoke(ctx context.Context, tx *store.Tx, tags ...string) error {
	return s.announce(ctx, tx, s.now(), tags...)
}

func (s *Service) announce(ctx context.Context, tx *store.Tx, issuedBefore time.Time, tags ...string) error {
	for _, tag := range tags {
		e := Event{ID: ids.NewHex(), Tag: tag, At: s.now(), IssuedBefore: issuedBefore}
		if err := s.store.Events.Add(ctx, tx, e); err != nil {
			return err
		}
		tx.AfterCommit(func() { s.heard(e) })
	}
	return nil
}

// revocations are the tags whose tokens issued until a time are void.
type revocations struct {
	mu     sync.RWMutex
	before map[string]time.Time
}

func (r *revocations) add(tag string, before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if before.After(r.before[tag]) {
		r.before[tag] = before
	}
}

// revoked tells whether a token with these tags, issued then, is void.
func (r *revocations) revoked(issued time.Time, tags []string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, t := range tags {
		if before, ok := r.before[t]; ok && !issued.After(before) {
			return true
		}
	}
	return false
}

func (r *revocations) forget(before time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for tag, t := range r.before {
		if t.Before(before) {
			delete(r.before, tag)
		}
	}
}

// heard takes in an event of this process or another. The revocation is noted
// before the mark: whoever resolves again because of the mark must see it.
func (s *Service) heard(e Event) {
	if !e.IssuedBefore.IsZero() {
		s.revoked.add(e.Tag, e.IssuedBefore)
	}
	s.watch.mark(e.Tag)
	s.bell.ring()
	if e.Tag == keysTag {
		s.keys.forget()
	}
}

// bell rings for those who wait for changes.
type bell struct {
	mu   sync.Mutex
	next chan struct{}
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next != nil {
		close(b.next)
		b.next = nil
	}
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = make(chan struct{})
	}
	return b.next
}

// Changed is closed at the next change of anything that a token stands for, for
// those who hold on to an actor for longer than a request.
func (s *Service) Changed() <-chan struct{} { return s.bell.wait() }

// listen takes in what other processes committed since the last look.
type listener struct {
	seen map[string]time.Time
	from time.Time
}

func (s *Service) poll(ctx context.Context, l *listener) error {
	start := s.now()
	var events []Event
	err := s.db.Read(ctx, func(tx *store.Tx) (err error) {
		events, err = s.store.Events.Since(ctx, tx, l.from.Add(-pollOverlap))
		return err
	})
	if err != nil {
		return err
	}
	for _, e := range events {
		if _, known := l.seen[e.ID]; !known {
			l.seen[e.ID] = e.At
			s.heard(e)
		}
	}
	for id, at := range l.seen {
		if at.Before(start.Add(-2 * pollOverlap)) {
			delete(l.seen, id)
		}
	}
	l.from = start
	return nil
}

// loadRevocations reads what was revoked before this process began.
func (s *Service) loadRevocations(ctx context.Context) error {
	return s.db.Read(ctx, func(tx *store.Tx) error {
		events, err := s.store.Events.Revocations(ctx, tx)
		for _, e := range events {
			s.revoked.add(e.Tag, e.IssuedBefore)
		}
		return err
	})
}

// purge forgets events that concern no living token and no browser's session.
func (s *Service) purge(ctx context.Context) error {
	now := s.now()
	oldest := now.Add(-max(s.cfg.TokenTTL+s.cfg.AllowExpiredWindow, s.cfg.SessionLife) - pollOverlap)
	s.revoked.forget(oldest)
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.store.Users.PurgeUsed(ctx, tx, now); err != nil {
			return err
		}
		if err := s.store.Guesses.Purge(ctx, tx, now, now.Add(-guessWindow)); err != nil {
			return err
		}
		if err := s.Browsers.sessions.Purge(ctx, tx); err != nil {
			return err
		}
		return s.store.Events.Purge(ctx, tx, now.Add(-noticesKept), oldest)
	})
}

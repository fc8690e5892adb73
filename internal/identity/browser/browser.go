// Package browser keeps the logins of people who use the web page: a session
// each, which lasts longer than a token and makes tokens, so that a page neither
// keeps a password nor loses a half-filled form when its token ends.
//
// The browser holds a random secret in a cookie that only the session's own
// addresses see, the database its digest. A session is void by whatever voids a
// token of the login that began it: a changed password, a user or an identity
// provider that is disabled, a domain that is gone. It ends by itself when no
// token was asked for in its idle time and at the end of its whole life. All its tokens share one audit id, by which
// they end with it.
package browser

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Session is one browser's login.
type Session struct {
	ID                string // the digest of the secret that the browser holds
	UserID            string
	AuditID           string // all its tokens have it
	Methods           []string
	IdPID, ProtocolID string // of a federated login
	CreatedAt         time.Time
	SeenAt            time.Time // when its last token was made
	ExpiresAt         time.Time // however busy it is
}

// Login is what a session is made of.
type Login struct {
	UserID, AuditID   string
	Methods           []string
	IdPID, ProtocolID string
}

// Deps is what a Service needs.
type Deps struct {
	family.Base
	Sessions   *store.Table[Session]
	Idle, Life time.Duration
	// Void tells whether a revocation names the login that began a session, and
	// Tag is by what the tokens of an audit id are revoked.
	Void func(s *Session) bool
	Tag  func(auditID string) string
}

// Service keeps sessions.
type Service struct{ d Deps }

// New returns the service.
func New(d Deps) *Service { return &Service{d} }

// most is how many sessions a user may have; the oldest makes room.
const most = 50

// Begin makes a session, and returns the secret by which its browser is known.
func (s *Service) Begin(ctx context.Context, l Login) (secret string, v *Session, err error) {
	raw := make([]byte, 32)
	rand.Read(raw)
	secret = base64.RawURLEncoding.EncodeToString(raw)
	v, err = family.Write(ctx, s.d.DB, func(tx *store.Tx) (*Session, error) {
		now := s.now()
		v := &Session{
			ID: digest(secret), UserID: l.UserID, AuditID: l.AuditID, Methods: l.Methods, IdPID: l.IdPID, ProtocolID: l.ProtocolID,
			CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(s.d.Life),
		}
		have, err := s.d.Sessions.All(ctx, tx, store.Eq("user_id", l.UserID))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(have, func(a, b *Session) int { return b.CreatedAt.Compare(a.CreatedAt) })
		if len(have) >= most {
			if err := s.end(ctx, tx, have[most-1:]...); err != nil {
				return nil, err
			}
		}
		return v, s.d.Sessions.Insert(ctx, tx, v)
	})
	return secret, v, err
}

// Find returns the session of a secret.
func (s *Service) Find(ctx context.Context, secret string) (*Session, error) {
	return family.Read(ctx, s.d.DB, func(tx *store.Tx) (*Session, error) { return s.find(ctx, tx, secret) })
}

// Use is Find for one from which a token is made: its idle time begins anew. It
// and the end of a session write the same row, so that a token is either made
// before the end, which voids it, or not at all.
func (s *Service) Use(ctx context.Context, secret string) (*Session, error) {
	return family.Write(ctx, s.d.DB, func(tx *store.Tx) (*Session, error) {
		v, err := s.find(ctx, tx, secret)
		if err != nil {
			return nil, err
		}
		v.SeenAt = s.now()
		return v, s.d.Sessions.Update(ctx, tx, v)
	})
}

// Ends is when a session ends if nothing is asked of it any more; so do its tokens.
func (s *Service) Ends(v *Session) time.Time {
	if idle := v.SeenAt.Add(s.d.Idle); idle.Before(v.ExpiresAt) {
		return idle
	}
	return v.ExpiresAt
}

// End ends the session of a secret, or all of its user's, with their tokens.
func (s *Service) End(ctx context.Context, secret string, everywhere bool) error {
	return s.d.DB.Write(ctx, func(tx *store.Tx) error {
		v, err := s.find(ctx, tx, secret)
		if err != nil {
			return err
		}
		all := []*Session{v}
		if everywhere {
			if all, err = s.d.Sessions.All(ctx, tx, store.Eq("user_id", v.UserID)); err != nil {
				return err
			}
		}
		return s.end(ctx, tx, all...)
	})
}

// Purge forgets sessions that are over.
func (s *Service) Purge(ctx context.Context, tx *store.Tx) error {
	_, err := s.d.Sessions.DeleteWhere(ctx, tx, store.Or(until("expires_at", s.now()), until("seen_at", s.now().Add(-s.d.Idle))))
	return err
}

func until(field string, t time.Time) store.Cond {
	return store.Cond{Field: field, Op: store.LessEqual, Value: store.Micros(t)}
}

func (s *Service) now() time.Time { return s.d.Now().Truncate(time.Microsecond) }

func (s *Service) find(ctx context.Context, tx *store.Tx, secret string) (*Session, error) {
	v, err := s.d.Sessions.Get(ctx, tx, digest(secret))
	switch {
	case errs.Is(err, errs.NotFound):
		return nil, errs.Wrap(errs.Unauthenticated, err, over)
	case err != nil:
		return nil, err
	case !s.now().Before(s.Ends(v)) || s.d.Void(v):
		return nil, errs.New(errs.Unauthenticated, over)
	}
	return v, nil
}

const over = "The session is over: log in again."

func (s *Service) end(ctx context.Context, tx *store.Tx, all ...*Session) error {
	for _, v := range all {
		if err := s.d.Sessions.Delete(ctx, tx, v.ID); err != nil {
			return err
		}
		if err := s.d.Revoke(ctx, tx, s.d.Tag(v.AuditID)); err != nil {
			return err
		}
	}
	return nil
}

// digest is how the database knows a secret, which is long and random enough to
// need no salt.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

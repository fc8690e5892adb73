package identity

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/errs"
)

// ScopeKind says what a token is good for.
type ScopeKind byte

// The scopes.
const (
	Unscoped ScopeKind = iota
	ProjectScope
	DomainScope
	SystemScope
)

// Scope is what a token is good for: nothing in particular, one project, one
// domain, or the system.
type Scope struct {
	Kind ScopeKind
	ID   string
}

// Token is what a token says about itself. All else is looked up.
type Token struct {
	UserID        string
	Methods       []string
	Scope         Scope
	IssuedAt      time.Time
	ExpiresAt     time.Time
	AuditIDs      []string // its own, then that of the login it descends from
	TrustID       string
	AppCredID     string
	AccessTokenID string // OAuth1
	IdPID         string // federated logins
	ProtocolID    string
}

// chain is the audit id that all tokens of one login share.
func (t *Token) chain() string {
	if len(t.AuditIDs) == 0 {
		return ""
	}
	return t.AuditIDs[len(t.AuditIDs)-1]
}

// tags are what a revocation can name.
func (t *Token) tags() []string {
	tags := []string{userTag(t.UserID)}
	add := func(id string, tag func(string) string) {
		if id != "" {
			tags = append(tags, tag(id))
		}
	}
	if len(t.AuditIDs) > 0 {
		add(t.AuditIDs[0], auditTag)
	}
	add(t.chain(), chainTag)
	if t.Scope.Kind == ProjectScope || t.Scope.Kind == DomainScope {
		add(t.Scope.ID, projectTag)
	}
	add(t.TrustID, trustTag)
	add(t.AppCredID, appCredTag)
	add(t.AccessTokenID, oauth1.AccessTag)
	add(t.IdPID, federation.Tag)
	return tags
}

const tokenVersion = 1

var errToken = errors.New("not a token")

// encode writes a token in a compact form of its own: numbers as varints,
// texts with their length before them.
func (t *Token) encode() []byte {
	b := make([]byte, 0, 256)
	b = append(b, tokenVersion, byte(t.Scope.Kind))
	b = binary.AppendVarint(b, t.IssuedAt.UnixMicro())
	b = binary.AppendVarint(b, t.ExpiresAt.UnixMicro())
	for _, s := range []string{t.UserID, t.Scope.ID, t.TrustID, t.AppCredID, t.AccessTokenID, t.IdPID, t.ProtocolID} {
		b = appendText(b, s)
	}
	for _, list := range [][]string{t.Methods, t.AuditIDs} {
		b = binary.AppendUvarint(b, uint64(len(list)))
		for _, s := range list {
			b = appendText(b, s)
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

type tokenReader struct {
	b   []byte
	bad bool
}

func (r *tokenReader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *tokenReader) time() time.Time {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.bad = true
		return time.Time{}
	}
	r.b = r.b[n:]
	return time.UnixMicro(v).UTC()
}

func (r *tokenReader) count() int {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return int(v)
}

func (r *tokenReader) text() string {
	n := r.count()
	if r.bad || n > len(r.b) {
		r.bad = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}

func (r *tokenReader) list() []string {
	n := r.count()
	var out []string
	for range n {
		if r.bad {
			return nil
		}
		out = append(out, r.text())
	}
	return out
}

// decodeToken is the inverse of encode; it takes exactly what encode writes.
func decodeToken(b []byte) (*Token, error) {
	r := &tokenReader{b: b}
	version, t := r.byte(), &Token{}
	t.Scope.Kind = ScopeKind(r.byte())
	t.IssuedAt, t.ExpiresAt = r.time(), r.time()
	for _, p := range []*string{&t.UserID, &t.Scope.ID, &t.TrustID, &t.AppCredID, &t.AccessTokenID, &t.IdPID, &t.ProtocolID} {
		*p = r.text()
	}
	t.Methods, t.AuditIDs = r.list(), r.list()
	if r.bad || len(r.b) != 0 || version != tokenVersion || t.Scope.Kind > SystemScope || t.UserID == "" {
		return nil, errToken
	}
	return t, nil
}

const maxTokenLen = 4096

// openToken reads a token's text. Whatever is wrong with it gives the same error.
func (s *Service) openToken(ctx context.Context, text string) (*Token, error) {
	if len(text) > maxTokenLen {
		return nil, badToken(errToken)
	}
	b, err := s.sealer.open(ctx, tokenKey, "token", text)
	if err != nil {
		if errors.Is(err, errSeal) || errors.Is(err, errNoKey) {
			return nil, badToken(err)
		}
		return nil, err // the database is away: say so, do not call the token bad
	}
	t, err := decodeToken(b)
	if err != nil {
		return nil, badToken(err)
	}
	return t, nil
}

func badToken(err error) error {
	return errs.Wrap(errs.Unauthenticated, err, "The request you have made requires authentication.")
}

// gone refuses what rests on something that is no more. That the database is away
// says nothing about it.
func gone(err error) error {
	if errs.Is(err, errs.NotFound) {
		return badToken(err)
	}
	return err
}

func newAuditID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// opaque is random text of n characters that stand in a URL as they are. It does
// not begin with a dash: a token, whose first characters are its key's id, or a
// secret would be read as an option where a person gives it to a command.
func opaque(n int) string {
	b := make([]byte, n)
	for {
		rand.Read(b)
		if text := base64.RawURLEncoding.EncodeToString(b)[:n]; text[0] != '-' {
			return text
		}
	}
}

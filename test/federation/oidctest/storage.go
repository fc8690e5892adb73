package oidctest

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage is what the provider knows, in memory. It satisfies op.Storage.
type storage struct {
	key       *rsa.PrivateKey
	redirects []string

	mu            sync.Mutex
	subject, name string
	groups        []string
	logins        map[string]*login
	codes         map[string]string // code → login
	tokens        map[string]issued
	devices       map[string]*op.DeviceAuthorizationState // by device code
	userCodes     map[string]string                       // user code → device code
}

type issued struct {
	client, subject string
	audience        []string
}

func newStorage(t testing.TB, redirects []string) *storage {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return &storage{
		key: key, redirects: redirects, subject: Subject, name: User, groups: []string{"ops", "dev"}, logins: map[string]*login{},
		codes: map[string]string{}, tokens: map[string]issued{}, devices: map[string]*op.DeviceAuthorizationState{}, userCodes: map[string]string{},
	}
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// login is a login under way. It satisfies op.AuthRequest.
type login struct {
	id      string
	asked   oidc.AuthRequest
	subject string
	done    bool
}

func (l *login) GetID() string                      { return l.id }
func (l *login) GetACR() string                     { return "" }
func (l *login) GetAMR() []string                   { return []string{"pwd"} }
func (l *login) GetAudience() []string              { return []string{l.asked.ClientID} }
func (l *login) GetAuthTime() time.Time             { return time.Now() }
func (l *login) GetClientID() string                { return l.asked.ClientID }
func (l *login) GetNonce() string                   { return l.asked.Nonce }
func (l *login) GetRedirectURI() string             { return l.asked.RedirectURI }
func (l *login) GetScopes() []string                { return allowed(l.asked.Scopes) }
func (l *login) GetState() string                   { return l.asked.State }
func (l *login) GetSubject() string                 { return l.subject }
func (l *login) Done() bool                         { return l.done }
func (l *login) GetResponseType() oidc.ResponseType { return l.asked.ResponseType }
func (l *login) GetResponseMode() oidc.ResponseMode { return l.asked.ResponseMode }

func (l *login) GetCodeChallenge() *oidc.CodeChallenge {
	if l.asked.CodeChallenge == "" {
		return nil
	}
	return &oidc.CodeChallenge{Challenge: l.asked.CodeChallenge, Method: l.asked.CodeChallengeMethod}
}

// request is a finished login that nobody was asked for on a page.
func (s *storage) request(client string, scopes []string) *login {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &login{id: newID(), asked: oidc.AuthRequest{ClientID: client, Scopes: scopes}, subject: s.subject, done: true}
}

// finish notes that the user has logged in.
func (s *storage) finish(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.logins[id]
	if ok {
		l.subject, l.done = s.subject, true
	}
	return ok
}

// allow notes that the user has allowed a device.
func (s *storage) allow(userCode string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[s.userCodes[userCode]]
	if ok {
		d.Done, d.Subject, d.AuthTime = true, s.subject, time.Now()
	}
	return ok
}

func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := &login{id: newID(), asked: *r}
	s.logins[l.id] = l
	return l, nil
}

var errNone = errors.New("there is none")

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.logins[id]; ok {
		return l, nil
	}
	return nil, errNone
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, id)
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := issued{subject: r.GetSubject(), audience: r.GetAudience()}
	if c, ok := r.(interface{ GetClientID() string }); ok {
		t.client = c.GetClientID()
	}
	id := newID()
	s.tokens[id] = t
	return id, time.Now().Add(5 * time.Minute), nil
}

func (s *storage) CreateAccessAndRefreshTokens(context.Context, op.TokenRequest, string) (string, string, time.Time, error) {
	return "", "", time.Time{}, errNone
}

func (s *storage) TokenRequestByRefreshToken(context.Context, string) (op.RefreshTokenRequest, error) {
	return nil, errNone
}

func (s *storage) TerminateSession(context.Context, string, string) error          { return nil }
func (s *storage) RevokeToken(context.Context, string, string, string) *oidc.Error { return nil }

func (s *storage) GetRefreshTokenInfo(context.Context, string, string) (a, b string, err error) {
	return "", "", op.ErrInvalidRefreshToken
}

// signingKey and publicKey are the two halves of the provider's key.
type (
	signingKey struct{ *rsa.PrivateKey }
	publicKey  struct{ *rsa.PublicKey }
)

func (signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.RS256 }
func (k signingKey) Key() any                                  { return k.PrivateKey }
func (signingKey) ID() string                                  { return "k" }
func (publicKey) Algorithm() jose.SignatureAlgorithm           { return jose.RS256 }
func (publicKey) Use() string                                  { return "sig" }
func (k publicKey) Key() any                                   { return k.PublicKey }
func (publicKey) ID() string                                   { return "k" }

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{s.key}, nil }

func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.RS256}, nil
}

func (s *storage) KeySet(context.Context) ([]op.Key, error) {
	return []op.Key{publicKey{&s.key.PublicKey}}, nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	switch id {
	case Kumoi, Opaque, Other:
		return client{id, s.redirects}, nil
	}
	return nil, errNone
}

func (s *storage) AuthorizeClientIDSecret(ctx context.Context, id, secret string) error {
	_, err := s.ClientCredentials(ctx, id, secret)
	return err
}

func (s *storage) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	if secret != Secret {
		return nil, errors.New("wrong secret")
	}
	return s.GetClientByClientID(ctx, id)
}

func (s *storage) ClientCredentialsTokenRequest(_ context.Context, id string, scopes []string) (op.TokenRequest, error) {
	return &login{asked: oidc.AuthRequest{ClientID: id, Scopes: scopes}, subject: id, done: true}, nil
}

func (s *storage) info(u *oidc.UserInfo, subject string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Subject = subject
	if subject == s.subject {
		u.PreferredUsername, u.Email = s.name, s.name+"@corp.test"
		u.AppendClaims("groups", s.groups)
	}
}

func (s *storage) SetUserinfoFromScopes(_ context.Context, u *oidc.UserInfo, subject, _ string, _ []string) error {
	s.info(u, subject)
	return nil
}

func (s *storage) SetUserinfoFromToken(_ context.Context, u *oidc.UserInfo, _, subject, _ string) error {
	s.info(u, subject)
	return nil
}

func (s *storage) SetIntrospectionFromToken(_ context.Context, r *oidc.IntrospectionResponse, tokenID, subject, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.tokens[tokenID]
	if !ok {
		return errNone
	}
	r.Subject, r.Audience, r.ClientID = subject, t.audience, t.client
	return nil
}

func (s *storage) GetPrivateClaimsFromScopes(_ context.Context, subject, _ string, _ []string) (map[string]any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if subject != s.subject {
		return map[string]any{"preferred_username": subject}, nil
	}
	return map[string]any{"groups": s.groups}, nil // the name comes from the user info endpoint
}

func (s *storage) GetKeyByIDAndClientID(context.Context, string, string) (*jose.JSONWebKey, error) {
	return nil, errNone
}

func (s *storage) ValidateJWTProfileScopes(context.Context, string, []string) ([]string, error) {
	return nil, errNone
}

func (s *storage) Health(context.Context) error { return nil }

func (s *storage) StoreDeviceAuthorization(_ context.Context, client, deviceCode, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[deviceCode] = &op.DeviceAuthorizationState{ClientID: client, Audience: []string{client}, Scopes: scopes, Expires: expires, AMR: []string{"pwd"}}
	s.userCodes[userCode] = deviceCode
	return nil
}

func (s *storage) GetDeviceAuthorizatonState(_ context.Context, client, deviceCode string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[deviceCode]
	if !ok || d.ClientID != client {
		return nil, errNone
	}
	state := *d
	return &state, nil
}

// Sign makes a compact JWS of claims with a key of ID "k".
func Sign(t testing.TB, key jose.SigningKey, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(text)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

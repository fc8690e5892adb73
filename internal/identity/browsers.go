package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/identity/browser"
	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/store"
)

// BrowserSession is a browser's login as its page sees it.
type BrowserSession struct {
	User      User
	Domain    Project
	ExpiresAt time.Time // if nothing is asked of it any more
}

// BrowserScopes are what the user of a session may get tokens for.
type BrowserScopes struct {
	Projects, Domains []Project
	DomainNames       map[string]string // of the projects' domains
	System            bool
}

// Provider is an identity provider at which a browser can log in.
type Provider struct{ IdP, Protocol, Name string }

// browserProof is a proof that rests on a browser's session.
type browserProof struct {
	session *browser.Session
	until   time.Time
}

// bind ties a token to the session that makes it.
func (b *browserProof) bind(t *Token) {
	t.IssuedAt = b.session.SeenAt // so that the session's end, which comes later, voids it
	t.AuditIDs = append(t.AuditIDs, b.session.AuditID)
	if b.until.Before(t.ExpiresAt) {
		t.ExpiresAt = b.until
	}
}

// Login begins a session for whoever proves to be a user. It returns the secret
// that the browser keeps.
func (f *Browsers) Login(ctx context.Context, r AuthRequest) (string, *BrowserSession, error) {
	r.Scope = ScopeRequest{Unscoped: true}
	issued, err := f.s.Login(ctx, r)
	if err != nil {
		return "", nil, err
	}
	return f.begin(ctx, issued.Session)
}

func (f *Browsers) begin(ctx context.Context, se *Session) (string, *BrowserSession, error) {
	t := se.Token
	secret, v, err := f.sessions.Begin(ctx, browser.Login{
		UserID: t.UserID, AuditID: t.chain(), Methods: t.Methods, IdPID: t.IdPID, ProtocolID: t.ProtocolID,
	})
	if err != nil {
		return "", nil, err
	}
	return secret, &BrowserSession{User: se.User, Domain: se.UserDomain, ExpiresAt: f.sessions.Ends(v)}, nil
}

// Show tells whose a session is.
func (f *Browsers) Show(ctx context.Context, secret string) (*BrowserSession, error) {
	v, err := f.sessions.Find(ctx, secret)
	if err != nil {
		return nil, err
	}
	l, err := f.s.loginUser(ctx, v.UserID)
	if err != nil {
		return nil, err
	}
	return &BrowserSession{User: l.user, Domain: l.domain, ExpiresAt: f.sessions.Ends(v)}, nil
}

// Token makes a token of a session. The further factors that its login needed
// count for as long as it lasts.
func (f *Browsers) Token(ctx context.Context, secret string, want ScopeRequest) (*Issued, error) {
	v, err := f.sessions.Use(ctx, secret)
	if err != nil {
		return nil, err
	}
	r := AuthRequest{Methods: v.Methods, claimed: Ref{ID: v.UserID}}
	issued, err := f.token(ctx, v, want)
	return issued, f.s.auditLogin(ctx, r, issued, err)
}

func (f *Browsers) token(ctx context.Context, v *browser.Session, want ScopeRequest) (*Issued, error) {
	l, err := f.s.loginUser(ctx, v.UserID)
	if err != nil {
		return nil, err
	}
	if err := f.s.passwords.unexpired(l.user); err != nil {
		return nil, err
	}
	return f.s.issue(ctx, &proof{
		user: l, methods: v.Methods, idp: v.IdPID, proto: v.ProtocolID, browser: &browserProof{v, f.sessions.Ends(v)},
	}, want)
}

// Scopes lists what the user of a session may get tokens for.
func (f *Browsers) Scopes(ctx context.Context, secret string) (*BrowserScopes, error) {
	se, err := f.Show(ctx, secret)
	if err != nil {
		return nil, err
	}
	ctx = asUser(ctx, se.User)
	out := &BrowserScopes{DomainNames: map[string]string{}}
	if out.Projects, err = f.s.Scopes.Projects(ctx); err != nil {
		return nil, err
	}
	if out.Domains, err = f.s.Scopes.Domains(ctx); err != nil {
		return nil, err
	}
	if out.System, err = f.s.Scopes.System(ctx); err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range out.Projects {
		if !slices.Contains(ids, p.DomainID) {
			ids = append(ids, p.DomainID)
		}
	}
	domains, err := family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Project, error) {
		return family.Find(ctx, tx, f.s.store.Projects.Table, store.In("id", ids))
	})
	for _, d := range domains {
		out.DomainNames[d.ID] = d.Name
	}
	return out, err
}

// Logout ends a session, or all of its user's, with their tokens.
func (f *Browsers) Logout(ctx context.Context, secret string, everywhere bool) error {
	v, err := f.sessions.Find(ctx, secret)
	if err != nil {
		return err
	}
	a := *actor.From(ctx)
	a.UserID = v.UserID
	return f.sessions.End(actor.With(ctx, &a), secret, everywhere)
}

// Providers are the identity providers at which a browser can log in here.
func (f *Browsers) Providers(ctx context.Context) ([]Provider, error) {
	if f.s.sso == nil && f.s.saml == nil {
		return nil, nil
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Provider, error) {
		enabled, err := family.Find(ctx, tx, f.s.store.Federation.IdPs, store.Eq("enabled", true))
		if err != nil {
			return nil, err
		}
		spoken, err := family.Find(ctx, tx, f.s.store.Federation.Protocols)
		if err != nil {
			return nil, err
		}
		var out []Provider
		for _, p := range spoken {
			i := slices.IndexFunc(enabled, func(idp federation.IdentityProvider) bool { return idp.ID == p.IdPID })
			if i < 0 || !f.s.SSO.reaches(p.IdPID, p.ID) {
				continue
			}
			name := enabled[i].Description
			if name == "" {
				name = p.IdPID
			}
			out = append(out, Provider{p.IdPID, p.ID, name})
		}
		slices.SortFunc(out, func(a, b Provider) int { return compare(a.IdP+"/"+a.Protocol, b.IdP+"/"+b.Protocol) })
		return out, nil
	})
}

package identity

import (
	"context"
	"slices"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// The login methods.
const (
	PasswordMethod = "password"
	TokenMethod    = "token"
	AppCredMethod  = "application_credential"
	TOTPMethod     = "totp"
	OAuth1Method   = "oauth1"
	MappedMethod   = "mapped"
	EC2Method      = actor.EC2Method
	trustMark      = "trust" // in a token's methods: it came from a trust
)

// Ref names something by its id, or by its name within a domain.
type Ref struct {
	ID, Name             string
	DomainID, DomainName string
}

// AuthRequest is a request to log in.
type AuthRequest struct {
	Methods  []string
	Password *PasswordAuth
	Token    string
	AppCred  *AppCredAuth
	TOTP     *PasswordAuth // the passcode in place of a password
	OAuth1   *oauth1.Request
	Receipt  string
	Scope    ScopeRequest

	claimed Ref // the user that the request speaks of, for the audit trail
}

// PasswordAuth is a user's name and secret.
type PasswordAuth struct {
	User   Ref
	Secret string
}

// AppCredAuth is an application credential and its secret.
type AppCredAuth struct {
	ID, Name string
	User     Ref
	Secret   string
}

// ScopeRequest says what the token should be good for; the zero value lets the
// user's default project decide.
type ScopeRequest struct {
	Unscoped bool
	System   bool
	Project  *Ref
	Domain   *Ref
	TrustID  string
}

func (r ScopeRequest) none() bool { return r == ScopeRequest{} }

// Issued is a fresh token with what it stands for.
type Issued struct {
	*Session
	Text string
}

// loginUser is what a password check needs to know about a user.
type loginUser struct {
	user   User
	domain Project
	bounds []Bound // of guesses, that are reached
}

// proof is what one or more methods have established.
type proof struct {
	user    loginUser
	methods []string
	parent  *Session // of the token method
	appCred *AppCredential
	oauth   *oauth1.Token
	idp     string
	proto   string
	browser *browserProof
}

// Login checks who asks and issues a token for the scope asked for.
func (s *Service) Login(ctx context.Context, r AuthRequest) (*Issued, error) {
	issued, err := s.login(ctx, &r)
	return issued, s.auditLogin(ctx, r, issued, err)
}

func (s *Service) login(ctx context.Context, r *AuthRequest) (*Issued, error) {
	p, err := s.prove(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := s.enoughMethods(ctx, r, p); err != nil {
		return nil, err
	}
	if slices.Equal(p.methods, []string{TOTPMethod}) && !s.cfg.TOTPAlone {
		return nil, family.Unauthorized("a one-time code counts beside another method only")
	}
	return s.issue(ctx, p, r.Scope)
}

// prove runs every method of a request; all must speak of the same user.
func (s *Service) prove(ctx context.Context, r *AuthRequest) (*proof, error) {
	p := &proof{}
	if r.Receipt != "" {
		if err := s.useReceipt(ctx, r.Receipt, p); err != nil {
			return nil, err
		}
	}
	for _, m := range lastTOTP(r.Methods) {
		var err error
		var next proof
		switch {
		case m == PasswordMethod && r.Password != nil:
			next.user, err = s.checkPassword(ctx, r.Password)
		case (m == TokenMethod || m == MappedMethod) && r.Token != "": // "mapped" with a token asks for a scope
			err = s.checkToken(ctx, r.Token, &next)
		case m == AppCredMethod && r.AppCred != nil:
			err = s.AppCredentials.prove(ctx, r.AppCred, &next)
		case m == TOTPMethod && r.TOTP != nil:
			next.user, err = s.codes.check(ctx, r.TOTP, p)
		case m == OAuth1Method && r.OAuth1 != nil:
			err = s.checkOAuth1(ctx, r.OAuth1, &next)
		default:
			err = family.Unauthorized("the method " + m + " is not offered here, or its data is missing")
		}
		r.claim(next)
		if err != nil {
			return nil, err
		}
		if err := p.merge(next, m); err != nil {
			return nil, err
		}
	}
	if len(p.methods) == 0 {
		return nil, family.Unauthorized("no method was given")
	}
	return p, nil
}

// lastTOTP puts the one-time code behind the other methods: who fails at those
// has no guess at it.
func lastTOTP(methods []string) []string {
	rest := slices.DeleteFunc(slices.Clone(methods), func(m string) bool { return m == TOTPMethod })
	if len(rest) < len(methods) {
		rest = append(rest, TOTPMethod)
	}
	return rest
}

// claim notes whom a request speaks of, as far as a method has found out.
func (r *AuthRequest) claim(p proof) {
	switch u := p.user.user; {
	case u.ID != "":
		r.claimed = Ref{ID: u.ID, Name: u.Name, DomainID: u.DomainID}
	case r.claimed != Ref{}:
	case r.Password != nil:
		r.claimed = r.Password.User
	case r.TOTP != nil:
		r.claimed = r.TOTP.User
	case r.AppCred != nil:
		r.claimed = r.AppCred.User
	}
}

func (p *proof) merge(next proof, method string) error {
	if p.user.user.ID != "" && p.user.user.ID != next.user.user.ID {
		return family.Unauthorized("the methods speak of different users")
	}
	p.user = next.user
	if next.parent != nil {
		p.parent = next.parent
		for _, m := range next.parent.Token.Methods {
			p.addMethod(m)
		}
	}
	if next.appCred != nil {
		p.appCred = next.appCred
	}
	if next.oauth != nil {
		p.oauth = next.oauth
	}
	p.addMethod(method)
	return nil
}

func (p *proof) addMethod(m string) {
	if !slices.Contains(p.methods, m) {
		p.methods = append(p.methods, m)
	}
}

// checkToken lets a token stand for the login it came from. Tokens of
// delegations stay what they are: they do not turn into anything else. One that
// is no good is not found, as Keystone has it.
func (s *Service) checkToken(ctx context.Context, text string, p *proof) error {
	parent, err := s.session(ctx, text, 0)
	if errs.Is(err, errs.Unauthenticated) {
		return errs.Wrap(errs.NotFound, err, "Failed to validate token.")
	}
	if err != nil {
		return err
	}
	if parent.Actor.Delegated() {
		return errs.New(errs.Forbidden, "A token that was delegated cannot be exchanged for another.")
	}
	p.parent = parent
	p.user = loginUser{user: parent.User, domain: parent.UserDomain}
	p.idp, p.proto = parent.Token.IdPID, parent.Token.ProtocolID
	return nil
}

// issue makes the token, if the user may have the scope.
func (s *Service) issue(ctx context.Context, p *proof, want ScopeRequest) (*Issued, error) {
	now := s.now().Truncate(time.Microsecond)
	t := Token{
		UserID: p.user.user.ID, Methods: p.methods, IssuedAt: now, ExpiresAt: now.Add(s.cfg.TokenTTL),
		AuditIDs: []string{newAuditID()}, IdPID: p.idp, ProtocolID: p.proto,
	}
	if p.parent != nil {
		t.ExpiresAt = p.parent.Token.ExpiresAt
		t.AuditIDs = append(t.AuditIDs, p.parent.Token.chain())
		t.IdPID, t.ProtocolID = p.parent.Token.IdPID, p.parent.Token.ProtocolID
	}
	if b := p.browser; b != nil {
		b.bind(&t)
	}
	var err error
	switch {
	case p.appCred != nil:
		err = s.AppCredentials.scope(&t, p.appCred, want)
	case p.oauth != nil:
		t.AccessTokenID, t.Scope = p.oauth.ID, Scope{ProjectScope, p.oauth.ProjectID}
	case want.TrustID != "":
		err = s.Trusts.scope(ctx, &t, want.TrustID)
	default:
		err = s.plainScope(ctx, &t, p, want)
	}
	if err != nil {
		return nil, err
	}
	session, err := s.resolve(ctx, t)
	if err != nil {
		return nil, err
	}
	if t.TrustID != "" {
		if err := s.Trusts.spend(ctx, t.TrustID); err != nil {
			return nil, err
		}
	}
	text, err := s.sealer.seal(ctx, tokenKey, "token", t.encode())
	if err != nil {
		return nil, err
	}
	return &Issued{Session: session, Text: text}, nil
}

// plainScope turns the requested scope into ids. A scope that does not exist
// and one that the user has no role on look the same.
func (s *Service) plainScope(ctx context.Context, t *Token, p *proof, want ScopeRequest) error {
	switch {
	case want.Unscoped:
		return nil
	case want.System:
		t.Scope = Scope{SystemScope, TheSystem}
		return nil
	case want.Project != nil:
		id, err := s.findProject(ctx, *want.Project)
		t.Scope = Scope{ProjectScope, id}
		return err
	case want.Domain != nil:
		id, err := s.findDomain(ctx, *want.Domain)
		t.Scope = Scope{DomainScope, id}
		return err
	}
	// Nothing was asked for: the default project, if it can be had.
	if id := p.user.user.DefaultProjectID; id != "" && p.parent == nil {
		try := *t
		try.Scope = Scope{ProjectScope, id}
		_, err := s.principal(ctx, &try)
		switch {
		case err == nil:
			t.Scope = try.Scope
		case !errs.Is(err, errs.NotFound) && !errs.Is(err, errs.Unauthenticated) && !errs.Is(err, errs.Forbidden):
			return err
		}
	}
	return nil
}

// findDomain returns the id of the domain a Ref names.
func (s *Service) findDomain(ctx context.Context, r Ref) (string, error) {
	if r.ID != "" {
		return plainID(r.ID), nil
	}
	return s.byName(ctx, "domain:"+r.Name, func(tx *store.Tx) (string, error) {
		d, err := byName(ctx, tx, s.store.Projects.Table, "", r.Name)
		return d.ID, err
	}, projectTag)
}

func (s *Service) findProject(ctx context.Context, r Ref) (string, error) {
	if r.ID != "" {
		return plainID(r.ID), nil
	}
	domain, err := s.findDomain(ctx, Ref{ID: r.DomainID, Name: r.DomainName})
	if err != nil {
		return "", err
	}
	return s.byName(ctx, "project:"+domain+":"+r.Name, func(tx *store.Tx) (string, error) {
		p, err := byName(ctx, tx, s.store.Projects.Table, domain, r.Name)
		return p.ID, err
	}, projectTag)
}

func (s *Service) findUser(ctx context.Context, r Ref) (string, error) {
	if r.ID != "" {
		return plainID(r.ID), nil
	}
	domain, err := s.findDomain(ctx, Ref{ID: r.DomainID, Name: r.DomainName})
	if err != nil {
		return "", err
	}
	find := func(tx *store.Tx) (string, error) {
		u, err := byName(ctx, tx, s.store.Users.Table, domain, r.Name)
		return u.ID, err
	}
	id, err := s.byName(ctx, "user:"+domain+":"+r.Name, find, userTag)
	if !errs.Is(err, errs.Unauthenticated) {
		return id, err
	}
	// Perhaps the domain's directory has a new user.
	if merr := s.directories.mirror(ctx, domain, mirrorMinAge); merr != nil {
		return "", merr
	}
	return s.byName(ctx, "user:"+domain+":"+r.Name, find, userTag)
}

// byName looks a name up and remembers its id until what has the id changes.
// That a name is not taken is never remembered.
func (s *Service) byName(ctx context.Context, key string, find func(tx *store.Tx) (string, error), tag func(string) string) (string, error) {
	if id, ok := s.names.get(key); ok {
		return id, nil
	}
	at := s.watch.now()
	id, err := family.Read(ctx, s.db, find)
	if errs.Is(err, errs.NotFound) {
		return "", badToken(err)
	}
	if err == nil {
		s.names.put(key, id, at, []string{tag(id)})
	}
	return id, err
}

// loginUser reads what a login must know about an enabled user.
func (s *Service) loginUser(ctx context.Context, id string) (loginUser, error) {
	if l, ok := s.logins.get(id); ok {
		return *l, nil
	}
	at := s.watch.now()
	l, err := family.Read(ctx, s.db, func(tx *store.Tx) (*loginUser, error) {
		u, d, err := s.resolver.enabledUser(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		reached, err := s.guesses.bounds(ctx, tx, id)
		return &loginUser{u, d, reached}, err
	})
	if err != nil {
		return loginUser{}, gone(err)
	}
	s.logins.put(id, l, at, []string{userTag(id), loginTag(id), projectTag(l.domain.ID)})
	return *l, nil
}

// checkPassword finds the user and compares. Every way to fail takes the time
// of a comparison and answers the same.
func (s *Service) checkPassword(ctx context.Context, a *PasswordAuth) (loginUser, error) {
	id, err := s.findUser(ctx, a.User)
	var l loginUser
	if err == nil {
		l, err = s.loginUser(ctx, id)
	}
	if err != nil {
		if !errs.Is(err, errs.Unauthenticated) {
			return l, err
		}
		if perr := s.hasher.pretend(ctx, a.Secret); perr != nil {
			return l, perr
		}
		return l, family.Unauthorized(reason(err))
	}
	if err := s.passwords.verify(ctx, &l, a.Secret); err != nil {
		return l, err
	}
	return l, nil
}

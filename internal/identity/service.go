package identity

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/family"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/limit"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/logx"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Deps is what a Service needs.
type Deps struct {
	DB     *store.DB
	Store  Store // sqlstore.New()
	Policy *policy.Engine
	// MasterKey seals the keys that the database holds; LoadMasterKey keeps it in a file.
	MasterKey [32]byte
	Log       *slog.Logger
	Audit     *audit.Trail     // may be nil
	Events    *event.Log       // may be nil
	SSO       SingleSignOn     // may be nil: no OpenID Connect
	SAML      SAML             // may be nil: no SAML
	Directory Directory        // may be nil: no domain mirrors a directory
	Clock     func() time.Time // nil: the system's
	Config    Config
}

// Service is identity. Make it with New, Start it, and Stop it.
type Service struct {
	// The families, each with its use cases.
	Catalog        *catalog.Catalog
	Federation     *federation.Service
	Limit          *limit.Service
	OAuth1         *oauth1.Service
	Groups         *Groups
	Roles          *Roles
	Projects       *Projects
	Domains        *Domains
	Users          *Users
	Credentials    *Credentials
	Trusts         *Trusts
	AppCredentials *AppCredentials
	AccessRules    *AccessRules
	Assignments    *Assignments
	Grants         *Grants
	Tokens         *Tokens
	Scopes         *Scopes
	DomainConfigs  *DomainConfigs
	SSO            *SSO
	Signatures     *Signatures
	Browsers       *Browsers

	passwords   *passwords
	guesses     *guesses
	codes       *oneTimeCodes
	directories *directories
	shadows     *shadows
	sealer      *sealer
	resolver    *resolver
	founder     *founder

	db      *store.DB
	base    family.Base // what the families have of it
	store   Store
	policy  *policy.Engine
	log     *slog.Logger
	audit   *audit.Trail
	events  *event.Log
	now     func() time.Time
	cfg     Config
	keys    *keyring
	hasher  *hasher
	watch   *watch
	revoked *revocations
	bell    bell
	sso     SingleSignOn
	saml    SAML

	directory Directory
	mirrors   mirrors
	configs   *memo[DomainConfig] // by domain, with secrets

	sessions   *memo[*Session]   // by digest of the token
	principals *memo[*principal] // by user and scope
	logins     *memo[*loginUser] // by user id
	names      *memo[string]     // name → id of users, projects and domains
	catalogs   *memo[[]catalog.Item]
	rendered   *memo[[]byte] // catalogues as a client sees them
	providers  *memo[[]federation.ServiceProvider]

	stop context.CancelFunc
	done sync.WaitGroup
}

// New returns a service and registers its policies.
func New(d Deps) (*Service, error) {
	if err := d.Config.setDefaults(); err != nil {
		return nil, err
	}
	keys, err := newKeyring(d.MasterKey)
	if err != nil {
		return nil, err
	}
	if d.Clock == nil {
		d.Clock = time.Now
	}
	if err := d.Policy.Register(Policies()...); err != nil {
		return nil, err
	}
	w := newWatch()
	s := &Service{
		db: d.DB, store: d.Store, policy: d.Policy, log: logx.Or(d.Log), audit: d.Audit, events: d.Events,
		now: func() time.Time { return d.Clock().UTC() }, cfg: d.Config, keys: keys, sso: d.SSO, saml: d.SAML,
		directory: d.Directory, mirrors: mirrors{read: map[string]time.Time{}}, configs: newMemo[DomainConfig](w, 1000),
		hasher:     newHasher(d.Config.argon(), d.Config.PasswordMemory),
		watch:      w,
		revoked:    &revocations{before: map[string]time.Time{}},
		sessions:   newMemo[*Session](w, d.Config.CacheSize),
		principals: newMemo[*principal](w, d.Config.CacheSize),
		logins:     newMemo[*loginUser](w, d.Config.CacheSize),
		names:      newMemo[string](w, d.Config.CacheSize),
		catalogs:   newMemo[[]catalog.Item](w, d.Config.CacheSize),
		rendered:   newMemo[[]byte](w, maxRendered),
		providers:  newMemo[[]federation.ServiceProvider](w, 1),
	}
	s.base = family.Base{DB: s.db, Now: s.now, ListLimit: s.cfg.ListLimit, Check: s.check, Noted: s.noted, Changed: s.changed, Revoke: s.revoke}
	s.Catalog, s.Federation, s.OAuth1 = s.newCatalog(), s.newFederation(), s.newOAuth1()
	s.Limit = s.newLimit() // which asks the catalogue
	s.Groups, s.Roles, s.Users, s.Projects, s.Domains = &Groups{s}, &Roles{s}, &Users{s}, &Projects{s}, &Domains{s}
	s.Credentials, s.Trusts = &Credentials{s}, &Trusts{s}
	s.AppCredentials, s.AccessRules = &AppCredentials{s: s}, &AccessRules{s: s}
	s.Assignments, s.Grants, s.Tokens, s.Scopes = &Assignments{s}, &Grants{s}, &Tokens{s}, &Scopes{s}
	s.DomainConfigs, s.SSO, s.Signatures = &DomainConfigs{s}, &SSO{s}, &Signatures{s}
	s.Browsers = &Browsers{s, s.newBrowsers()}
	s.passwords, s.guesses, s.codes = &passwords{s}, &guesses{s}, &oneTimeCodes{s}
	s.directories, s.shadows = &directories{s}, &shadows{s}
	s.sealer, s.resolver, s.founder = &sealer{s}, &resolver{s}, &founder{s}
	return s, nil
}

// Start reads what was revoked and follows what other processes change. The
// schema must be there. ctx bounds the start alone; Stop ends the rest.
func (s *Service) Start(ctx context.Context) error {
	from := s.now()
	if err := s.loadRevocations(ctx); err != nil {
		return err
	}
	if err := s.sealer.load(ctx); err != nil {
		return err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = cancel
	s.done.Go(func() { s.follow(run, &listener{seen: map[string]time.Time{}, from: from}) })
	return nil
}

// Stop waits for what Start began.
func (s *Service) Stop() {
	if s.stop != nil {
		s.stop()
		s.done.Wait()
	}
}

func (s *Service) follow(ctx context.Context, l *listener) {
	look, clean := time.NewTicker(pollEvery), time.NewTicker(purgeEvery)
	defer look.Stop()
	defer clean.Stop()
	failing := false
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			err = s.poll(ctx, l)
		case <-clean.C:
			err = s.purge(ctx)
		}
		if err != nil && ctx.Err() == nil && !failing {
			s.log.Warn("identity cannot follow changes", "error", err)
		}
		failing = err != nil
	}
}

// check asks the policy; every use case begins with it.
func (s *Service) check(ctx context.Context, rule string, target policy.Target) error {
	return s.policy.Check(ctx, rule, target)
}

// Authenticate turns a token into its actor; the gateway calls it for every
// request. A valid service token lets an expired user token pass for a while.
func (s *Service) Authenticate(ctx context.Context, token, serviceToken string) (*actor.Actor, error) {
	var serviceRoles []string
	if serviceToken != "" {
		if svc, err := s.session(ctx, serviceToken, 0); err == nil {
			serviceRoles = svc.Actor.Roles
		} else if !errs.Is(err, errs.Unauthenticated) {
			return nil, err
		}
	}
	var grace time.Duration
	for _, r := range serviceRoles {
		if r == serviceRole {
			grace = s.cfg.AllowExpiredWindow
		}
	}
	session, err := s.session(ctx, token, grace)
	if err != nil {
		return nil, err
	}
	if serviceRoles == nil {
		return session.Actor, nil
	}
	a := *session.Actor
	a.ServiceRoles = serviceRoles
	return &a, nil
}

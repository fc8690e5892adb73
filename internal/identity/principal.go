package identity

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"kumoi/internal/identity/family"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// principal is a user in a scope with the roles held there: what all tokens of
// the same user, scope and delegation share.
type principal struct {
	User          User
	UserDomain    Project
	Project       *Project // project scope
	ProjectDomain Project
	Domain        *Project // domain scope
	System        bool
	Roles         []Role
	Trust         *Trust
	AppCred       *AppCredential
	AccessToken   *oauth1.Token
	GroupIDs      []string
	tags          []string
	until         time.Time // when a membership that an identity provider vouches for ends; zero: none does
}

// ended tells whether time alone has changed who the principal is.
func (p *principal) ended(now func() time.Time) bool {
	return !p.until.IsZero() && !now().Before(p.until)
}

// Session is what a valid token stands for at this moment.
type Session struct {
	*principal
	Token Token
	Actor *actor.Actor
	tags  []string
	views views
}

// views are what was rendered of a session, by what they depend on beside it.
type views struct {
	mu   sync.RWMutex
	text map[string][]byte
}

// maxViews keeps a client that makes up addresses from filling the memory.
const maxViews = 8

// View remembers what render makes of a session. A session is thrown away when
// anything it holds changes, the catalogue included, and its views with it.
func (se *Session) View(key string, render func() ([]byte, error)) ([]byte, error) {
	se.views.mu.RLock()
	b, ok := se.views.text[key]
	se.views.mu.RUnlock()
	if ok {
		return b, nil
	}
	b, err := render()
	if err != nil {
		return nil, err
	}
	se.views.mu.Lock()
	defer se.views.mu.Unlock()
	if se.views.text == nil {
		se.views.text = map[string][]byte{}
	}
	if len(se.views.text) < maxViews {
		se.views.text[key] = b
	}
	return b, nil
}

// session finds what a token stands for. grace lets it be expired that long.
func (s *Service) session(ctx context.Context, text string, grace time.Duration) (*Session, error) {
	sum := sha256.Sum256([]byte(text))
	key := string(sum[:])
	session, ok := s.sessions.get(key)
	if !ok || session.ended(s.now) {
		t, err := s.openToken(ctx, text)
		if err != nil {
			return nil, err
		}
		at := s.watch.now()
		if session, err = s.resolve(ctx, *t); err != nil {
			return nil, err
		}
		s.sessions.put(key, session, at, session.tags)
	}
	if !s.now().Before(session.Token.ExpiresAt.Add(grace)) {
		return nil, errs.New(errs.Unauthenticated, "The request you have made requires authentication.").WithCode("expired")
	}
	return session, nil
}

// resolve looks up what a token stands for; a token that stands for nothing
// (any more) is Unauthenticated.
func (s *Service) resolve(ctx context.Context, t Token) (*Session, error) {
	p, err := s.principal(ctx, &t)
	if err != nil {
		if kind := errs.KindOf(err); kind == errs.NotFound || kind == errs.Forbidden || kind == errs.Unauthenticated {
			return nil, badToken(err)
		}
		return nil, err
	}
	session := &Session{principal: p, Token: t, tags: append(slices.Concat(p.tags, t.tags()), family.CatalogTag)}
	if s.revoked.revoked(t.IssuedAt, session.tags) {
		return nil, badToken(errors.New("the token is revoked"))
	}
	session.Actor = session.actor()
	return session, nil
}

// principal finds or remembers a token's user, scope and roles.
func (s *Service) principal(ctx context.Context, t *Token) (*principal, error) {
	key := strings.Join([]string{t.UserID, string(rune('0' + t.Scope.Kind)), t.Scope.ID, t.TrustID, t.AppCredID, t.AccessTokenID}, "|")
	if p, ok := s.principals.get(key); ok && !p.ended(s.now) {
		return p, nil
	}
	at := s.watch.now()
	p, err := family.Read(ctx, s.db, func(tx *store.Tx) (*principal, error) { return s.resolver.load(ctx, tx, t) })
	if err != nil {
		return nil, err
	}
	s.principals.put(key, p, at, p.tags)
	return p, nil
}

func denied(format string, args ...any) error {
	return errs.New(errs.Unauthenticated, format, args...)
}

func (f *resolver) load(ctx context.Context, tx *store.Tx, t *Token) (*principal, error) {
	p := &principal{}
	var err error
	if p.User, p.UserDomain, err = f.enabledUser(ctx, tx, t.UserID); err != nil {
		return nil, err
	}
	p.tags = []string{userTag(p.User.ID), projectTag(p.UserDomain.ID), rolesTag}
	if p.GroupIDs, err = f.s.store.Groups.IDsOfUser(ctx, tx, p.User.ID, f.s.now()); err != nil {
		return nil, err
	}
	for _, g := range p.GroupIDs {
		p.tags = append(p.tags, groupTag(g))
	}
	if p.User.Kind == Federated {
		if p.until, err = f.s.store.Groups.NextExpiry(ctx, tx, p.User.ID, f.s.now()); err != nil {
			return nil, err
		}
	}
	switch t.Scope.Kind {
	case Unscoped:
		return p, nil
	case ProjectScope:
		err = f.project(ctx, tx, p, t)
	case DomainScope:
		err = f.domain(ctx, tx, p, t.Scope.ID)
	case SystemScope:
		p.System = true
		p.Roles, err = f.rolesOnSystem(ctx, tx, p)
	}
	if err == nil && len(p.Roles) == 0 {
		err = denied("User %s has no access to %s.", t.UserID, t.Scope)
	}
	return p, err
}

func (sc Scope) String() string {
	switch sc.Kind {
	case ProjectScope:
		return "project " + sc.ID
	case DomainScope:
		return "domain " + sc.ID
	case SystemScope:
		return "the system"
	}
	return "nothing"
}

// enabledUser finds a user who, with his domain, is enabled.
func (f *resolver) enabledUser(ctx context.Context, tx *store.Tx, id string) (User, Project, error) {
	u, err := family.Get(ctx, tx, f.s.store.Users.Table, id)
	if err != nil {
		return u, Project{}, err
	}
	d, err := family.Get(ctx, tx, f.s.store.Projects.Table, u.DomainID)
	if err != nil {
		return u, d, err
	}
	if !u.Enabled {
		return u, d, denied("User is disabled: %s.", u.ID)
	}
	if !d.Enabled {
		return u, d, denied("Domain is disabled: %s.", d.ID)
	}
	return u, d, nil
}

func (f *resolver) project(ctx context.Context, tx *store.Tx, p *principal, t *Token) error {
	project, err := family.Get(ctx, tx, f.s.store.Projects.Table, t.Scope.ID)
	if err != nil {
		return err
	}
	p.Project, p.ProjectDomain = &project, project
	p.tags = append(p.tags, projectTag(project.ID))
	if !project.IsDomain {
		if p.ProjectDomain, err = family.Get(ctx, tx, f.s.store.Projects.Table, project.DomainID); err != nil {
			return err
		}
	}
	for id := range strings.SplitSeq(strings.TrimSuffix(project.Path, "/"), "/") {
		p.tags = append(p.tags, projectTag(id)) // inherited roles come from there
	}
	if !project.Enabled || !p.ProjectDomain.Enabled {
		return denied("Project is disabled: %s.", project.ID)
	}
	switch {
	case t.TrustID != "":
		return f.s.Trusts.principal(ctx, tx, p, t.TrustID)
	case t.AccessTokenID != "":
		return f.accessToken(ctx, tx, p, t.AccessTokenID)
	}
	if p.Roles, err = f.rolesOnProject(ctx, tx, p.User.ID, p.GroupIDs, project); err != nil {
		return err
	}
	if t.AppCredID != "" {
		return f.s.AppCredentials.principal(ctx, tx, p, t.AppCredID)
	}
	return nil
}

func (f *resolver) domain(ctx context.Context, tx *store.Tx, p *principal, id string) error {
	d, err := family.Get(ctx, tx, f.s.store.Projects.Table, id)
	if err != nil {
		return err
	}
	p.Domain = &d
	p.tags = append(p.tags, projectTag(id))
	if !d.IsDomain || !d.Enabled {
		return denied("Domain is disabled: %s.", id)
	}
	no := false
	rows, err := f.s.store.Assignments.List(ctx, tx, AssignmentFilter{ActorIDs: p.actors(), TargetKind: DomainTarget, TargetIDs: []string{id}, Inherited: &no})
	if err != nil {
		return err
	}
	p.Roles, err = f.expand(ctx, tx, roleIDs(rows))
	return err
}

func (f *resolver) rolesOnSystem(ctx context.Context, tx *store.Tx, p *principal) ([]Role, error) {
	rows, err := f.s.store.Assignments.List(ctx, tx, AssignmentFilter{ActorIDs: p.actors(), TargetKind: SystemTarget})
	if err != nil {
		return nil, err
	}
	return f.expand(ctx, tx, roleIDs(rows))
}

func (p *principal) actors() []string { return append([]string{p.User.ID}, p.GroupIDs...) }

// rolesOnProject returns the roles of a user and his groups on a project:
// given on it, or given above it to be inherited, and all that those imply.
func (f *resolver) rolesOnProject(ctx context.Context, tx *store.Tx, userID string, groupIDs []string, p Project) ([]Role, error) {
	above := strings.Split(strings.TrimSuffix(p.Path, "/"), "/")
	rows, err := f.s.store.Assignments.List(ctx, tx, AssignmentFilter{ActorIDs: append([]string{userID}, groupIDs...), TargetIDs: above})
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(rows, func(a Assignment) bool {
		if a.TargetID == p.ID {
			return a.Inherited || a.TargetKind != ProjectTarget
		}
		return !a.Inherited
	})
	return f.expand(ctx, tx, roleIDs(rows))
}

func roleIDs(rows []Assignment) []string {
	ids := make([]string, 0, len(rows))
	for _, a := range rows {
		if !slices.Contains(ids, a.RoleID) {
			ids = append(ids, a.RoleID)
		}
	}
	return ids
}

// expand adds the implied roles and drops those of domains, which exist only
// to imply others.
func (f *resolver) expand(ctx context.Context, tx *store.Tx, ids []string) ([]Role, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rules, err := f.s.store.Roles.Implied(ctx, tx)
	if err != nil {
		return nil, err
	}
	ids = closure(ids, rules)
	roles, err := family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", ids))
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(roles, func(r Role) bool { return r.DomainID != "" }), nil
}

// closure returns ids and all that they imply.
func closure(ids []string, rules []ImpliedRole) []string {
	out := slices.Clone(ids)
	for i := 0; i < len(out); i++ {
		for _, r := range rules {
			if r.PriorID == out[i] && !slices.Contains(out, r.ImpliedID) {
				out = append(out, r.ImpliedID)
			}
		}
	}
	return out
}

// actor is the session as the rest of Kumoi sees it.
func (se *Session) actor() *actor.Actor {
	a := &actor.Actor{
		UserID: se.User.ID, UserName: se.User.Name, UserDomainID: se.UserDomain.ID, UserDomainName: se.UserDomain.Name,
		Methods: se.Token.Methods, AuditIDs: se.Token.AuditIDs, ExpiresAt: se.Token.ExpiresAt, GroupIDs: se.GroupIDs,
		AccessTokenID: se.Token.AccessTokenID,
	}
	if se.Project != nil {
		a.ProjectID, a.ProjectName = se.Project.ID, se.Project.Name
		a.ProjectDomainID, a.ProjectDomainName = se.ProjectDomain.ID, se.ProjectDomain.Name
	}
	if se.Domain != nil {
		a.DomainID, a.DomainName = se.Domain.ID, se.Domain.Name
	}
	if se.System {
		a.SystemScope = TheSystem
	}
	for _, r := range se.Roles {
		a.Roles = append(a.Roles, r.Name)
		a.RoleIDs = append(a.RoleIDs, r.ID)
	}
	if se.Trust != nil {
		a.TrustID, a.TrustorID, a.TrusteeID = se.Trust.ID, se.Trust.TrustorUserID, se.Trust.TrusteeUserID
	}
	if se.AppCred != nil {
		a.AppCredentialID = se.AppCred.ID
		a.AppCredentialRestricted = !se.AppCred.Unrestricted
		if len(se.AppCred.AccessRuleIDs) > 0 { // a rule that is gone allows nothing
			a.AccessRules = []actor.AccessRule{}
		}
		for _, r := range se.AppCred.AccessRules {
			a.AccessRules = append(a.AccessRules, actor.NewAccessRule(r.Service, r.Method, r.Path))
		}
	}
	if se.AccessToken != nil {
		a.ConsumerID = se.AccessToken.ConsumerID
	}
	return a
}

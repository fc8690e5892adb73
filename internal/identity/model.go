package identity

import "time"

// Attrs holds what a client stored on a resource beyond its own attributes;
// Keystone keeps such extras for most kinds and answers them as they came.
type Attrs = map[string]any

// Project is a project, or a domain (IsDomain), which is a project that owns others.
type Project struct {
	ID          string
	Name        string
	DomainID    string // empty for a domain
	ParentID    string // empty for a domain; the domain's id for a top project
	IsDomain    bool
	Enabled     bool
	Description string
	Path        string // ids from the domain to this project, each followed by "/"
	Tags        []string
	Options     Attrs
	Extra       Attrs
}

// Owner is the domain that a project belongs to; a domain is its own.
func (p Project) Owner() string {
	if p.IsDomain {
		return p.ID
	}
	return p.DomainID
}

// Immutable tells whether the option forbids change and deletion.
func (p Project) Immutable() bool { return isTrue(p.Options["immutable"]) }

// UserKind says where a user's identity comes from.
type UserKind string

// The kinds of users.
const (
	Local     UserKind = "local"
	NonLocal  UserKind = "nonlocal" // of a directory (LDAP)
	Federated UserKind = "federated"
)

// User is a person or a service that logs in.
type User struct {
	ID                  string
	DomainID            string
	Name                string
	Enabled             bool
	DefaultProjectID    string
	Kind                UserKind
	PasswordHash        string
	PasswordCreatedAt   time.Time
	PasswordExpiresAt   time.Time
	PasswordSelfService bool
	FailedAttempts      int64
	FailedAt            time.Time
	CreatedAt           time.Time
	LastActiveAt        time.Time
	Options             Attrs
	Extra               Attrs
	Federated           []FederatedIdentity
}

// FederatedIdentity ties a user to what an identity provider calls it.
type FederatedIdentity struct {
	UserID, IdPID, ProtocolID, UniqueID, DisplayName string
}

// Group is a set of users of one domain that may hold roles.
type Group struct {
	ID, DomainID, Name, Description string
	Extra                           Attrs
}

// Role is a name that policies ask for. A role with a domain is used only to
// imply others and never appears in a token.
type Role struct {
	ID, DomainID, Name, Description string
	Options                         Attrs
	Extra                           Attrs
}

// Immutable tells whether the option forbids change and deletion.
func (r Role) Immutable() bool { return isTrue(r.Options["immutable"]) }

// ImpliedRole says that who has the prior role has the implied one too.
type ImpliedRole struct{ PriorID, ImpliedID string }

// ActorKind and TargetKind are the two ends of an assignment.
type (
	ActorKind  string
	TargetKind string
)

// The ends of assignments. The system's target id is "all".
const (
	UserActor     ActorKind  = "user"
	GroupActor    ActorKind  = "group"
	ProjectTarget TargetKind = "project"
	DomainTarget  TargetKind = "domain"
	SystemTarget  TargetKind = "system"
	TheSystem                = "all"
)

// Assignment gives an actor a role on a target; an inherited one gives it on
// all projects below the target instead.
type Assignment struct {
	ActorKind  ActorKind
	ActorID    string
	TargetKind TargetKind
	TargetID   string
	RoleID     string
	Inherited  bool
}

// AssignmentFilter selects assignments; empty fields do not filter. Their order
// is that of actor, target and role.
type AssignmentFilter struct {
	ActorKind  ActorKind
	ActorIDs   []string
	TargetKind TargetKind
	TargetIDs  []string
	RoleIDs    []string
	Inherited  *bool
	Within     string      // a domain: only what is given on it or its projects
	From       *Assignment // only it and what comes behind it in the order
	Limit      int
}

// Credential is a secret of a user: an EC2 key pair, a TOTP seed, a certificate.
type Credential struct {
	ID, UserID, ProjectID, Type string
	Blob                        string // sealed in the store, clear in the service's answers
	Delegation                  string // that made it; "" if the person did
	Extra                       Attrs
}

// AppCredential is an application credential: a login for a program, with at
// most its user's roles on one project.
type AppCredential struct {
	ID, UserID, ProjectID, Name, Description string
	SecretHash                               string
	System                                   string
	ExpiresAt                                time.Time
	Unrestricted                             bool
	RoleIDs                                  []string
	AccessRuleIDs                            []string
	Secret                                   string // only in the answer to its creation
	Roles                                    []Role
	AccessRules                              []AccessRule
}

// AccessRule allows one kind of request: service, method and path pattern.
type AccessRule struct{ ID, UserID, Service, Path, Method string }

// Trust lets the trustee act with some of the trustor's roles on a project.
type Trust struct {
	ID, TrustorUserID, TrusteeUserID, ProjectID string
	Impersonation                               bool
	DeletedAt, ExpiresAt                        time.Time
	RemainingUses                               int64 // -1: without end
	RedelegatedTrustID                          string
	RedelegationCount                           int64
	AllowRedelegation                           bool
	RoleIDs                                     []string
	Extra                                       Attrs
	Roles                                       []Role
}

// DomainOption is one configuration option of a domain.
type DomainOption struct {
	DomainID, Group, Option string
	Sensitive               bool
	Value                   any
}

// Key seals tokens, receipts or credentials.
type Key struct {
	ID, Purpose, Sealed  string
	CreatedAt, RetiredAt time.Time
}

// Event tells every process that what it knows about a tag is stale; with
// IssuedBefore, that the tag's tokens issued until then are revoked.
type Event struct {
	ID, Tag          string
	At, IssuedBefore time.Time
}

func isTrue(v any) bool {
	b, ok := v.(bool)
	return ok && b
}

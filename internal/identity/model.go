package identity

import (
	"time"
)

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

// Region is a place that has endpoints.
type Region struct {
	ID, ParentID, Description string
	Extra                     Attrs
}

// CatalogService is a service of the catalogue.
type CatalogService struct {
	ID, Type, Name, Description string
	Enabled                     bool
	Extra                       Attrs
}

// Endpoint is where a service answers. A URL that begins with a slash is below
// the address at which the client reached this cloud.
type Endpoint struct {
	ID, ServiceID, RegionID, Interface, URL string
	Enabled                                 bool
	Extra                                   Attrs
}

// EndpointGroup selects endpoints by service, region or interface.
type EndpointGroup struct {
	ID, Name, Description string
	Filters               map[string]string
}

// EndpointLink lets a project see an endpoint or a group of them.
type EndpointLink struct{ ProjectID, EndpointID, GroupID string }

// PolicyDocument is a policy blob kept for other services (a legacy API).
type PolicyDocument struct {
	ID, Type string
	Blob     any
	Extra    Attrs
}

// PolicyAssociation says what a policy document applies to.
type PolicyAssociation struct{ PolicyID, EndpointID, ServiceID, RegionID string }

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

// RegisteredLimit is the default of a limit.
type RegisteredLimit struct {
	ID, ServiceID, RegionID, ResourceName string
	DefaultLimit                          int64
	Description                           string
}

// Limit overrides a registered limit for a project or a domain.
type Limit struct {
	ID, ProjectID, DomainID, ServiceID, RegionID, ResourceName string
	ResourceLimit                                              int64
	Description                                                string
}

// DomainOption is one configuration option of a domain.
type DomainOption struct {
	DomainID, Group, Option string
	Sensitive               bool
	Value                   any
}

// IdentityProvider is an outside party whose word about users is taken.
type IdentityProvider struct {
	ID, DomainID     string
	Enabled          bool
	Description      string
	AuthorizationTTL *int64 // minutes that a group membership it vouches for holds
	RemoteIDs        []string
	Options          Attrs
}

// Mapping turns an identity provider's assertion into a user and groups.
type Mapping struct {
	ID, SchemaVersion string
	Rules             []MappingRule
}

// Protocol ties an identity provider to a mapping.
type Protocol struct{ ID, IdPID, MappingID, RemoteIDAttribute string }

// ServiceProvider is another cloud that takes our word about users.
type ServiceProvider struct {
	ID                                        string
	Enabled                                   bool
	Description, AuthURL, SPURL, RelayStatePr string
}

// Consumer is an OAuth1 client.
type Consumer struct {
	ID, Description, Secret string
	Extra                   Attrs
}

// OAuthToken is an OAuth1 request or access token.
type OAuthToken struct {
	ID, Kind, Secret, ConsumerID, ProjectID, UserID string
	RoleIDs                                         []string
	Verifier                                        string
	ExpiresAt                                       time.Time
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

package identity

import (
	"context"
	"time"

	"kumoi/internal/kernel/store"
)

// Table keeps one kind of resource. Get, Update and Delete answer NotFound
// with a message that names the resource; Insert and Update answer Exists when
// a name is taken.
type Table[T any] interface {
	Get(ctx context.Context, tx *store.Tx, id string) (T, error)
	List(ctx context.Context, tx *store.Tx, q Query) ([]T, error)
	Insert(ctx context.Context, tx *store.Tx, v T) error
	Update(ctx context.Context, tx *store.Tx, v T) error
	Delete(ctx context.Context, tx *store.Tx, id string) error
	// DeleteWhere deletes every row that matches and tells how many.
	DeleteWhere(ctx context.Context, tx *store.Tx, where ...Match) (int64, error)
}

// Query selects, orders and cuts a list.
type Query struct {
	Where      []Match
	SortKey    string // a field; rows with the same value, and all if it is empty, are ordered by id
	Descending bool
	Marker     string // the id of the last row already seen
	Limit      int    // 0: all
}

// Match is one condition on a field, under its name in the API. A field that
// the table does not know is ignored, as Keystone ignores unknown filters.
type Match struct {
	Field string
	Op    Op
	Value any
}

// Op is how a Match compares.
type Op string

// The comparisons; those with an i in front ignore case.
const (
	Equal       Op = ""
	NotEqual    Op = "not"
	In          Op = "in" // Value is a []string
	Contains    Op = "contains"
	StartsWith  Op = "startswith"
	EndsWith    Op = "endswith"
	IContains   Op = "icontains"
	IStartsWith Op = "istartswith"
	IEndsWith   Op = "iendswith"
	Less        Op = "lt"
	LessEqual   Op = "lte"
	Greater     Op = "gt"
	GreaterEq   Op = "gte"
	// The tag filters of projects; Value is a []string.
	TagsAll    Op = "tags"
	TagsAny    Op = "tags-any"
	TagsNotAll Op = "not-tags"
	TagsNotAny Op = "not-tags-any"
)

// Eq is the commonest Match.
func Eq(field string, value any) Match { return Match{Field: field, Value: value} }

// Store is identity's persistence, one table per kind of resource.
type Store struct {
	Projects         ProjectTable
	Users            UserTable
	Groups           GroupTable
	Roles            RoleTable
	Assignments      AssignmentTable
	Regions          Table[Region]
	Services         Table[CatalogService]
	Endpoints        Table[Endpoint]
	EndpointGroups   EndpointGroupTable
	Policies         PolicyTable
	Credentials      Table[Credential]
	AppCredentials   Table[AppCredential]
	AccessRules      Table[AccessRule]
	Trusts           Table[Trust]
	RegisteredLimits Table[RegisteredLimit]
	Limits           Table[Limit]
	DomainConfigs    DomainConfigTable
	IdPs             IdPTable
	Mappings         Table[Mapping]
	ServiceProviders Table[ServiceProvider]
	Consumers        Table[Consumer]
	OAuthTokens      Table[OAuthToken]
	Keys             Table[Key]
	Events           EventTable
	Guesses          GuessTable
}

// ProjectTable keeps projects and domains.
type ProjectTable interface {
	Table[Project]
	// ByName finds a project of a domain; a domain when domainID is empty.
	ByName(ctx context.Context, tx *store.Tx, domainID, name string) (Project, error)
	// Ancestors returns the path from the domain down to the project's parent.
	Ancestors(ctx context.Context, tx *store.Tx, p Project) ([]Project, error)
	// Subtree returns everything below the project.
	Subtree(ctx context.Context, tx *store.Tx, p Project) ([]Project, error)
	SetTags(ctx context.Context, tx *store.Tx, id string, tags []string) error
}

// UserTable keeps users, their old passwords and their federated identities.
type UserTable interface {
	Table[User]
	ByName(ctx context.Context, tx *store.Tx, domainID, name string) (User, error)
	OfGroup(ctx context.Context, tx *store.Tx, groupID string, q Query) ([]User, error)
	OldPasswords(ctx context.Context, tx *store.Tx, userID string, n int) ([]string, error)
	AddOldPassword(ctx context.Context, tx *store.Tx, userID, hash string, at time.Time, keep int) error
	// RecordLogin notes the outcome of a password check.
	RecordLogin(ctx context.Context, tx *store.Tx, u User) error
	Federated(ctx context.Context, tx *store.Tx, userIDs ...string) ([]FederatedIdentity, error)
	ByFederated(ctx context.Context, tx *store.Tx, idp, protocol, uniqueID string) (FederatedIdentity, error)
	SetFederated(ctx context.Context, tx *store.Tx, userID string, ids []FederatedIdentity) error
	// UseOnce notes that id has been used; false if it was before.
	UseOnce(ctx context.Context, tx *store.Tx, id string, until time.Time) (bool, error)
	PurgeUsed(ctx context.Context, tx *store.Tx, before time.Time) error
}

// GroupTable keeps groups and who is in them.
type GroupTable interface {
	Table[Group]
	ByName(ctx context.Context, tx *store.Tx, domainID, name string) (Group, error)
	OfUser(ctx context.Context, tx *store.Tx, userID string, now time.Time, q Query) ([]Group, error)
	IDsOfUser(ctx context.Context, tx *store.Tx, userID string, now time.Time) ([]string, error)
	Members(ctx context.Context, tx *store.Tx, groupIDs []string) (map[string][]string, error)
	IsMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error)
	AddMember(ctx context.Context, tx *store.Tx, userID, groupID string) error
	RemoveMember(ctx context.Context, tx *store.Tx, userID, groupID string) (bool, error)
	RemoveUser(ctx context.Context, tx *store.Tx, userID string) error
	// NextExpiry is when the first membership ends that an identity provider
	// vouches for; the zero time if there is none.
	NextExpiry(ctx context.Context, tx *store.Tx, userID string, now time.Time) (time.Time, error)
	// SetExpiring replaces the memberships that an identity provider vouches for.
	SetExpiring(ctx context.Context, tx *store.Tx, userID, idp string, groupIDs []string, until time.Time) error
}

// RoleTable keeps roles and which implies which.
type RoleTable interface {
	Table[Role]
	ByName(ctx context.Context, tx *store.Tx, domainID, name string) (Role, error)
	Implied(ctx context.Context, tx *store.Tx) ([]ImpliedRole, error)
	Imply(ctx context.Context, tx *store.Tx, r ImpliedRole) error
	Unimply(ctx context.Context, tx *store.Tx, r ImpliedRole) (bool, error)
}

// AssignmentTable keeps who has which role where.
type AssignmentTable interface {
	List(ctx context.Context, tx *store.Tx, f AssignmentFilter) ([]Assignment, error)
	Has(ctx context.Context, tx *store.Tx, a Assignment) (bool, error)
	Add(ctx context.Context, tx *store.Tx, a Assignment) error
	Remove(ctx context.Context, tx *store.Tx, a Assignment) (bool, error)
	RemoveActor(ctx context.Context, tx *store.Tx, kind ActorKind, id string) error
	RemoveTarget(ctx context.Context, tx *store.Tx, kind TargetKind, id string) error
}

// EndpointGroupTable keeps endpoint groups and which projects see what.
type EndpointGroupTable interface {
	Table[EndpointGroup]
	Link(ctx context.Context, tx *store.Tx, l EndpointLink) error
	Linked(ctx context.Context, tx *store.Tx, l EndpointLink) (bool, error)
	Unlink(ctx context.Context, tx *store.Tx, l EndpointLink) (bool, error)
	// Links lists the links that match the fields of l which are not empty.
	Links(ctx context.Context, tx *store.Tx, l EndpointLink) ([]EndpointLink, error)
	UnlinkProject(ctx context.Context, tx *store.Tx, projectID string) error
}

// PolicyTable keeps policy documents and what they apply to.
type PolicyTable interface {
	Table[PolicyDocument]
	Associate(ctx context.Context, tx *store.Tx, a PolicyAssociation) error
	Associations(ctx context.Context, tx *store.Tx, where ...Match) ([]PolicyAssociation, error)
	Dissociate(ctx context.Context, tx *store.Tx, where ...Match) (int64, error)
}

// DomainConfigTable keeps the options of domains.
type DomainConfigTable interface {
	List(ctx context.Context, tx *store.Tx, domainID string) ([]DomainOption, error)
	Set(ctx context.Context, tx *store.Tx, o DomainOption) error
	Delete(ctx context.Context, tx *store.Tx, domainID, group, option string) (int64, error)
	Sensitive(ctx context.Context, tx *store.Tx) ([]DomainOption, error) // of all domains
}

// IdPTable keeps identity providers and their protocols.
type IdPTable interface {
	Table[IdentityProvider]
	ByRemoteID(ctx context.Context, tx *store.Tx, remoteID string) (string, error)
	Protocols(ctx context.Context, tx *store.Tx, idp string) ([]Protocol, error)
	Protocol(ctx context.Context, tx *store.Tx, idp, id string) (Protocol, error)
	PutProtocol(ctx context.Context, tx *store.Tx, p Protocol) error
	DeleteProtocol(ctx context.Context, tx *store.Tx, idp, id string) (bool, error)
	MappingUsed(ctx context.Context, tx *store.Tx, mappingID string) (bool, error)
}

// GuessTable counts guesses at secrets, by factor, whose they are, and source.
type GuessTable interface {
	// Take counts one, anew if those before began until old, and tells how many
	// there are and whether the source is known.
	Take(ctx context.Context, tx *store.Tx, factor, subject, source string, now, old time.Time) (n int64, known bool, err error)
	// Right gives back a source's guesses, and takes one from all; the source is known until then.
	Right(ctx context.Context, tx *store.Tx, factor, subject, source string, known time.Time) error
	// Counted lists what was counted since old.
	Counted(ctx context.Context, tx *store.Tx, subject string, old time.Time) ([]Bound, error)
	Purge(ctx context.Context, tx *store.Tx, now, old time.Time) error
}

// EventTable keeps what processes tell each other.
type EventTable interface {
	Add(ctx context.Context, tx *store.Tx, e Event) error
	Since(ctx context.Context, tx *store.Tx, at time.Time) ([]Event, error)
	Revocations(ctx context.Context, tx *store.Tx) ([]Event, error)
	// Purge deletes notices before and revocations before the given times.
	Purge(ctx context.Context, tx *store.Tx, notices, revocations time.Time) error
}

package identity

import (
	"context"
	"time"

	"kumoi/internal/identity/browser"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/limit"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/store"
)

// Store is identity's persistence, one table per kind of resource.
type Store struct {
	Projects       ProjectTable
	Users          UserTable
	Groups         GroupTable
	Roles          RoleTable
	Assignments    AssignmentTable
	Credentials    *store.Table[Credential]
	AppCredentials *store.Table[AppCredential]
	AccessRules    *store.Table[AccessRule]
	Trusts         *store.Table[Trust]
	DomainOptions  *store.Table[DomainOption]
	Keys           *store.Table[Key]
	Events         EventTable
	Guesses        GuessTable
	Browsers       *store.Table[browser.Session]

	Catalog    catalog.Tables
	Federation federation.Tables
	Limit      limit.Tables
	OAuth1     oauth1.Tables
}

// ProjectTable keeps projects and domains.
type ProjectTable struct {
	*store.Table[Project]
	ProjectTree
}

// ProjectTree is how projects hang together, and their tags.
type ProjectTree interface {
	// Ancestors returns the path from the domain down to the project's parent.
	Ancestors(ctx context.Context, tx *store.Tx, p Project) ([]Project, error)
	// Subtree returns everything below the project.
	Subtree(ctx context.Context, tx *store.Tx, p Project) ([]Project, error)
	SetTags(ctx context.Context, tx *store.Tx, id string, tags []string) error
}

// UserTable keeps users, and what is kept beside them.
type UserTable struct {
	*store.Table[User]
	UserRecords
}

// UserRecords are old passwords, federated identities and what is used once.
type UserRecords interface {
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
type GroupTable struct {
	*store.Table[Group]
	Memberships
}

// Memberships are who is in which group.
type Memberships interface {
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
type RoleTable struct {
	*store.Table[Role]
	ImpliedRoles
}

// ImpliedRoles are which role implies which.
type ImpliedRoles interface {
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

package identity

import "kumoi/internal/identity/browser"

// The families that are more than a Family. Each has the use cases of one kind of
// resource; what several of them need are methods of Service.
type (
	// Groups are the use cases of groups and of who is in them.
	Groups struct{ s *Service }
	// Roles are the use cases of roles and of which implies which.
	Roles struct{ s *Service }
	// Projects are the use cases of projects.
	Projects struct{ s *Service }
	// Domains are the use cases of domains.
	Domains struct{ s *Service }
	// Users are the use cases of users.
	Users struct{ s *Service }
	// Credentials are the use cases of credentials, EC2 key pairs among them.
	Credentials struct{ s *Service }
	// Trusts are the use cases of trusts.
	Trusts struct{ s *Service }
	// AppCredentials are the use cases of a user's application credentials.
	AppCredentials struct {
		s    *Service
		user string
	}
	// AccessRules are the use cases of a user's access rules.
	AccessRules struct {
		s    *Service
		user string
	}
)

// What has no resource of its own, or several.
type (
	// Assignments list who has which role where.
	Assignments struct{ s *Service }
	// Grants give and take single roles.
	Grants struct{ s *Service }
	// Tokens are validated and revoked.
	Tokens struct{ s *Service }
	// Scopes are what the actor may get a token for.
	Scopes struct{ s *Service }
	// DomainConfigs are the options that domains have of their own.
	DomainConfigs struct{ s *Service }
	// SSO is single sign-on: logins that identity providers vouch for, and our own
	// word for others.
	SSO struct{ s *Service }
	// Browsers log in and out, and get tokens as long as their sessions last.
	Browsers struct {
		s        *Service
		sessions *browser.Service
	}
	// Signatures are logins by requests that are signed with EC2 key pairs.
	Signatures struct{ s *Service }

	// passwords are judged, kept and checked; guesses are counted; codes are those
	// of one-time passwords.
	passwords    struct{ s *Service }
	guesses      struct{ s *Service }
	oneTimeCodes struct{ s *Service }
	// directories are mirrored into their domains, shadows are the users that
	// identity providers send.
	directories struct{ s *Service }
	shadows     struct{ s *Service }
	// sealer keeps the keys that seal; resolver loads what a token stands for;
	// founder makes what a new cloud starts with.
	sealer   struct{ s *Service }
	resolver struct{ s *Service }
	founder  struct{ s *Service }
)

// Of returns the use cases for a user.
func (f *AppCredentials) Of(userID string) *AppCredentials { return &AppCredentials{f.s, userID} }

// Of returns the use cases for a user.
func (f *AccessRules) Of(userID string) *AccessRules { return &AccessRules{f.s, userID} }

// NewAppCredential is what an application credential is made of: all roles that
// the actor has, if it names none.
type NewAppCredential struct {
	AppCredential
	RoleRefs []Ref
}

// NewTrust is what a trust is made of, with how often it may be passed on.
type NewTrust struct {
	Trust
	RoleRefs []Ref
	Depth    *int64
}

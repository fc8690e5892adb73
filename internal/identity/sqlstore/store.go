// Package sqlstore keeps identity's resources in the database: SQL and nothing
// else. No policy, no defaults and no caching happen here.
package sqlstore

import (
	"kumoi/internal/identity"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/limit"
	"kumoi/internal/identity/oauth1"
)

// New returns the tables of identity.
func New() identity.Store {
	p, u := projects(), users()
	return identity.Store{
		Projects:       identity.ProjectTable{Table: p, ProjectTree: projectTree{p}},
		Users:          identity.UserTable{Table: u, UserRecords: userRecords{u}},
		Groups:         identity.GroupTable{Table: groups(), Memberships: memberships{}},
		Roles:          identity.RoleTable{Table: roles(), ImpliedRoles: impliedRoles{}},
		Assignments:    assignments{},
		Credentials:    credentials(),
		AppCredentials: appCredentials(),
		AccessRules:    accessRules(),
		Trusts:         trusts(),
		DomainOptions:  domainOptions(),
		Keys:           keys(),
		Events:         events{},
		Guesses:        guesses{},
		Browsers:       browserSessions(),

		Catalog: catalog.Tables{
			Regions: regions(), Services: services(), Endpoints: endpoints(), EndpointGroups: endpointGroups(), Links: endpointLinks{},
			Policies: policies(), Associations: associations(),
		},
		Federation: federation.Tables{IdPs: idps(), Protocols: protocols(), Mappings: mappings(), ServiceProviders: serviceProviders()},
		Limit:      limit.Tables{Registered: registeredLimits(), Limits: limits()},
		OAuth1:     oauth1.Tables{Consumers: consumers(), Tokens: oauthTokens()},
	}
}

// Package sqlstore keeps identity's resources in the database: SQL and nothing
// else. No policy, no defaults and no caching happen here.
package sqlstore

import "kumoi/internal/identity"

// New returns the tables of identity.
func New() identity.Store {
	p, u := projects(), users()
	return identity.Store{
		Projects:         identity.ProjectTable{Table: p, ProjectTree: projectTree{p}},
		Users:            identity.UserTable{Table: u, UserRecords: userRecords{u}},
		Groups:           identity.GroupTable{Table: groups(), Memberships: memberships{}},
		Roles:            identity.RoleTable{Table: roles(), ImpliedRoles: impliedRoles{}},
		Assignments:      assignments{},
		Regions:          regions(),
		Services:         services(),
		Endpoints:        endpoints(),
		EndpointGroups:   identity.EndpointGroupTable{Table: endpointGroups(), ProjectLinks: endpointLinks{}},
		Policies:         policies(),
		Associations:     associations(),
		Credentials:      credentials(),
		AppCredentials:   appCredentials(),
		AccessRules:      accessRules(),
		Trusts:           trusts(),
		RegisteredLimits: registeredLimits(),
		Limits:           limits(),
		DomainOptions:    domainOptions(),
		IdPs:             idps(),
		Protocols:        protocols(),
		Mappings:         mappings(),
		ServiceProviders: serviceProviders(),
		Consumers:        consumers(),
		OAuthTokens:      oauthTokens(),
		Keys:             keys(),
		Events:           events{},
		Guesses:          guesses{},
	}
}

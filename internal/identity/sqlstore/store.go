// Package sqlstore keeps identity's resources in the database: SQL and nothing
// else. No policy, no defaults and no caching happen here.
package sqlstore

import (
	"fmt"

	"kumoi/internal/identity"
)

// New returns the tables of identity.
func New() identity.Store {
	return identity.Store{
		Projects:         newProjects(),
		Users:            newUsers(),
		Groups:           newGroups(),
		Roles:            newRoles(),
		Assignments:      assignments{},
		Regions:          regions(),
		Services:         services(),
		Endpoints:        endpoints(),
		EndpointGroups:   newEndpointGroups(),
		Policies:         newPolicies(),
		Credentials:      credentials(),
		AppCredentials:   appCredentials(),
		AccessRules:      accessRules(),
		Trusts:           trusts(),
		RegisteredLimits: registeredLimits(),
		Limits:           limits(),
		DomainConfigs:    domainConfigs{},
		IdPs:             newIdPs(),
		Mappings:         mappings(),
		ServiceProviders: serviceProviders(),
		Consumers:        consumers(),
		OAuthTokens:      oauthTokens(),
		Keys:             keys(),
		Events:           events{},
		Guesses:          guesses{},
	}
}

func nameInDomain(name, domainID string) string {
	return fmt.Sprintf("Duplicate entry found with name %s at domain ID %s.", name, domainID)
}

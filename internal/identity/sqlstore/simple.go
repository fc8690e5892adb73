package sqlstore

import (
	"fmt"

	"kumoi/internal/identity"
)

// The kinds that need nothing beyond one table each.

func regions() *table[identity.Region] {
	return &table[identity.Region]{
		name: "identity_region", noun: "region", columns: []string{"id", "parent_id", "description", "extra"},
		fields: func(v *identity.Region) []any {
			return []any{&v.ID, &v.ParentID, &v.Description, jsonField{&v.Extra}}
		},
		filters: map[string]string{"parent_region_id": "identity_region.parent_id"},
		taken:   func(v identity.Region) string { return fmt.Sprintf("Duplicate ID, %s.", v.ID) },
	}
}

func services() *table[identity.CatalogService] {
	return &table[identity.CatalogService]{
		name: "identity_service", noun: "service",
		columns: []string{"id", "type", "name", "description", "enabled", "extra"},
		fields: func(v *identity.CatalogService) []any {
			return []any{&v.ID, &v.Type, &v.Name, &v.Description, &v.Enabled, jsonField{&v.Extra}}
		},
	}
}

func endpoints() *table[identity.Endpoint] {
	return &table[identity.Endpoint]{
		name: "identity_endpoint", noun: "endpoint",
		columns: []string{"id", "service_id", "region_id", "interface", "url", "enabled", "extra"},
		fields: func(v *identity.Endpoint) []any {
			return []any{&v.ID, &v.ServiceID, &v.RegionID, &v.Interface, &v.URL, &v.Enabled, jsonField{&v.Extra}}
		},
	}
}

func credentials() *table[identity.Credential] {
	return &table[identity.Credential]{
		name: "identity_credential", noun: "credential",
		columns: []string{"id", "user_id", "project_id", "type", "blob", "delegation", "extra"},
		fields: func(v *identity.Credential) []any {
			return []any{&v.ID, &v.UserID, &v.ProjectID, &v.Type, &v.Blob, &v.Delegation, jsonField{&v.Extra}}
		},
	}
}

func appCredentials() *table[identity.AppCredential] {
	return &table[identity.AppCredential]{
		name: "identity_app_credential", noun: "Application Credential", keyed: true,
		columns: []string{
			"id", "user_id", "project_id", "name", "description", "secret_hash", "system",
			"expires_at", "unrestricted", "role_ids", "access_rule_ids",
		},
		fields: func(v *identity.AppCredential) []any {
			return []any{
				&v.ID, &v.UserID, &v.ProjectID, &v.Name, &v.Description, &v.SecretHash, &v.System,
				timeField{&v.ExpiresAt},
				&v.Unrestricted,
				jsonField{&v.RoleIDs},
				jsonField{&v.AccessRuleIDs},
			}
		},
		taken: func(v identity.AppCredential) string {
			return fmt.Sprintf("Duplicate entry found with name %s for this user.", v.Name)
		},
	}
}

func accessRules() *table[identity.AccessRule] {
	return &table[identity.AccessRule]{
		name: "identity_access_rule", noun: "Access Rule", columns: []string{"id", "user_id", "service", "path", "method"},
		fields: func(v *identity.AccessRule) []any {
			return []any{&v.ID, &v.UserID, &v.Service, &v.Path, &v.Method}
		},
	}
}

func trusts() *table[identity.Trust] {
	return &table[identity.Trust]{
		name: "identity_trust", noun: "trust",
		columns: []string{
			"id", "trustor_user_id", "trustee_user_id", "project_id", "impersonation", "deleted_at", "expires_at",
			"remaining_uses", "redelegated_trust_id", "redelegation_count", "allow_redelegation", "role_ids", "extra",
		},
		fields: func(v *identity.Trust) []any {
			return []any{
				&v.ID, &v.TrustorUserID, &v.TrusteeUserID, &v.ProjectID, &v.Impersonation,
				timeField{&v.DeletedAt},
				timeField{&v.ExpiresAt},
				&v.RemainingUses, &v.RedelegatedTrustID, &v.RedelegationCount, &v.AllowRedelegation,
				jsonField{&v.RoleIDs},
				jsonField{&v.Extra},
			}
		},
	}
}

func registeredLimits() *table[identity.RegisteredLimit] {
	return &table[identity.RegisteredLimit]{
		name: "identity_registered_limit", noun: "registered limit",
		columns: []string{"id", "service_id", "region_id", "resource_name", "default_limit", "description"},
		fields: func(v *identity.RegisteredLimit) []any {
			return []any{&v.ID, &v.ServiceID, &v.RegionID, &v.ResourceName, &v.DefaultLimit, &v.Description}
		},
		taken: func(v identity.RegisteredLimit) string {
			return fmt.Sprintf("Duplicate entry of %s for service %s in region %q.", v.ResourceName, v.ServiceID, v.RegionID)
		},
	}
}

func limits() *table[identity.Limit] {
	return &table[identity.Limit]{
		name: "identity_limit", noun: "limit",
		columns: []string{"id", "project_id", "domain_id", "service_id", "region_id", "resource_name", "resource_limit", "description"},
		fields: func(v *identity.Limit) []any {
			return []any{&v.ID, &v.ProjectID, &v.DomainID, &v.ServiceID, &v.RegionID, &v.ResourceName, &v.ResourceLimit, &v.Description}
		},
		taken: func(v identity.Limit) string {
			return fmt.Sprintf("Duplicate entry of %s for service %s and project or domain %s%s.", v.ResourceName, v.ServiceID, v.ProjectID, v.DomainID)
		},
	}
}

func mappings() *table[identity.Mapping] {
	return &table[identity.Mapping]{
		name: "identity_mapping", noun: "mapping", columns: []string{"id", "schema_version", "rules"},
		fields: func(v *identity.Mapping) []any {
			return []any{&v.ID, &v.SchemaVersion, jsonField{&v.Rules}}
		},
		taken: func(v identity.Mapping) string { return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID) },
	}
}

func serviceProviders() *table[identity.ServiceProvider] {
	return &table[identity.ServiceProvider]{
		name: "identity_service_provider", noun: "service provider",
		columns: []string{"id", "enabled", "description", "auth_url", "sp_url", "relay_state_prefix"},
		fields: func(v *identity.ServiceProvider) []any {
			return []any{&v.ID, &v.Enabled, &v.Description, &v.AuthURL, &v.SPURL, &v.RelayStatePr}
		},
		taken: func(v identity.ServiceProvider) string { return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID) },
	}
}

func consumers() *table[identity.Consumer] {
	return &table[identity.Consumer]{
		name: "identity_consumer", noun: "consumer", columns: []string{"id", "description", "secret", "extra"},
		fields: func(v *identity.Consumer) []any {
			return []any{&v.ID, &v.Description, &v.Secret, jsonField{&v.Extra}}
		},
	}
}

func oauthTokens() *table[identity.OAuthToken] {
	return &table[identity.OAuthToken]{
		name: "identity_oauth_token", noun: "OAuth token",
		columns: []string{"id", "kind", "secret", "consumer_id", "project_id", "user_id", "role_ids", "verifier", "expires_at"},
		fields: func(v *identity.OAuthToken) []any {
			return []any{&v.ID, &v.Kind, &v.Secret, &v.ConsumerID, &v.ProjectID, &v.UserID, jsonField{&v.RoleIDs}, &v.Verifier, timeField{&v.ExpiresAt}}
		},
	}
}

func keys() *table[identity.Key] {
	return &table[identity.Key]{
		name: "identity_key", noun: "key", columns: []string{"id", "purpose", "sealed", "created_at", "retired_at"},
		fields: func(v *identity.Key) []any {
			return []any{&v.ID, &v.Purpose, &v.Sealed, timeField{&v.CreatedAt}, timeField{&v.RetiredAt}}
		},
	}
}

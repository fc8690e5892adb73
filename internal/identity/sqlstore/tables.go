package sqlstore

import (
	"fmt"

	"kumoi/internal/identity"
	"kumoi/internal/identity/catalog"
	"kumoi/internal/identity/federation"
	"kumoi/internal/identity/limit"
	"kumoi/internal/identity/oauth1"
	"kumoi/internal/kernel/store"
)

// The kinds that need nothing beyond one table each.

func regions() *store.Table[catalog.Region] {
	return worded("region", store.NewTable("identity_region", func(v *catalog.Region, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("parent_id", &v.ParentID)
		c.Text("description", &v.Description)
		c.JSON("extra", &v.Extra)
	}), func(v *catalog.Region) string {
		return fmt.Sprintf("Duplicate ID, %s.", v.ID)
	})
}

func services() *store.Table[catalog.Service] {
	return worded("service", store.NewTable("identity_service", func(v *catalog.Service, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Caseless("type", &v.Type)
		c.Caseless("name", &v.Name)
		c.Text("description", &v.Description)
		c.Bool("enabled", &v.Enabled)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func endpoints() *store.Table[catalog.Endpoint] {
	return worded("endpoint", store.NewTable("identity_endpoint", func(v *catalog.Endpoint, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("service_id", &v.ServiceID)
		c.Text("region_id", &v.RegionID)
		c.Text("interface", &v.Interface)
		c.Text("url", &v.URL)
		c.Bool("enabled", &v.Enabled)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func credentials() *store.Table[identity.Credential] {
	return worded("credential", store.NewTable("identity_credential", func(v *identity.Credential, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("user_id", &v.UserID)
		c.Text("project_id", &v.ProjectID)
		c.Caseless("type", &v.Type)
		c.Text("blob", &v.Blob)
		c.Text("delegation", &v.Delegation)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func appCredentials() *store.Table[identity.AppCredential] {
	return worded("Application Credential", store.NewTable("identity_app_credential", func(v *identity.AppCredential, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("user_id", &v.UserID)
		c.Text("project_id", &v.ProjectID)
		name(c, &v.Name)
		c.Text("description", &v.Description)
		c.Text("secret_hash", &v.SecretHash)
		c.Text("system", &v.System)
		c.Time("expires_at", &v.ExpiresAt)
		c.Bool("unrestricted", &v.Unrestricted)
		c.JSON("role_ids", &v.RoleIDs)
		c.JSON("access_rule_ids", &v.AccessRuleIDs)
	}), func(v *identity.AppCredential) string {
		return fmt.Sprintf("Duplicate entry found with name %s for this user.", v.Name)
	})
}

func accessRules() *store.Table[identity.AccessRule] {
	return worded("Access Rule", store.NewTable("identity_access_rule", func(v *identity.AccessRule, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("user_id", &v.UserID)
		c.Text("service", &v.Service)
		c.Text("path", &v.Path)
		c.Text("method", &v.Method)
	}), nil)
}

func trusts() *store.Table[identity.Trust] {
	return worded("trust", store.NewTable("identity_trust", func(v *identity.Trust, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("trustor_user_id", &v.TrustorUserID)
		c.Text("trustee_user_id", &v.TrusteeUserID)
		c.Text("project_id", &v.ProjectID)
		c.Bool("impersonation", &v.Impersonation)
		c.Time("deleted_at", &v.DeletedAt)
		c.Time("expires_at", &v.ExpiresAt)
		c.Int64("remaining_uses", &v.RemainingUses)
		c.Text("redelegated_trust_id", &v.RedelegatedTrustID)
		c.Int64("redelegation_count", &v.RedelegationCount)
		c.Bool("allow_redelegation", &v.AllowRedelegation)
		c.JSON("role_ids", &v.RoleIDs)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func registeredLimits() *store.Table[limit.RegisteredLimit] {
	return worded("registered limit", store.NewTable("identity_registered_limit", func(v *limit.RegisteredLimit, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("service_id", &v.ServiceID)
		c.Text("region_id", &v.RegionID)
		c.Text("resource_name", &v.ResourceName)
		c.Int64("default_limit", &v.DefaultLimit)
		c.Text("description", &v.Description)
	}), func(v *limit.RegisteredLimit) string {
		return fmt.Sprintf("Duplicate entry of %s for service %s in region %q.", v.ResourceName, v.ServiceID, v.RegionID)
	})
}

func limits() *store.Table[limit.Limit] {
	return worded("limit", store.NewTable("identity_limit", func(v *limit.Limit, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("project_id", &v.ProjectID)
		c.Text("domain_id", &v.DomainID)
		c.Text("service_id", &v.ServiceID)
		c.Text("region_id", &v.RegionID)
		c.Text("resource_name", &v.ResourceName)
		c.Int64("resource_limit", &v.ResourceLimit)
		c.Text("description", &v.Description)
	}).Condition("in_domain", store.SQL("identity_limit.domain_id = ? OR identity_limit.project_id IN (SELECT p.id FROM identity_project p WHERE p.domain_id = ?)")), func(v *limit.Limit) string {
		return fmt.Sprintf("Duplicate entry of %s for service %s and project or domain %s%s.", v.ResourceName, v.ServiceID, v.ProjectID, v.DomainID)
	})
}

func mappings() *store.Table[federation.Mapping] {
	return worded("mapping", store.NewTable("identity_mapping", func(v *federation.Mapping, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("schema_version", &v.SchemaVersion)
		c.JSON("rules", &v.Rules)
	}), func(v *federation.Mapping) string {
		return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID)
	})
}

func serviceProviders() *store.Table[federation.ServiceProvider] {
	return worded("service provider", store.NewTable("identity_service_provider", func(v *federation.ServiceProvider, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Bool("enabled", &v.Enabled)
		c.Text("description", &v.Description)
		c.Text("auth_url", &v.AuthURL)
		c.Text("sp_url", &v.SPURL)
		c.Text("relay_state_prefix", &v.RelayStatePr)
	}), func(v *federation.ServiceProvider) string {
		return fmt.Sprintf("Duplicate entry found with ID %s.", v.ID)
	})
}

func consumers() *store.Table[oauth1.Consumer] {
	return worded("consumer", store.NewTable("identity_consumer", func(v *oauth1.Consumer, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("description", &v.Description)
		c.Text("secret", &v.Secret)
		c.JSON("extra", &v.Extra)
	}), nil)
}

func oauthTokens() *store.Table[oauth1.Token] {
	return worded("OAuth token", store.NewTable("identity_oauth_token", func(v *oauth1.Token, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("kind", &v.Kind)
		c.Text("secret", &v.Secret)
		c.Text("consumer_id", &v.ConsumerID)
		c.Text("project_id", &v.ProjectID)
		c.Text("user_id", &v.UserID)
		c.JSON("role_ids", &v.RoleIDs)
		c.Text("verifier", &v.Verifier)
		c.Time("expires_at", &v.ExpiresAt)
	}), nil)
}

func keys() *store.Table[identity.Key] {
	return worded("key", store.NewTable("identity_key", func(v *identity.Key, c *store.Columns) {
		c.Key("id", &v.ID)
		c.Text("purpose", &v.Purpose)
		c.Text("sealed", &v.Sealed)
		c.Time("created_at", &v.CreatedAt)
		c.Time("retired_at", &v.RetiredAt)
	}), nil)
}

-- What the migrations of identity make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE identity_access_rule (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	service TEXT NOT NULL,
	path TEXT NOT NULL,
	method TEXT NOT NULL
);

CREATE UNIQUE INDEX identity_access_rule_rule ON identity_access_rule (user_id, service, path, method);

CREATE TABLE identity_app_credential (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	secret_hash TEXT NOT NULL,
	system TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	unrestricted BOOLEAN NOT NULL,
	role_ids TEXT NOT NULL,
	access_rule_ids TEXT NOT NULL
, name_key TEXT NOT NULL DEFAULT '');

CREATE UNIQUE INDEX identity_app_credential_name ON identity_app_credential (user_id, name_key);

CREATE INDEX identity_app_credential_project ON identity_app_credential (project_id);

CREATE TABLE identity_assignment (
	actor_kind TEXT NOT NULL,
	actor_id TEXT NOT NULL,
	target_kind TEXT NOT NULL,
	target_id TEXT NOT NULL,
	role_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
	inherited BOOLEAN NOT NULL,
	PRIMARY KEY (actor_id, target_kind, target_id, role_id, inherited, actor_kind)
);

CREATE INDEX identity_assignment_of_role ON identity_assignment (role_id, actor_id, target_kind, target_id, inherited, actor_kind);

CREATE INDEX identity_assignment_on ON identity_assignment (target_id, target_kind, actor_id, role_id, inherited, actor_kind);

CREATE TABLE identity_browser_session (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	audit_id TEXT NOT NULL,
	methods TEXT NOT NULL,
	idp_id TEXT NOT NULL,
	protocol_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	seen_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX identity_browser_session_expires ON identity_browser_session (expires_at);

CREATE INDEX identity_browser_session_seen ON identity_browser_session (seen_at);

CREATE INDEX identity_browser_session_user ON identity_browser_session (user_id);

CREATE TABLE identity_consumer (
	id TEXT PRIMARY KEY,
	description TEXT NOT NULL,
	secret TEXT NOT NULL,
	extra TEXT NOT NULL
);

CREATE TABLE identity_credential (
	id TEXT PRIMARY KEY,
	user_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	type TEXT NOT NULL,
	blob TEXT NOT NULL,
	extra TEXT NOT NULL
, delegation TEXT NOT NULL DEFAULT '');

CREATE INDEX identity_credential_project ON identity_credential (project_id);

CREATE INDEX identity_credential_user ON identity_credential (user_id);

CREATE TABLE identity_domain_config (
	domain_id TEXT NOT NULL,
	group_name TEXT NOT NULL,
	option_name TEXT NOT NULL,
	sensitive BOOLEAN NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (domain_id, group_name, option_name)
);

CREATE TABLE identity_endpoint (
	id TEXT PRIMARY KEY,
	service_id TEXT NOT NULL REFERENCES identity_service (id) ON DELETE CASCADE,
	region_id TEXT NOT NULL,
	interface TEXT NOT NULL,
	url TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	extra TEXT NOT NULL
);

CREATE INDEX identity_endpoint_service ON identity_endpoint (service_id);

CREATE TABLE identity_endpoint_group (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	filters TEXT NOT NULL
);

CREATE TABLE identity_event (
	id TEXT PRIMARY KEY,
	tag TEXT NOT NULL,
	at BIGINT NOT NULL,
	issued_before BIGINT NOT NULL
);

CREATE INDEX identity_event_at ON identity_event (at);

CREATE TABLE identity_federated_membership (
	user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
	group_id TEXT NOT NULL,
	idp_id TEXT NOT NULL,
	expires_at BIGINT NOT NULL,
	PRIMARY KEY (user_id, group_id, idp_id)
);

CREATE TABLE identity_federated_user (
	idp_id TEXT NOT NULL,
	protocol_id TEXT NOT NULL,
	unique_id TEXT NOT NULL,
	user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
	display_name TEXT NOT NULL,
	PRIMARY KEY (idp_id, protocol_id, unique_id)
);

CREATE INDEX identity_federated_user_user ON identity_federated_user (user_id);

CREATE TABLE identity_group (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES identity_project (id),
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	extra TEXT NOT NULL
, name_key TEXT NOT NULL DEFAULT '');

CREATE INDEX identity_group_by_name ON identity_group (name);

CREATE UNIQUE INDEX identity_group_name ON identity_group (domain_id, name_key);

CREATE TABLE identity_guess (
	subject TEXT NOT NULL,
	factor TEXT NOT NULL,
	source TEXT NOT NULL,
	count BIGINT NOT NULL,
	since BIGINT NOT NULL,
	known_until BIGINT NOT NULL,
	PRIMARY KEY (subject, factor, source)
);

CREATE INDEX identity_guess_since ON identity_guess (since);

CREATE TABLE identity_idp (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	description TEXT NOT NULL,
	authorization_ttl BIGINT NOT NULL,
	options TEXT NOT NULL
);

CREATE TABLE identity_idp_remote_id (
	remote_id TEXT PRIMARY KEY,
	idp_id TEXT NOT NULL REFERENCES identity_idp (id) ON DELETE CASCADE
);

CREATE TABLE identity_implied_role (
	prior_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
	implied_id TEXT NOT NULL REFERENCES identity_role (id) ON DELETE CASCADE,
	PRIMARY KEY (prior_id, implied_id)
);

CREATE TABLE identity_key (
	id TEXT PRIMARY KEY,
	purpose TEXT NOT NULL,
	sealed TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	retired_at BIGINT NOT NULL
);

CREATE TABLE identity_limit (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	domain_id TEXT NOT NULL,
	service_id TEXT NOT NULL,
	region_id TEXT NOT NULL,
	resource_name TEXT NOT NULL,
	resource_limit BIGINT NOT NULL,
	description TEXT NOT NULL
);

CREATE UNIQUE INDEX identity_limit_what ON identity_limit (project_id, domain_id, service_id, region_id, resource_name);

CREATE TABLE identity_mapping (
	id TEXT PRIMARY KEY,
	schema_version TEXT NOT NULL,
	rules TEXT NOT NULL
);

CREATE TABLE identity_membership (
	user_id TEXT NOT NULL,
	group_id TEXT NOT NULL REFERENCES identity_group (id) ON DELETE CASCADE,
	PRIMARY KEY (user_id, group_id)
);

CREATE INDEX identity_membership_group ON identity_membership (group_id);

CREATE TABLE identity_oauth_token (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL,
	secret TEXT NOT NULL,
	consumer_id TEXT NOT NULL REFERENCES identity_consumer (id) ON DELETE CASCADE,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	role_ids TEXT NOT NULL,
	verifier TEXT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX identity_oauth_token_user ON identity_oauth_token (user_id);

CREATE TABLE identity_password_history (
	user_id TEXT NOT NULL REFERENCES identity_user (id) ON DELETE CASCADE,
	created_at BIGINT NOT NULL,
	hash TEXT NOT NULL,
	PRIMARY KEY (user_id, created_at)
);

CREATE TABLE identity_policy (
	id TEXT PRIMARY KEY,
	type TEXT NOT NULL,
	blob TEXT NOT NULL,
	extra TEXT NOT NULL
);

CREATE TABLE identity_policy_association (
	policy_id TEXT NOT NULL REFERENCES identity_policy (id) ON DELETE CASCADE,
	endpoint_id TEXT NOT NULL,
	service_id TEXT NOT NULL,
	region_id TEXT NOT NULL,
	PRIMARY KEY (endpoint_id, service_id, region_id)
);

CREATE TABLE identity_project (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	domain_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	is_domain BOOLEAN NOT NULL,
	enabled BOOLEAN NOT NULL,
	description TEXT NOT NULL,
	path TEXT NOT NULL,
	options TEXT NOT NULL,
	extra TEXT NOT NULL
, name_key TEXT NOT NULL DEFAULT '');

CREATE INDEX identity_project_by_key ON identity_project (name_key);

CREATE INDEX identity_project_by_name ON identity_project (name);

CREATE UNIQUE INDEX identity_project_name ON identity_project (domain_id, name_key);

CREATE INDEX identity_project_parent ON identity_project (parent_id);

CREATE INDEX identity_project_path ON identity_project (path);

CREATE TABLE identity_project_endpoint (
	project_id TEXT NOT NULL,
	endpoint_id TEXT NOT NULL REFERENCES identity_endpoint (id) ON DELETE CASCADE,
	PRIMARY KEY (project_id, endpoint_id)
);

CREATE TABLE identity_project_endpoint_group (
	project_id TEXT NOT NULL,
	endpoint_group_id TEXT NOT NULL REFERENCES identity_endpoint_group (id) ON DELETE CASCADE,
	PRIMARY KEY (project_id, endpoint_group_id)
);

CREATE TABLE identity_project_tag (
	project_id TEXT NOT NULL REFERENCES identity_project (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	PRIMARY KEY (project_id, name)
);

CREATE INDEX identity_project_tag_name ON identity_project_tag (name);

CREATE TABLE identity_protocol (
	id TEXT NOT NULL,
	idp_id TEXT NOT NULL REFERENCES identity_idp (id) ON DELETE CASCADE,
	mapping_id TEXT NOT NULL,
	remote_id_attribute TEXT NOT NULL,
	PRIMARY KEY (idp_id, id)
);

CREATE TABLE identity_region (
	id TEXT PRIMARY KEY,
	parent_id TEXT NOT NULL,
	description TEXT NOT NULL,
	extra TEXT NOT NULL
);

CREATE TABLE identity_registered_limit (
	id TEXT PRIMARY KEY,
	service_id TEXT NOT NULL,
	region_id TEXT NOT NULL,
	resource_name TEXT NOT NULL,
	default_limit BIGINT NOT NULL,
	description TEXT NOT NULL
);

CREATE UNIQUE INDEX identity_registered_limit_what ON identity_registered_limit (service_id, region_id, resource_name);

CREATE TABLE identity_role (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	options TEXT NOT NULL,
	extra TEXT NOT NULL
, name_key TEXT NOT NULL DEFAULT '');

CREATE UNIQUE INDEX identity_role_name ON identity_role (domain_id, name_key);

CREATE TABLE identity_service (
	id TEXT PRIMARY KEY,
	type TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	extra TEXT NOT NULL
);

CREATE TABLE identity_service_provider (
	id TEXT PRIMARY KEY,
	enabled BOOLEAN NOT NULL,
	description TEXT NOT NULL,
	auth_url TEXT NOT NULL,
	sp_url TEXT NOT NULL,
	relay_state_prefix TEXT NOT NULL
);

CREATE TABLE identity_trust (
	id TEXT PRIMARY KEY,
	trustor_user_id TEXT NOT NULL,
	trustee_user_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	impersonation BOOLEAN NOT NULL,
	deleted_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL,
	remaining_uses BIGINT NOT NULL,
	redelegated_trust_id TEXT NOT NULL,
	redelegation_count BIGINT NOT NULL,
	allow_redelegation BOOLEAN NOT NULL,
	role_ids TEXT NOT NULL,
	extra TEXT NOT NULL
);

CREATE INDEX identity_trust_trustee ON identity_trust (trustee_user_id);

CREATE INDEX identity_trust_trustor ON identity_trust (trustor_user_id);

CREATE TABLE identity_used_once (
	id TEXT PRIMARY KEY,
	expires_at BIGINT NOT NULL
);

CREATE INDEX identity_used_once_expires ON identity_used_once (expires_at);

CREATE TABLE identity_user (
	id TEXT PRIMARY KEY,
	domain_id TEXT NOT NULL REFERENCES identity_project (id),
	name TEXT NOT NULL,
	enabled BOOLEAN NOT NULL,
	default_project_id TEXT NOT NULL,
	kind TEXT NOT NULL,
	password_hash TEXT NOT NULL,
	password_created_at BIGINT NOT NULL,
	password_expires_at BIGINT NOT NULL,
	password_self_service BOOLEAN NOT NULL,
	failed_attempts BIGINT NOT NULL,
	failed_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	last_active_at BIGINT NOT NULL,
	options TEXT NOT NULL,
	extra TEXT NOT NULL
, name_key TEXT NOT NULL DEFAULT '');

CREATE INDEX identity_user_by_key ON identity_user (name_key);

CREATE INDEX identity_user_by_name ON identity_user (name);

CREATE INDEX identity_user_default_project ON identity_user (default_project_id);

CREATE UNIQUE INDEX identity_user_name ON identity_user (domain_id, name_key);

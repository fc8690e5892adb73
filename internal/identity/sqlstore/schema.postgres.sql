-- What the migrations of identity make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE identity_access_rule (
    id text NOT NULL,
    user_id text NOT NULL,
    service text NOT NULL,
    path text NOT NULL,
    method text NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX identity_access_rule_rule ON identity_access_rule USING btree (user_id, service, path, method);

CREATE TABLE identity_app_credential (
    id text NOT NULL,
    user_id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    secret_hash text NOT NULL,
    system text NOT NULL,
    expires_at bigint NOT NULL,
    unrestricted boolean NOT NULL,
    role_ids text NOT NULL,
    access_rule_ids text NOT NULL,
    name_key text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX identity_app_credential_name ON identity_app_credential USING btree (user_id, name_key);

CREATE INDEX identity_app_credential_project ON identity_app_credential USING btree (project_id);

CREATE TABLE identity_assignment (
    actor_kind text NOT NULL,
    actor_id text NOT NULL,
    target_kind text NOT NULL,
    target_id text NOT NULL,
    role_id text NOT NULL,
    inherited boolean NOT NULL,
    PRIMARY KEY (actor_id, target_kind, target_id, role_id, inherited, actor_kind),
    FOREIGN KEY (role_id) REFERENCES identity_role(id) ON DELETE CASCADE
);

CREATE INDEX identity_assignment_of_role ON identity_assignment USING btree (role_id, actor_id, target_kind, target_id, inherited, actor_kind);

CREATE INDEX identity_assignment_on ON identity_assignment USING btree (target_id, target_kind, actor_id, role_id, inherited, actor_kind);

CREATE TABLE identity_browser_session (
    id text NOT NULL,
    user_id text NOT NULL,
    audit_id text NOT NULL,
    methods text NOT NULL,
    idp_id text NOT NULL,
    protocol_id text NOT NULL,
    created_at bigint NOT NULL,
    seen_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX identity_browser_session_expires ON identity_browser_session USING btree (expires_at);

CREATE INDEX identity_browser_session_seen ON identity_browser_session USING btree (seen_at);

CREATE INDEX identity_browser_session_user ON identity_browser_session USING btree (user_id);

CREATE TABLE identity_consumer (
    id text NOT NULL,
    description text NOT NULL,
    secret text NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_credential (
    id text NOT NULL,
    user_id text NOT NULL,
    project_id text NOT NULL,
    type text NOT NULL,
    blob text NOT NULL,
    extra text NOT NULL,
    delegation text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id)
);

CREATE INDEX identity_credential_project ON identity_credential USING btree (project_id);

CREATE INDEX identity_credential_user ON identity_credential USING btree (user_id);

CREATE TABLE identity_domain_config (
    domain_id text NOT NULL,
    group_name text NOT NULL,
    option_name text NOT NULL,
    sensitive boolean NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (domain_id, group_name, option_name)
);

CREATE TABLE identity_endpoint (
    id text NOT NULL,
    service_id text NOT NULL,
    region_id text NOT NULL,
    interface text NOT NULL,
    url text NOT NULL,
    enabled boolean NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (service_id) REFERENCES identity_service(id) ON DELETE CASCADE
);

CREATE INDEX identity_endpoint_service ON identity_endpoint USING btree (service_id);

CREATE TABLE identity_endpoint_group (
    id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    filters text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_event (
    id text NOT NULL,
    tag text NOT NULL,
    at bigint NOT NULL,
    issued_before bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX identity_event_at ON identity_event USING btree (at);

CREATE TABLE identity_federated_membership (
    user_id text NOT NULL,
    group_id text NOT NULL,
    idp_id text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (user_id, group_id, idp_id),
    FOREIGN KEY (user_id) REFERENCES identity_user(id) ON DELETE CASCADE
);

CREATE TABLE identity_federated_user (
    idp_id text NOT NULL,
    protocol_id text NOT NULL,
    unique_id text NOT NULL,
    user_id text NOT NULL,
    display_name text NOT NULL,
    PRIMARY KEY (idp_id, protocol_id, unique_id),
    FOREIGN KEY (user_id) REFERENCES identity_user(id) ON DELETE CASCADE
);

CREATE INDEX identity_federated_user_user ON identity_federated_user USING btree (user_id);

CREATE TABLE identity_group (
    id text NOT NULL,
    domain_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    extra text NOT NULL,
    name_key text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id),
    FOREIGN KEY (domain_id) REFERENCES identity_project(id)
);

CREATE INDEX identity_group_by_name ON identity_group USING btree (name);

CREATE UNIQUE INDEX identity_group_name ON identity_group USING btree (domain_id, name_key);

CREATE TABLE identity_guess (
    subject text NOT NULL,
    factor text NOT NULL,
    source text NOT NULL,
    count bigint NOT NULL,
    since bigint NOT NULL,
    known_until bigint NOT NULL,
    PRIMARY KEY (subject, factor, source)
);

CREATE INDEX identity_guess_since ON identity_guess USING btree (since);

CREATE TABLE identity_idp (
    id text NOT NULL,
    domain_id text NOT NULL,
    enabled boolean NOT NULL,
    description text NOT NULL,
    authorization_ttl bigint NOT NULL,
    options text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_idp_remote_id (
    remote_id text NOT NULL,
    idp_id text NOT NULL,
    PRIMARY KEY (remote_id),
    FOREIGN KEY (idp_id) REFERENCES identity_idp(id) ON DELETE CASCADE
);

CREATE TABLE identity_implied_role (
    prior_id text NOT NULL,
    implied_id text NOT NULL,
    PRIMARY KEY (prior_id, implied_id),
    FOREIGN KEY (implied_id) REFERENCES identity_role(id) ON DELETE CASCADE,
    FOREIGN KEY (prior_id) REFERENCES identity_role(id) ON DELETE CASCADE
);

CREATE TABLE identity_key (
    id text NOT NULL,
    purpose text NOT NULL,
    sealed text NOT NULL,
    created_at bigint NOT NULL,
    retired_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_limit (
    id text NOT NULL,
    project_id text NOT NULL,
    domain_id text NOT NULL,
    service_id text NOT NULL,
    region_id text NOT NULL,
    resource_name text NOT NULL,
    resource_limit bigint NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX identity_limit_what ON identity_limit USING btree (project_id, domain_id, service_id, region_id, resource_name);

CREATE TABLE identity_mapping (
    id text NOT NULL,
    schema_version text NOT NULL,
    rules text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_membership (
    user_id text NOT NULL,
    group_id text NOT NULL,
    PRIMARY KEY (user_id, group_id),
    FOREIGN KEY (group_id) REFERENCES identity_group(id) ON DELETE CASCADE
);

CREATE INDEX identity_membership_group ON identity_membership USING btree (group_id);

CREATE TABLE identity_oauth_token (
    id text NOT NULL,
    kind text NOT NULL,
    secret text NOT NULL,
    consumer_id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    role_ids text NOT NULL,
    verifier text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (consumer_id) REFERENCES identity_consumer(id) ON DELETE CASCADE
);

CREATE INDEX identity_oauth_token_user ON identity_oauth_token USING btree (user_id);

CREATE TABLE identity_password_history (
    user_id text NOT NULL,
    created_at bigint NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (user_id, created_at),
    FOREIGN KEY (user_id) REFERENCES identity_user(id) ON DELETE CASCADE
);

CREATE TABLE identity_policy (
    id text NOT NULL,
    type text NOT NULL,
    blob text NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_policy_association (
    policy_id text NOT NULL,
    endpoint_id text NOT NULL,
    service_id text NOT NULL,
    region_id text NOT NULL,
    PRIMARY KEY (endpoint_id, service_id, region_id),
    FOREIGN KEY (policy_id) REFERENCES identity_policy(id) ON DELETE CASCADE
);

CREATE TABLE identity_project (
    id text NOT NULL,
    name text NOT NULL,
    domain_id text NOT NULL,
    parent_id text NOT NULL,
    is_domain boolean NOT NULL,
    enabled boolean NOT NULL,
    description text NOT NULL,
    path text NOT NULL,
    options text NOT NULL,
    extra text NOT NULL,
    name_key text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id)
);

CREATE INDEX identity_project_by_key ON identity_project USING btree (name_key);

CREATE INDEX identity_project_by_name ON identity_project USING btree (name);

CREATE UNIQUE INDEX identity_project_name ON identity_project USING btree (domain_id, name_key);

CREATE INDEX identity_project_parent ON identity_project USING btree (parent_id);

CREATE INDEX identity_project_path ON identity_project USING btree (path);

CREATE TABLE identity_project_endpoint (
    project_id text NOT NULL,
    endpoint_id text NOT NULL,
    PRIMARY KEY (project_id, endpoint_id),
    FOREIGN KEY (endpoint_id) REFERENCES identity_endpoint(id) ON DELETE CASCADE
);

CREATE TABLE identity_project_endpoint_group (
    project_id text NOT NULL,
    endpoint_group_id text NOT NULL,
    PRIMARY KEY (project_id, endpoint_group_id),
    FOREIGN KEY (endpoint_group_id) REFERENCES identity_endpoint_group(id) ON DELETE CASCADE
);

CREATE TABLE identity_project_tag (
    project_id text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (project_id, name),
    FOREIGN KEY (project_id) REFERENCES identity_project(id) ON DELETE CASCADE
);

CREATE INDEX identity_project_tag_name ON identity_project_tag USING btree (name);

CREATE TABLE identity_protocol (
    id text NOT NULL,
    idp_id text NOT NULL,
    mapping_id text NOT NULL,
    remote_id_attribute text NOT NULL,
    PRIMARY KEY (idp_id, id),
    FOREIGN KEY (idp_id) REFERENCES identity_idp(id) ON DELETE CASCADE
);

CREATE TABLE identity_region (
    id text NOT NULL,
    parent_id text NOT NULL,
    description text NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_registered_limit (
    id text NOT NULL,
    service_id text NOT NULL,
    region_id text NOT NULL,
    resource_name text NOT NULL,
    default_limit bigint NOT NULL,
    description text NOT NULL,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX identity_registered_limit_what ON identity_registered_limit USING btree (service_id, region_id, resource_name);

CREATE TABLE identity_role (
    id text NOT NULL,
    domain_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    options text NOT NULL,
    extra text NOT NULL,
    name_key text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX identity_role_name ON identity_role USING btree (domain_id, name_key);

CREATE TABLE identity_service (
    id text NOT NULL,
    type text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    enabled boolean NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_service_provider (
    id text NOT NULL,
    enabled boolean NOT NULL,
    description text NOT NULL,
    auth_url text NOT NULL,
    sp_url text NOT NULL,
    relay_state_prefix text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE identity_trust (
    id text NOT NULL,
    trustor_user_id text NOT NULL,
    trustee_user_id text NOT NULL,
    project_id text NOT NULL,
    impersonation boolean NOT NULL,
    deleted_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    remaining_uses bigint NOT NULL,
    redelegated_trust_id text NOT NULL,
    redelegation_count bigint NOT NULL,
    allow_redelegation boolean NOT NULL,
    role_ids text NOT NULL,
    extra text NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX identity_trust_trustee ON identity_trust USING btree (trustee_user_id);

CREATE INDEX identity_trust_trustor ON identity_trust USING btree (trustor_user_id);

CREATE TABLE identity_used_once (
    id text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX identity_used_once_expires ON identity_used_once USING btree (expires_at);

CREATE TABLE identity_user (
    id text NOT NULL,
    domain_id text NOT NULL,
    name text NOT NULL,
    enabled boolean NOT NULL,
    default_project_id text NOT NULL,
    kind text NOT NULL,
    password_hash text NOT NULL,
    password_created_at bigint NOT NULL,
    password_expires_at bigint NOT NULL,
    password_self_service boolean NOT NULL,
    failed_attempts bigint NOT NULL,
    failed_at bigint NOT NULL,
    created_at bigint NOT NULL,
    last_active_at bigint NOT NULL,
    options text NOT NULL,
    extra text NOT NULL,
    name_key text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id),
    FOREIGN KEY (domain_id) REFERENCES identity_project(id)
);

CREATE INDEX identity_user_by_key ON identity_user USING btree (name_key);

CREATE INDEX identity_user_by_name ON identity_user USING btree (name);

CREATE INDEX identity_user_default_project ON identity_user USING btree (default_project_id);

CREATE UNIQUE INDEX identity_user_name ON identity_user USING btree (domain_id, name_key);

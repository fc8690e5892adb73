-- What the migrations of compute make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE compute_action (
    id bigint NOT NULL,
    server_id text NOT NULL,
    request_id text NOT NULL,
    action text NOT NULL,
    user_id text NOT NULL,
    project_id text NOT NULL,
    message text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX compute_action_server ON compute_action USING btree (server_id, id);

CREATE TABLE compute_action_event (
    action_id bigint NOT NULL,
    name text NOT NULL,
    host text NOT NULL,
    result text NOT NULL,
    details text NOT NULL,
    traceback text NOT NULL,
    started_at bigint NOT NULL,
    ended_at bigint NOT NULL
);

CREATE INDEX compute_action_event_of ON compute_action_event USING btree (action_id, started_at);

CREATE TABLE compute_aggregate (
    id bigint NOT NULL,
    uuid text NOT NULL,
    name text NOT NULL,
    metadata text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    UNIQUE (uuid),
    PRIMARY KEY (id)
);

CREATE TABLE compute_aggregate_host (
    aggregate_id bigint NOT NULL,
    host text NOT NULL,
    PRIMARY KEY (aggregate_id, host)
);

CREATE TABLE compute_block_device (
    id text NOT NULL,
    server_id text NOT NULL,
    number bigint NOT NULL,
    volume_id text NOT NULL,
    attachment_id text NOT NULL,
    source text NOT NULL,
    source_id text NOT NULL,
    size bigint NOT NULL,
    volume_type text NOT NULL,
    boot_index bigint NOT NULL,
    name text NOT NULL,
    bus text NOT NULL,
    device_type text NOT NULL,
    tag text NOT NULL,
    delete_on_termination boolean NOT NULL,
    multiattach boolean NOT NULL,
    state text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX compute_block_device_of ON compute_block_device USING btree (volume_id);

CREATE UNIQUE INDEX compute_block_device_volume ON compute_block_device USING btree (server_id, volume_id);

CREATE TABLE compute_console (
    token_hash text NOT NULL,
    server_id text NOT NULL,
    kind text NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (token_hash)
);

CREATE INDEX compute_console_expiry ON compute_console USING btree (expires_at);

CREATE INDEX compute_console_server ON compute_console USING btree (server_id);

CREATE TABLE compute_counter (
    name text NOT NULL,
    value bigint NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE compute_flavor (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    vcpus bigint NOT NULL,
    ram bigint NOT NULL,
    disk bigint NOT NULL,
    ephemeral bigint NOT NULL,
    swap bigint NOT NULL,
    rxtx double precision NOT NULL,
    is_public boolean NOT NULL,
    disabled boolean NOT NULL,
    extra_specs text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE TABLE compute_flavor_access (
    flavor_id text NOT NULL,
    project_id text NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE compute_host (
    name text NOT NULL,
    number bigint NOT NULL,
    service_id text NOT NULL,
    hypervisor_id text NOT NULL,
    report text NOT NULL,
    sequence bigint NOT NULL,
    disabled boolean NOT NULL,
    disabled_reason text NOT NULL,
    forced_down boolean NOT NULL,
    seen_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    guests text NOT NULL DEFAULT ''::text,
    UNIQUE (hypervisor_id),
    UNIQUE (service_id),
    PRIMARY KEY (name)
);

CREATE TABLE compute_keypair (
    id bigint NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    public_key text NOT NULL,
    fingerprint text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE TABLE compute_migration (
    id bigint NOT NULL,
    uuid text NOT NULL,
    server_id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    source_host text NOT NULL,
    dest_host text NOT NULL,
    old_flavor text NOT NULL,
    new_flavor text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (uuid),
    PRIMARY KEY (id)
);

CREATE INDEX compute_migration_server ON compute_migration USING btree (server_id, id);

CREATE TABLE compute_quota (
    kind text NOT NULL,
    owner text NOT NULL,
    resource text NOT NULL,
    hard bigint NOT NULL,
    PRIMARY KEY (kind, owner, resource)
);

CREATE TABLE compute_server (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    description text,
    hostname text NOT NULL,
    reservation_id text NOT NULL,
    launch_index bigint NOT NULL,
    image_id text NOT NULL,
    image_props text NOT NULL,
    root text NOT NULL,
    flavor_id text NOT NULL,
    flavor text NOT NULL,
    vcpus bigint NOT NULL,
    ram bigint NOT NULL,
    key_name text NOT NULL,
    key_type text NOT NULL,
    public_key text NOT NULL,
    user_data text NOT NULL,
    config_drive boolean NOT NULL,
    metadata text NOT NULL,
    files text NOT NULL,
    admin_pass text NOT NULL,
    security_groups text NOT NULL,
    hints text NOT NULL,
    tags text NOT NULL,
    availability_zone text NOT NULL,
    pinned_zone text NOT NULL,
    host text NOT NULL,
    domain text NOT NULL,
    requested_host text NOT NULL,
    vm_state text NOT NULL,
    task_state text NOT NULL,
    power_state bigint NOT NULL,
    progress bigint NOT NULL,
    locked boolean NOT NULL,
    locked_by text NOT NULL,
    lock_reason text,
    access_ipv4 text NOT NULL,
    access_ipv6 text NOT NULL,
    disk_config text NOT NULL,
    fault text NOT NULL,
    password text NOT NULL,
    generation bigint NOT NULL,
    boot bigint NOT NULL,
    hard_boot bigint NOT NULL,
    rebuild bigint NOT NULL,
    power text NOT NULL,
    rescue text NOT NULL,
    snapshot_image_id text NOT NULL,
    old_vm_state text NOT NULL,
    host_sequence bigint NOT NULL,
    shelved_image_id text NOT NULL,
    delete_requested boolean NOT NULL,
    group_id text NOT NULL,
    resized_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    launched_at bigint NOT NULL,
    terminated_at bigint NOT NULL,
    deleted_at bigint NOT NULL,
    deleted boolean NOT NULL,
    local_disks text NOT NULL DEFAULT '{}'::text,
    disk bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE INDEX compute_server_changed ON compute_server USING btree (updated_at);

CREATE INDEX compute_server_group_of ON compute_server USING btree (group_id, deleted);

CREATE INDEX compute_server_of_all ON compute_server USING btree (deleted, created_at, id, name, vm_state);

CREATE INDEX compute_server_of_project ON compute_server USING btree (project_id, deleted, created_at, id, name, vm_state);

CREATE INDEX compute_server_on_host ON compute_server USING btree (deleted, host, task_state);

CREATE INDEX compute_server_totals ON compute_server USING btree (project_id, deleted, user_id, vcpus, ram);

CREATE INDEX compute_server_usage ON compute_server USING btree (project_id, id, launched_at, terminated_at, vcpus, ram, disk);

CREATE TABLE compute_server_group (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    policy text NOT NULL,
    rules text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX compute_server_group_project ON compute_server_group USING btree (project_id);

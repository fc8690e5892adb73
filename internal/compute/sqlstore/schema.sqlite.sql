-- What the migrations of compute make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE compute_action (
    id         BIGINT PRIMARY KEY,
    server_id  TEXT NOT NULL,
    request_id TEXT NOT NULL,
    action     TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    project_id TEXT NOT NULL,
    message    TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX compute_action_server ON compute_action (server_id, id);

CREATE TABLE compute_action_event (
    action_id  BIGINT NOT NULL,
    name       TEXT NOT NULL,
    host       TEXT NOT NULL,
    result     TEXT NOT NULL,
    details    TEXT NOT NULL,
    traceback  TEXT NOT NULL,
    started_at BIGINT NOT NULL,
    ended_at   BIGINT NOT NULL
);

CREATE INDEX compute_action_event_of ON compute_action_event (action_id, started_at);

CREATE TABLE compute_aggregate (
    id         BIGINT PRIMARY KEY,
    uuid       TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    metadata   TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE compute_aggregate_host (
    aggregate_id BIGINT NOT NULL,
    host         TEXT NOT NULL,
    PRIMARY KEY (aggregate_id, host)
);

CREATE TABLE compute_block_device (
    id                    TEXT PRIMARY KEY,
    server_id             TEXT NOT NULL,
    number                BIGINT NOT NULL,
    volume_id             TEXT NOT NULL,
    attachment_id         TEXT NOT NULL,
    source                TEXT NOT NULL,
    source_id             TEXT NOT NULL,
    size                  BIGINT NOT NULL,
    volume_type           TEXT NOT NULL,
    boot_index            BIGINT NOT NULL,
    name                  TEXT NOT NULL,
    bus                   TEXT NOT NULL,
    device_type           TEXT NOT NULL,
    tag                   TEXT NOT NULL,
    delete_on_termination BOOLEAN NOT NULL,
    multiattach           BOOLEAN NOT NULL,
    state                 TEXT NOT NULL,
    created_at            BIGINT NOT NULL
);

CREATE INDEX compute_block_device_of ON compute_block_device (volume_id);

CREATE UNIQUE INDEX compute_block_device_volume ON compute_block_device (server_id, volume_id);

CREATE TABLE compute_console (
    token_hash TEXT PRIMARY KEY,
    server_id  TEXT NOT NULL,
    kind       TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX compute_console_expiry ON compute_console (expires_at);

CREATE INDEX compute_console_server ON compute_console (server_id);

CREATE TABLE compute_counter (
    name  TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);

CREATE TABLE compute_flavor (
    id          TEXT PRIMARY KEY,
    name        TEXT NOT NULL UNIQUE,
    description TEXT,
    vcpus       BIGINT NOT NULL,
    ram         BIGINT NOT NULL,
    disk        BIGINT NOT NULL,
    ephemeral   BIGINT NOT NULL,
    swap        BIGINT NOT NULL,
    rxtx        DOUBLE PRECISION NOT NULL,
    is_public   BOOLEAN NOT NULL,
    disabled    BOOLEAN NOT NULL,
    extra_specs TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    updated_at  BIGINT NOT NULL
);

CREATE TABLE compute_flavor_access (
    flavor_id  TEXT NOT NULL,
    project_id TEXT NOT NULL,
    PRIMARY KEY (flavor_id, project_id)
);

CREATE TABLE compute_host (
    name            TEXT PRIMARY KEY,
    number          BIGINT NOT NULL,
    service_id      TEXT NOT NULL UNIQUE,
    hypervisor_id   TEXT NOT NULL UNIQUE,
    report          TEXT NOT NULL,
    sequence        BIGINT NOT NULL,
    disabled        BOOLEAN NOT NULL,
    disabled_reason TEXT NOT NULL,
    forced_down     BOOLEAN NOT NULL,
    seen_at         BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    updated_at      BIGINT NOT NULL
, guests TEXT NOT NULL DEFAULT '');

CREATE TABLE compute_keypair (
    id          BIGINT NOT NULL,
    user_id     TEXT NOT NULL,
    name        TEXT NOT NULL,
    type        TEXT NOT NULL,
    public_key  TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (user_id, name)
);

CREATE TABLE compute_migration (
    id            BIGINT PRIMARY KEY,
    uuid          TEXT NOT NULL UNIQUE,
    server_id     TEXT NOT NULL,
    project_id    TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    type          TEXT NOT NULL,
    status        TEXT NOT NULL,
    source_host   TEXT NOT NULL,
    dest_host     TEXT NOT NULL,
    old_flavor    TEXT NOT NULL,
    new_flavor    TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    updated_at    BIGINT NOT NULL
);

CREATE INDEX compute_migration_server ON compute_migration (server_id, id);

CREATE TABLE compute_quota (
    kind     TEXT NOT NULL,
    owner    TEXT NOT NULL,
    resource TEXT NOT NULL,
    hard     BIGINT NOT NULL,
    PRIMARY KEY (kind, owner, resource)
);

CREATE TABLE compute_server (
    id                TEXT PRIMARY KEY,
    project_id        TEXT NOT NULL,
    user_id           TEXT NOT NULL,
    name              TEXT NOT NULL,
    description       TEXT,
    hostname          TEXT NOT NULL,
    reservation_id    TEXT NOT NULL,
    launch_index      BIGINT NOT NULL,
    image_id          TEXT NOT NULL,
    image_props       TEXT NOT NULL,
    root              TEXT NOT NULL,
    flavor_id         TEXT NOT NULL,
    flavor            TEXT NOT NULL,
    vcpus             BIGINT NOT NULL,
    ram               BIGINT NOT NULL,
    key_name          TEXT NOT NULL,
    key_type          TEXT NOT NULL,
    public_key        TEXT NOT NULL,
    user_data         TEXT NOT NULL,
    config_drive      BOOLEAN NOT NULL,
    metadata          TEXT NOT NULL,
    files             TEXT NOT NULL,
    admin_pass        TEXT NOT NULL,
    security_groups   TEXT NOT NULL,
    hints             TEXT NOT NULL,
    tags              TEXT NOT NULL,
    availability_zone TEXT NOT NULL,
    pinned_zone       TEXT NOT NULL,
    host              TEXT NOT NULL,
    domain            TEXT NOT NULL,
    requested_host    TEXT NOT NULL,
    vm_state          TEXT NOT NULL,
    task_state        TEXT NOT NULL,
    power_state       BIGINT NOT NULL,
    progress          BIGINT NOT NULL,
    locked            BOOLEAN NOT NULL,
    locked_by         TEXT NOT NULL,
    lock_reason       TEXT,
    access_ipv4       TEXT NOT NULL,
    access_ipv6       TEXT NOT NULL,
    disk_config       TEXT NOT NULL,
    fault             TEXT NOT NULL,
    password          TEXT NOT NULL,
    generation        BIGINT NOT NULL,
    boot              BIGINT NOT NULL,
    hard_boot         BIGINT NOT NULL,
    rebuild           BIGINT NOT NULL,
    power             TEXT NOT NULL,
    rescue            TEXT NOT NULL,
    snapshot_image_id TEXT NOT NULL,
    old_vm_state      TEXT NOT NULL,
    host_sequence     BIGINT NOT NULL,
    shelved_image_id  TEXT NOT NULL,
    delete_requested  BOOLEAN NOT NULL,
    group_id          TEXT NOT NULL,
    resized_at        BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL,
    launched_at       BIGINT NOT NULL,
    terminated_at     BIGINT NOT NULL,
    deleted_at        BIGINT NOT NULL,
    deleted           BOOLEAN NOT NULL
, local_disks TEXT NOT NULL DEFAULT '{}', disk BIGINT NOT NULL DEFAULT 0);

CREATE INDEX compute_server_changed ON compute_server (updated_at);

CREATE INDEX compute_server_group_of ON compute_server (group_id, deleted);

CREATE INDEX compute_server_of_all ON compute_server (deleted, created_at, id, name, vm_state);

CREATE INDEX compute_server_of_project ON compute_server (project_id, deleted, created_at, id, name, vm_state);

CREATE INDEX compute_server_on_host ON compute_server (deleted, host, task_state);

CREATE INDEX compute_server_totals ON compute_server (project_id, deleted, user_id, vcpus, ram);

CREATE INDEX compute_server_usage ON compute_server (project_id, id, launched_at, terminated_at, vcpus, ram, disk);

CREATE TABLE compute_server_group (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    name       TEXT NOT NULL,
    policy     TEXT NOT NULL,
    rules      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE INDEX compute_server_group_project ON compute_server_group (project_id);

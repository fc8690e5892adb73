-- What the migrations of volume make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE volume_attachment (
    id text NOT NULL,
    volume_id text NOT NULL,
    project_id text NOT NULL,
    instance_id text NOT NULL,
    attached_host text NOT NULL,
    mountpoint text NOT NULL,
    mode text NOT NULL,
    status text NOT NULL,
    connector text NOT NULL,
    connection text NOT NULL,
    by_api boolean NOT NULL,
    attached_at bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    of_server boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id)
);

CREATE INDEX volume_attachment_instance ON volume_attachment USING btree (instance_id);

CREATE INDEX volume_attachment_project ON volume_attachment USING btree (project_id, created_at, id);

CREATE INDEX volume_attachment_volume ON volume_attachment USING btree (volume_id);

CREATE TABLE volume_backend (
    host text NOT NULL,
    name text NOT NULL,
    service_id text NOT NULL,
    number bigint NOT NULL,
    report text NOT NULL,
    seen_at bigint NOT NULL,
    disabled boolean NOT NULL,
    reason text NOT NULL,
    frozen boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (host, name)
);

CREATE TABLE volume_backup (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    volume_id text NOT NULL,
    snapshot_id text NOT NULL,
    parent_id text NOT NULL,
    status text NOT NULL,
    fail_reason text NOT NULL,
    size bigint NOT NULL,
    bytes bigint NOT NULL,
    container text NOT NULL,
    availability_zone text NOT NULL,
    metadata text NOT NULL,
    encryption_key_id text NOT NULL,
    restore_id text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    data_at bigint NOT NULL,
    volume_metadata text NOT NULL DEFAULT '{}'::text,
    PRIMARY KEY (id)
);

CREATE INDEX volume_backup_parent ON volume_backup USING btree (parent_id);

CREATE INDEX volume_backup_project ON volume_backup USING btree (project_id, created_at, id);

CREATE INDEX volume_backup_volume ON volume_backup USING btree (volume_id, data_at);

CREATE TABLE volume_group (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text,
    description text,
    status text NOT NULL,
    availability_zone text NOT NULL,
    host text NOT NULL,
    group_type text NOT NULL,
    volume_types text NOT NULL,
    group_snapshot_id text NOT NULL,
    source_group_id text NOT NULL,
    replication_status text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    waits boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id)
);

CREATE INDEX volume_group_of_type ON volume_group USING btree (group_type);

CREATE INDEX volume_group_project ON volume_group USING btree (project_id, created_at, id);

CREATE TABLE volume_group_snapshot (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text,
    description text,
    status text NOT NULL,
    group_id text NOT NULL,
    group_type_id text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    waits boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id)
);

CREATE INDEX volume_group_snapshot_group ON volume_group_snapshot USING btree (group_id);

CREATE INDEX volume_group_snapshot_project ON volume_group_snapshot USING btree (project_id, created_at, id);

CREATE TABLE volume_group_type (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    is_public boolean NOT NULL,
    group_specs text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE TABLE volume_key (
    id text NOT NULL,
    project_id text NOT NULL,
    sealed text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE volume_message (
    id text NOT NULL,
    project_id text NOT NULL,
    request_id text NOT NULL,
    resource_type text NOT NULL,
    resource_uuid text NOT NULL,
    event_id text NOT NULL,
    action_id text NOT NULL,
    detail_id text NOT NULL,
    message_level text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX volume_message_expires ON volume_message USING btree (expires_at);

CREATE INDEX volume_message_project ON volume_message USING btree (project_id, created_at, id);

CREATE TABLE volume_qos_spec (
    id text NOT NULL,
    name text NOT NULL,
    consumer text NOT NULL,
    specs text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE TABLE volume_quota (
    kind text NOT NULL,
    owner text NOT NULL,
    resource text NOT NULL,
    hard bigint NOT NULL,
    PRIMARY KEY (kind, owner, resource)
);

CREATE INDEX volume_quota_resource ON volume_quota USING btree (resource);

CREATE TABLE volume_snapshot (
    id text NOT NULL,
    volume_id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    status text NOT NULL,
    progress text NOT NULL,
    size bigint NOT NULL,
    volume_type_id text NOT NULL,
    encryption_key_id text NOT NULL,
    metadata text NOT NULL,
    group_snapshot_id text NOT NULL,
    unmetered boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX volume_snapshot_created ON volume_snapshot USING btree (created_at, id);

CREATE INDEX volume_snapshot_group ON volume_snapshot USING btree (group_snapshot_id);

CREATE INDEX volume_snapshot_project ON volume_snapshot USING btree (project_id, created_at, id);

CREATE INDEX volume_snapshot_volume ON volume_snapshot USING btree (volume_id, created_at);

CREATE TABLE volume_transfer (
    id text NOT NULL,
    volume_id text NOT NULL,
    name text NOT NULL,
    source_project_id text NOT NULL,
    destination_project_id text NOT NULL,
    salt text NOT NULL,
    hash text NOT NULL,
    no_snapshots boolean NOT NULL,
    accepted boolean NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX volume_transfer_project ON volume_transfer USING btree (source_project_id, created_at, id);

CREATE INDEX volume_transfer_volume ON volume_transfer USING btree (volume_id);

CREATE TABLE volume_type (
    id text NOT NULL,
    name text NOT NULL,
    description text,
    is_public boolean NOT NULL,
    extra_specs text NOT NULL,
    qos_specs_id text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE INDEX volume_type_qos ON volume_type USING btree (qos_specs_id);

CREATE TABLE volume_type_access (
    type_id text NOT NULL,
    project_id text NOT NULL,
    PRIMARY KEY (type_id, project_id)
);

CREATE TABLE volume_type_default (
    project_id text NOT NULL,
    type_id text NOT NULL,
    PRIMARY KEY (project_id)
);

CREATE INDEX volume_type_default_type ON volume_type_default USING btree (type_id);

CREATE TABLE volume_type_encryption (
    type_id text NOT NULL,
    id text NOT NULL,
    provider text NOT NULL,
    cipher text,
    key_size bigint,
    control_location text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (type_id)
);

CREATE TABLE volume_volume (
    id text NOT NULL,
    project_id text NOT NULL,
    user_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    status text NOT NULL,
    previous_status text NOT NULL,
    size bigint NOT NULL,
    availability_zone text NOT NULL,
    volume_type_id text NOT NULL,
    host text NOT NULL,
    snapshot_id text NOT NULL,
    source_volid text NOT NULL,
    image_id text NOT NULL,
    backup_id text NOT NULL,
    bootable boolean NOT NULL,
    multiattach boolean NOT NULL,
    readonly boolean NOT NULL,
    encrypted boolean NOT NULL,
    encryption_key_id text NOT NULL,
    metadata text NOT NULL,
    image_metadata text NOT NULL,
    group_id text NOT NULL,
    migration_status text NOT NULL,
    attach_status text NOT NULL,
    replaces text NOT NULL,
    unmetered boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    launched_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX volume_volume_created ON volume_volume USING btree (created_at, id);

CREATE INDEX volume_volume_group ON volume_volume USING btree (group_id);

CREATE INDEX volume_volume_host ON volume_volume USING btree (host);

CREATE INDEX volume_volume_project ON volume_volume USING btree (project_id, created_at, id);

CREATE INDEX volume_volume_type ON volume_volume USING btree (volume_type_id);

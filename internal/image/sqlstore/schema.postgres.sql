-- What the migrations of image make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE image (
    id text NOT NULL,
    name text NOT NULL,
    owner text NOT NULL,
    status text NOT NULL,
    visibility text NOT NULL,
    container_format text NOT NULL,
    disk_format text NOT NULL,
    size bigint NOT NULL,
    virtual_size bigint NOT NULL,
    checksum text NOT NULL,
    os_hash_algo text NOT NULL,
    os_hash_value text NOT NULL,
    min_disk bigint NOT NULL,
    min_ram bigint NOT NULL,
    protected boolean NOT NULL,
    os_hidden boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    generation bigint NOT NULL,
    feeder text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id)
);

CREATE INDEX image_created ON image USING btree (created_at, id);

CREATE INDEX image_hash ON image USING btree (os_hash_value);

CREATE INDEX image_name ON image USING btree (name, created_at, id);

CREATE INDEX image_owner ON image USING btree (owner, created_at, id);

CREATE INDEX image_size ON image USING btree (size, created_at, id);

CREATE INDEX image_updated ON image USING btree (updated_at, created_at, id);

CREATE INDEX image_visibility ON image USING btree (visibility, created_at, id);

CREATE TABLE image_cache (
    image_id text NOT NULL,
    node text NOT NULL,
    cached boolean NOT NULL,
    size bigint NOT NULL,
    hits bigint NOT NULL,
    last_accessed bigint NOT NULL,
    last_modified bigint NOT NULL,
    PRIMARY KEY (image_id, node)
);

CREATE TABLE image_deleted (
    id text NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE image_garbage (
    id text NOT NULL,
    store text NOT NULL,
    url text NOT NULL,
    image_id text NOT NULL,
    not_before bigint NOT NULL,
    attempts bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX image_garbage_due ON image_garbage USING btree (not_before);

CREATE TABLE image_location (
    id text NOT NULL,
    image_id text NOT NULL,
    position bigint NOT NULL,
    store text NOT NULL,
    url text NOT NULL,
    metadata text NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (id),
    FOREIGN KEY (image_id) REFERENCES image(id) ON DELETE CASCADE
);

CREATE INDEX image_location_image ON image_location USING btree (image_id, "position");

CREATE INDEX image_location_url ON image_location USING btree (url);

CREATE TABLE image_member (
    image_id text NOT NULL,
    member_id text NOT NULL,
    status text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (image_id, member_id),
    FOREIGN KEY (image_id) REFERENCES image(id) ON DELETE CASCADE
);

CREATE INDEX image_member_member ON image_member USING btree (member_id, image_id);

CREATE TABLE image_metadef_association (
    namespace_id text NOT NULL,
    resource_type text NOT NULL,
    prefix text NOT NULL,
    properties_target text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (namespace_id, resource_type),
    FOREIGN KEY (namespace_id) REFERENCES image_metadef_namespace(id) ON DELETE CASCADE
);

CREATE TABLE image_metadef_item (
    namespace_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    body text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (namespace_id, kind, name),
    FOREIGN KEY (namespace_id) REFERENCES image_metadef_namespace(id) ON DELETE CASCADE
);

CREATE TABLE image_metadef_namespace (
    id text NOT NULL,
    name text NOT NULL,
    display_name text NOT NULL,
    description text NOT NULL,
    visibility text NOT NULL,
    protected boolean NOT NULL,
    owner text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE TABLE image_metadef_resource_type (
    name text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE image_metadef_seed (
    catalogue text NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (catalogue)
);

CREATE TABLE image_property (
    image_id text NOT NULL,
    name text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (image_id, name),
    FOREIGN KEY (image_id) REFERENCES image(id) ON DELETE CASCADE
);

CREATE INDEX image_property_value ON image_property USING btree (name, image_id);

CREATE TABLE image_tag (
    image_id text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (image_id, value),
    FOREIGN KEY (image_id) REFERENCES image(id) ON DELETE CASCADE
);

CREATE INDEX image_tag_value ON image_tag USING btree (value, image_id);

CREATE TABLE image_task (
    id text NOT NULL,
    type text NOT NULL,
    status text NOT NULL,
    owner text NOT NULL,
    image_id text NOT NULL,
    user_id text NOT NULL,
    request_id text NOT NULL,
    input text NOT NULL,
    result text NOT NULL,
    message text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX image_task_created ON image_task USING btree (created_at, id);

CREATE INDEX image_task_expires ON image_task USING btree (expires_at);

CREATE INDEX image_task_image ON image_task USING btree (image_id, created_at);

CREATE TABLE image_upload (
    url text NOT NULL,
    store text NOT NULL,
    image_id text NOT NULL,
    node text NOT NULL,
    lease_until bigint NOT NULL,
    PRIMARY KEY (url)
);

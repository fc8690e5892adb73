-- What the migrations of placement make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE placement_allocation (
    consumer_id text NOT NULL,
    provider_id text NOT NULL,
    class text NOT NULL,
    used bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (consumer_id, provider_id, class)
);

CREATE INDEX placement_allocation_provider ON placement_allocation USING btree (provider_id);

CREATE TABLE placement_class (
    name text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (name)
);

CREATE TABLE placement_consumer (
    id text NOT NULL,
    generation bigint NOT NULL DEFAULT 1,
    project_id text NOT NULL,
    user_id text NOT NULL,
    type text NOT NULL DEFAULT ''::text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX placement_consumer_project ON placement_consumer USING btree (project_id, user_id);

CREATE TABLE placement_inventory (
    provider_id text NOT NULL,
    class text NOT NULL,
    total bigint NOT NULL,
    reserved bigint NOT NULL,
    min_unit bigint NOT NULL,
    max_unit bigint NOT NULL,
    step_size bigint NOT NULL,
    allocation_ratio double precision NOT NULL,
    capacity bigint NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL,
    PRIMARY KEY (provider_id, class)
);

CREATE TABLE placement_provider (
    id text NOT NULL,
    name text NOT NULL,
    generation bigint NOT NULL DEFAULT 0,
    parent_id text NOT NULL DEFAULT ''::text,
    root_id text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    UNIQUE (name),
    PRIMARY KEY (id)
);

CREATE INDEX placement_provider_root ON placement_provider USING btree (root_id);

CREATE TABLE placement_provider_aggregate (
    provider_id text NOT NULL,
    aggregate_id text NOT NULL,
    PRIMARY KEY (provider_id, aggregate_id)
);

CREATE INDEX placement_provider_aggregate_aggregate ON placement_provider_aggregate USING btree (aggregate_id);

CREATE TABLE placement_provider_trait (
    provider_id text NOT NULL,
    trait text NOT NULL,
    PRIMARY KEY (provider_id, trait)
);

CREATE INDEX placement_provider_trait_trait ON placement_provider_trait USING btree (trait);

CREATE TABLE placement_trait (
    name text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (name)
);

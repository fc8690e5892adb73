-- What the migrations of placement make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE placement_allocation (
	consumer_id TEXT NOT NULL,
	provider_id TEXT NOT NULL,
	class TEXT NOT NULL,
	used BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (consumer_id, provider_id, class)
);

CREATE INDEX placement_allocation_provider ON placement_allocation (provider_id);

CREATE TABLE placement_class (
	name TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL
);

CREATE TABLE placement_consumer (
	id TEXT PRIMARY KEY,
	generation BIGINT NOT NULL DEFAULT 1,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	type TEXT NOT NULL DEFAULT '',
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE INDEX placement_consumer_project ON placement_consumer (project_id, user_id);

CREATE TABLE placement_inventory (
	provider_id TEXT NOT NULL,
	class TEXT NOT NULL,
	total BIGINT NOT NULL,
	reserved BIGINT NOT NULL,
	min_unit BIGINT NOT NULL,
	max_unit BIGINT NOT NULL,
	step_size BIGINT NOT NULL,
	allocation_ratio DOUBLE PRECISION NOT NULL,
	capacity BIGINT NOT NULL,
	used BIGINT NOT NULL DEFAULT 0,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (provider_id, class)
);

CREATE TABLE placement_provider (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	generation BIGINT NOT NULL DEFAULT 0,
	parent_id TEXT NOT NULL DEFAULT '',
	root_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE INDEX placement_provider_root ON placement_provider (root_id);

CREATE TABLE placement_provider_aggregate (
	provider_id TEXT NOT NULL,
	aggregate_id TEXT NOT NULL,
	PRIMARY KEY (provider_id, aggregate_id)
);

CREATE INDEX placement_provider_aggregate_aggregate ON placement_provider_aggregate (aggregate_id);

CREATE TABLE placement_provider_trait (
	provider_id TEXT NOT NULL,
	trait TEXT NOT NULL,
	PRIMARY KEY (provider_id, trait)
);

CREATE INDEX placement_provider_trait_trait ON placement_provider_trait (trait);

CREATE TABLE placement_trait (
	name TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL
);

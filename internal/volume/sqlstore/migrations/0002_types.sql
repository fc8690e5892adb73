-- Volume types with what belongs to them, and QoS specs.
CREATE TABLE volume_type (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT,
	is_public BOOLEAN NOT NULL,
	extra_specs TEXT NOT NULL,
	qos_specs_id TEXT,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE INDEX volume_type_qos ON volume_type (qos_specs_id);

CREATE TABLE volume_type_access (
	type_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	PRIMARY KEY (type_id, project_id)
);

CREATE TABLE volume_type_encryption (
	type_id TEXT PRIMARY KEY,
	id TEXT NOT NULL,
	provider TEXT NOT NULL,
	cipher TEXT,
	key_size BIGINT,
	control_location TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE volume_type_default (
	project_id TEXT PRIMARY KEY,
	type_id TEXT NOT NULL
);
CREATE INDEX volume_type_default_type ON volume_type_default (type_id);

CREATE TABLE volume_qos_spec (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	consumer TEXT NOT NULL,
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

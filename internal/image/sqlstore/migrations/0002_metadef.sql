-- The catalogue of metadata definitions. Bodies of items are JSON.
CREATE TABLE metadef_namespace (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	display_name TEXT NOT NULL,
	description TEXT NOT NULL,
	visibility TEXT NOT NULL,
	protected BOOLEAN NOT NULL,
	owner TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE TABLE metadef_item (
	namespace_id TEXT NOT NULL REFERENCES metadef_namespace (id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	body TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (namespace_id, kind, name)
);
CREATE TABLE metadef_resource_type (
	name TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);
CREATE TABLE metadef_association (
	namespace_id TEXT NOT NULL REFERENCES metadef_namespace (id) ON DELETE CASCADE,
	resource_type TEXT NOT NULL,
	prefix TEXT NOT NULL,
	properties_target TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (namespace_id, resource_type)
);
-- Whether the standard catalogue was put in.
CREATE TABLE metadef_standard (
	version BIGINT PRIMARY KEY
);

-- What the migrations of image make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE image (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL,
	owner TEXT NOT NULL,
	status TEXT NOT NULL,
	visibility TEXT NOT NULL,
	container_format TEXT NOT NULL,
	disk_format TEXT NOT NULL,
	size BIGINT NOT NULL,
	virtual_size BIGINT NOT NULL,
	checksum TEXT NOT NULL,
	os_hash_algo TEXT NOT NULL,
	os_hash_value TEXT NOT NULL,
	min_disk BIGINT NOT NULL,
	min_ram BIGINT NOT NULL,
	protected BOOLEAN NOT NULL,
	os_hidden BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	generation BIGINT NOT NULL
, feeder TEXT NOT NULL DEFAULT '');

CREATE INDEX image_created ON image (created_at, id);

CREATE INDEX image_hash ON image (os_hash_value);

CREATE INDEX image_name ON image (name, created_at, id);

CREATE INDEX image_owner ON image (owner, created_at, id);

CREATE INDEX image_size ON image (size, created_at, id);

CREATE INDEX image_updated ON image (updated_at, created_at, id);

CREATE INDEX image_visibility ON image (visibility, created_at, id);

CREATE TABLE image_cache (
	image_id TEXT NOT NULL,
	node TEXT NOT NULL,
	cached BOOLEAN NOT NULL,
	size BIGINT NOT NULL,
	hits BIGINT NOT NULL,
	last_accessed BIGINT NOT NULL,
	last_modified BIGINT NOT NULL,
	PRIMARY KEY (image_id, node)
);

CREATE TABLE image_deleted (
	id TEXT PRIMARY KEY
);

CREATE TABLE image_garbage (
	id TEXT PRIMARY KEY,
	store TEXT NOT NULL,
	url TEXT NOT NULL,
	image_id TEXT NOT NULL,
	not_before BIGINT NOT NULL,
	attempts BIGINT NOT NULL
);

CREATE INDEX image_garbage_due ON image_garbage (not_before);

CREATE TABLE image_location (
	id TEXT PRIMARY KEY,
	image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	position BIGINT NOT NULL,
	store TEXT NOT NULL,
	url TEXT NOT NULL,
	metadata TEXT NOT NULL,
	status TEXT NOT NULL
);

CREATE INDEX image_location_image ON image_location (image_id, position);

CREATE INDEX image_location_url ON image_location (url);

CREATE TABLE image_member (
	image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	member_id TEXT NOT NULL,
	status TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (image_id, member_id)
);

CREATE INDEX image_member_member ON image_member (member_id, image_id);

CREATE TABLE "image_metadef_association" (
	namespace_id TEXT NOT NULL REFERENCES "image_metadef_namespace" (id) ON DELETE CASCADE,
	resource_type TEXT NOT NULL,
	prefix TEXT NOT NULL,
	properties_target TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (namespace_id, resource_type)
);

CREATE TABLE "image_metadef_item" (
	namespace_id TEXT NOT NULL REFERENCES "image_metadef_namespace" (id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	name TEXT NOT NULL,
	body TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (namespace_id, kind, name)
);

CREATE TABLE "image_metadef_namespace" (
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

CREATE TABLE "image_metadef_resource_type" (
	name TEXT PRIMARY KEY,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE image_metadef_seed (
	catalogue TEXT PRIMARY KEY,
	version BIGINT NOT NULL
);

CREATE TABLE image_property (
	image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	value TEXT NOT NULL,
	PRIMARY KEY (image_id, name)
);

CREATE INDEX image_property_value ON image_property (name, image_id);

CREATE TABLE image_tag (
	image_id TEXT NOT NULL REFERENCES image (id) ON DELETE CASCADE,
	value TEXT NOT NULL,
	PRIMARY KEY (image_id, value)
);

CREATE INDEX image_tag_value ON image_tag (value, image_id);

CREATE TABLE image_task (
	id TEXT PRIMARY KEY,
	type TEXT NOT NULL,
	status TEXT NOT NULL,
	owner TEXT NOT NULL,
	image_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	request_id TEXT NOT NULL,
	input TEXT NOT NULL,
	result TEXT NOT NULL,
	message TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX image_task_created ON image_task (created_at, id);

CREATE INDEX image_task_expires ON image_task (expires_at);

CREATE INDEX image_task_image ON image_task (image_id, created_at);

CREATE TABLE image_upload (
	url TEXT PRIMARY KEY,
	store TEXT NOT NULL,
	image_id TEXT NOT NULL,
	node TEXT NOT NULL,
	lease_until BIGINT NOT NULL
);

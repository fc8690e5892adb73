-- What the migrations of volume make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE volume_attachment (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	instance_id TEXT NOT NULL,
	attached_host TEXT NOT NULL,
	mountpoint TEXT NOT NULL,
	mode TEXT NOT NULL,
	status TEXT NOT NULL,
	connector TEXT NOT NULL,
	connection TEXT NOT NULL,
	by_api BOOLEAN NOT NULL,
	attached_at BIGINT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
, of_server BOOLEAN NOT NULL DEFAULT FALSE);

CREATE INDEX volume_attachment_instance ON volume_attachment (instance_id);

CREATE INDEX volume_attachment_project ON volume_attachment (project_id, created_at, id);

CREATE INDEX volume_attachment_volume ON volume_attachment (volume_id);

CREATE TABLE volume_backend (
	host TEXT NOT NULL,
	name TEXT NOT NULL,
	service_id TEXT NOT NULL,
	number BIGINT NOT NULL,
	report TEXT NOT NULL,
	seen_at BIGINT NOT NULL,
	disabled BOOLEAN NOT NULL,
	reason TEXT NOT NULL,
	frozen BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	PRIMARY KEY (host, name)
);

CREATE TABLE volume_backup (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	volume_id TEXT NOT NULL,
	snapshot_id TEXT NOT NULL,
	parent_id TEXT NOT NULL,
	status TEXT NOT NULL,
	fail_reason TEXT NOT NULL,
	size BIGINT NOT NULL,
	bytes BIGINT NOT NULL,
	container TEXT NOT NULL,
	availability_zone TEXT NOT NULL,
	metadata TEXT NOT NULL,
	encryption_key_id TEXT NOT NULL,
	restore_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	data_at BIGINT NOT NULL
, volume_metadata TEXT NOT NULL DEFAULT '{}');

CREATE INDEX volume_backup_parent ON volume_backup (parent_id);

CREATE INDEX volume_backup_project ON volume_backup (project_id, created_at, id);

CREATE INDEX volume_backup_volume ON volume_backup (volume_id, data_at);

CREATE TABLE volume_group (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT,
	description TEXT,
	status TEXT NOT NULL,
	availability_zone TEXT NOT NULL,
	host TEXT NOT NULL,
	group_type TEXT NOT NULL,
	volume_types TEXT NOT NULL,
	group_snapshot_id TEXT NOT NULL,
	source_group_id TEXT NOT NULL,
	replication_status TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
, waits BOOLEAN NOT NULL DEFAULT FALSE);

CREATE INDEX volume_group_of_type ON volume_group (group_type);

CREATE INDEX volume_group_project ON volume_group (project_id, created_at, id);

CREATE TABLE volume_group_snapshot (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT,
	description TEXT,
	status TEXT NOT NULL,
	group_id TEXT NOT NULL,
	group_type_id TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
, waits BOOLEAN NOT NULL DEFAULT FALSE);

CREATE INDEX volume_group_snapshot_group ON volume_group_snapshot (group_id);

CREATE INDEX volume_group_snapshot_project ON volume_group_snapshot (project_id, created_at, id);

CREATE TABLE volume_group_type (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT,
	is_public BOOLEAN NOT NULL,
	group_specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE volume_key (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	sealed TEXT NOT NULL
);

CREATE TABLE volume_message (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	request_id TEXT NOT NULL,
	resource_type TEXT NOT NULL,
	resource_uuid TEXT NOT NULL,
	event_id TEXT NOT NULL,
	action_id TEXT NOT NULL,
	detail_id TEXT NOT NULL,
	message_level TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	expires_at BIGINT NOT NULL
);

CREATE INDEX volume_message_expires ON volume_message (expires_at);

CREATE INDEX volume_message_project ON volume_message (project_id, created_at, id);

CREATE TABLE volume_qos_spec (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	consumer TEXT NOT NULL,
	specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE TABLE volume_quota (
	kind TEXT NOT NULL,
	owner TEXT NOT NULL,
	resource TEXT NOT NULL,
	hard BIGINT NOT NULL,
	PRIMARY KEY (kind, owner, resource)
);

CREATE INDEX volume_quota_resource ON volume_quota (resource);

CREATE TABLE volume_snapshot (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	status TEXT NOT NULL,
	progress TEXT NOT NULL,
	size BIGINT NOT NULL,
	volume_type_id TEXT NOT NULL,
	encryption_key_id TEXT NOT NULL,
	metadata TEXT NOT NULL,
	group_snapshot_id TEXT NOT NULL,
	unmetered BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

CREATE INDEX volume_snapshot_created ON volume_snapshot (created_at, id);

CREATE INDEX volume_snapshot_group ON volume_snapshot (group_snapshot_id);

CREATE INDEX volume_snapshot_project ON volume_snapshot (project_id, created_at, id);

CREATE INDEX volume_snapshot_volume ON volume_snapshot (volume_id, created_at);

CREATE TABLE volume_transfer (
	id TEXT PRIMARY KEY,
	volume_id TEXT NOT NULL,
	name TEXT NOT NULL,
	source_project_id TEXT NOT NULL,
	destination_project_id TEXT NOT NULL,
	salt TEXT NOT NULL,
	hash TEXT NOT NULL,
	no_snapshots BOOLEAN NOT NULL,
	accepted BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL
);

CREATE INDEX volume_transfer_project ON volume_transfer (source_project_id, created_at, id);

CREATE INDEX volume_transfer_volume ON volume_transfer (volume_id);

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

CREATE TABLE volume_type_default (
	project_id TEXT PRIMARY KEY,
	type_id TEXT NOT NULL
);

CREATE INDEX volume_type_default_type ON volume_type_default (type_id);

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

CREATE TABLE volume_volume (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	user_id TEXT NOT NULL,
	name TEXT NOT NULL,
	description TEXT NOT NULL,
	status TEXT NOT NULL,
	previous_status TEXT NOT NULL,
	size BIGINT NOT NULL,
	availability_zone TEXT NOT NULL,
	volume_type_id TEXT NOT NULL,
	host TEXT NOT NULL,
	snapshot_id TEXT NOT NULL,
	source_volid TEXT NOT NULL,
	image_id TEXT NOT NULL,
	backup_id TEXT NOT NULL,
	bootable BOOLEAN NOT NULL,
	multiattach BOOLEAN NOT NULL,
	readonly BOOLEAN NOT NULL,
	encrypted BOOLEAN NOT NULL,
	encryption_key_id TEXT NOT NULL,
	metadata TEXT NOT NULL,
	image_metadata TEXT NOT NULL,
	group_id TEXT NOT NULL,
	migration_status TEXT NOT NULL,
	attach_status TEXT NOT NULL,
	replaces TEXT NOT NULL,
	unmetered BOOLEAN NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL,
	launched_at BIGINT NOT NULL
);

CREATE INDEX volume_volume_created ON volume_volume (created_at, id);

CREATE INDEX volume_volume_group ON volume_volume (group_id);

CREATE INDEX volume_volume_host ON volume_volume (host);

CREATE INDEX volume_volume_project ON volume_volume (project_id, created_at, id);

CREATE INDEX volume_volume_type ON volume_volume (volume_type_id);

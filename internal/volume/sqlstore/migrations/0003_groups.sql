-- Groups of volumes with their types and snapshots, and messages for users.
CREATE TABLE volume_group_type (
	id TEXT PRIMARY KEY,
	name TEXT NOT NULL UNIQUE,
	description TEXT,
	is_public BOOLEAN NOT NULL,
	group_specs TEXT NOT NULL,
	created_at BIGINT NOT NULL,
	updated_at BIGINT NOT NULL
);

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
);
CREATE INDEX volume_group_project ON volume_group (project_id, created_at, id);
CREATE INDEX volume_group_of_type ON volume_group (group_type);

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
);
CREATE INDEX volume_group_snapshot_project ON volume_group_snapshot (project_id, created_at, id);
CREATE INDEX volume_group_snapshot_group ON volume_group_snapshot (group_id);

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
CREATE INDEX volume_message_project ON volume_message (project_id, created_at, id);
CREATE INDEX volume_message_expires ON volume_message (expires_at);

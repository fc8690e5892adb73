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
);

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
);

CREATE INDEX volume_backup_parent ON volume_backup (parent_id);

CREATE INDEX volume_backup_project ON volume_backup (project_id, created_at, id);

CREATE INDEX volume_backup_volume ON volume_backup (volume_id, data_at);

CREATE TABLE volume_key (
	id TEXT PRIMARY KEY,
	project_id TEXT NOT NULL,
	sealed TEXT NOT NULL
);

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

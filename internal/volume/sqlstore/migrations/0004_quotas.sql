-- Limits of projects and of classes of projects.
CREATE TABLE volume_quota (
	kind TEXT NOT NULL,
	owner TEXT NOT NULL,
	resource TEXT NOT NULL,
	hard BIGINT NOT NULL,
	PRIMARY KEY (kind, owner, resource)
);
CREATE INDEX volume_quota_resource ON volume_quota (resource);

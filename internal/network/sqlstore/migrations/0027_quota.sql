-- Limits are kept as kernel/quota keeps them: by layer and owner.
ALTER TABLE network_quota RENAME TO network_quota_of_project;
CREATE TABLE network_quota (
    kind TEXT NOT NULL, owner TEXT NOT NULL, resource TEXT NOT NULL, hard BIGINT NOT NULL, PRIMARY KEY (kind, owner, resource));
INSERT INTO network_quota (kind, owner, resource, hard) SELECT 'project', project_id, resource, max_count FROM network_quota_of_project;
DROP TABLE network_quota_of_project;

-- Which groups and group snapshots wait for their volumes and snapshots: a status
-- alone does not tell, as an administrator may set it.
ALTER TABLE volume_group ADD COLUMN waits BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE volume_group_snapshot ADD COLUMN waits BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE volume_group SET waits = TRUE WHERE status IN ('creating', 'deleting');
UPDATE volume_group_snapshot SET waits = TRUE WHERE status IN ('creating', 'deleting');

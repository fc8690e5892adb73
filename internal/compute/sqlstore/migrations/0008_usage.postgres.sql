-- What servers used is added up from an index alone, and paged in Nova's order.
ALTER TABLE compute_server ADD COLUMN disk BIGINT NOT NULL DEFAULT 0;
UPDATE compute_server SET disk = COALESCE((flavor::jsonb->>'disk')::BIGINT, 0) + COALESCE((flavor::jsonb->>'ephemeral')::BIGINT, 0) WHERE flavor LIKE '{%';
CREATE INDEX compute_server_usage ON compute_server (project_id, id, launched_at, terminated_at, vcpus, ram, disk);
-- The index of hosts and of their busy servers finds servers by host, too.
DROP INDEX compute_server_host;

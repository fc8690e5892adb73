-- What a host says of its guests grows with them and is wanted for one server
-- at a time; lists of hosts, which every placement reads, go without it.
ALTER TABLE compute_host ADD COLUMN guests TEXT NOT NULL DEFAULT '';

-- Lists are ordered by time and then by id: the index has both, so that
-- nothing is sorted.
CREATE INDEX compute_server_listed ON compute_server (project_id, deleted, created_at, id);
DROP INDEX compute_server_project;

-- Lists are filtered by name and state in the index that orders them, so that
-- only rows that are shown are read.
CREATE INDEX compute_server_of_project ON compute_server (project_id, deleted, created_at, id, name, vm_state);
DROP INDEX compute_server_listed;
CREATE INDEX compute_server_of_all ON compute_server (deleted, created_at, id, name, vm_state);
DROP INDEX compute_server_all;

-- What a project's servers add up to, and how many a host has, come from indexes alone.
CREATE INDEX compute_server_totals ON compute_server (project_id, deleted, user_id, vcpus, ram);
CREATE INDEX compute_server_on_host ON compute_server (deleted, host, task_state);

UPDATE compute_host SET guests = 'null' WHERE guests = '';

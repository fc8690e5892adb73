-- Operators list the servers of all projects in the same order.
CREATE INDEX compute_server_all ON compute_server (deleted, created_at, id);

CREATE TABLE trunk (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
    port_id TEXT NOT NULL UNIQUE REFERENCES port (id), doc TEXT NOT NULL);
CREATE INDEX trunk_project ON trunk (project_id);

CREATE TABLE trunk_subport (
    port_id TEXT PRIMARY KEY REFERENCES port (id), trunk_id TEXT NOT NULL REFERENCES trunk (id),
    segment BIGINT NOT NULL, UNIQUE (trunk_id, segment));

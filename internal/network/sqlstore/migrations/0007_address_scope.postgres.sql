-- Address scopes are kept in columns, under the service's name.
CREATE TABLE network_address_scope (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, tags TEXT NOT NULL, ip_version BIGINT NOT NULL,
    revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
INSERT INTO network_address_scope SELECT id, project_id, name,
    COALESCE(doc::json ->> 'Tags', 'null'), (doc::json ->> 'IPVersion')::bigint, (doc::json ->> 'Revision')::bigint,
    (EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint,
    (EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint FROM address_scope;
CREATE INDEX network_address_scope_project ON network_address_scope (project_id, id);
DROP TABLE address_scope;

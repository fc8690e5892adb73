-- Address scopes are kept in columns, under the service's name.
CREATE TABLE network_address_scope (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, tags TEXT NOT NULL, ip_version BIGINT NOT NULL,
    revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
INSERT INTO network_address_scope SELECT id, project_id, name,
    COALESCE(json_extract(doc, '$.Tags'), 'null'), json_extract(doc, '$.IPVersion'), json_extract(doc, '$.Revision'),
    CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER),
    CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER) FROM address_scope;
CREATE INDEX network_address_scope_project ON network_address_scope (project_id, id);
DROP TABLE address_scope;

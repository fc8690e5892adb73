-- Address groups are kept in columns, under the service's name.
CREATE TABLE network_address_group (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, tags TEXT NOT NULL,
    addresses TEXT NOT NULL, revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
INSERT INTO network_address_group SELECT id, project_id, name,
    COALESCE(doc::json ->> 'Description', ''), COALESCE(doc::json ->> 'Tags', 'null'),
    COALESCE(doc::json ->> 'Addresses', 'null'), (doc::json ->> 'Revision')::bigint,
    (EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint,
    (EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint FROM address_group;
CREATE INDEX network_address_group_project ON network_address_group (project_id, id);
DROP TABLE address_group;

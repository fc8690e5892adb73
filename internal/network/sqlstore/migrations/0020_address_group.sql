-- Address groups are kept in columns, under the service's name.
CREATE TABLE network_address_group (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, tags TEXT NOT NULL,
    addresses TEXT NOT NULL, revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);
INSERT INTO network_address_group SELECT id, project_id, name,
    COALESCE(json_extract(doc, '$.Description'), ''), COALESCE(json_extract(doc, '$.Tags'), 'null'),
    COALESCE(json_extract(doc, '$.Addresses'), 'null'), json_extract(doc, '$.Revision'),
    CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER),
    CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER) FROM address_group;
CREATE INDEX network_address_group_project ON network_address_group (project_id, id);
DROP TABLE address_group;

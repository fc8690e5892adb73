-- RBAC policies are kept in columns, under the service's name.
ALTER TABLE rbac_policy RENAME TO network_rbac_policy;
ALTER TABLE network_rbac_policy ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_rbac_policy ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_rbac_policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_rbac_policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_rbac_policy SET tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0);
ALTER TABLE network_rbac_policy DROP COLUMN doc;

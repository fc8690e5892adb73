-- RBAC policies are kept in columns, under the service's name.
ALTER TABLE rbac_policy RENAME TO network_rbac_policy;
ALTER TABLE network_rbac_policy ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_rbac_policy ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_rbac_policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_rbac_policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_rbac_policy SET tags = COALESCE((doc::json ->> 'Tags'), 'null'),
    revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_rbac_policy DROP COLUMN doc;

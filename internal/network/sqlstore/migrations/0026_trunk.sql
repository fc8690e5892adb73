-- Trunks and their sub-ports are kept in columns, under the service's name.
ALTER TABLE trunk RENAME TO network_trunk;
ALTER TABLE trunk_subport RENAME TO network_trunk_subport;
ALTER TABLE network_trunk ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_trunk ADD COLUMN admin_state_up BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE network_trunk ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_trunk ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_trunk ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_trunk ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_trunk SET description = COALESCE(json_extract(doc, '$.Description'), ''),
    admin_state_up = COALESCE(json_extract(doc, '$.AdminStateUp'), FALSE),
    tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0);
ALTER TABLE network_trunk DROP COLUMN doc;

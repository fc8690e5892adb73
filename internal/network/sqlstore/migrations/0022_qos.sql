-- QoS policies and their rules are kept in columns, under the service's name.
ALTER TABLE qos_policy RENAME TO network_qos_policy;
ALTER TABLE network_qos_policy ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_qos_policy ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_qos_policy ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_qos_policy SET description = COALESCE(json_extract(doc, '$.Description'), ''),
    tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0);
ALTER TABLE network_qos_policy DROP COLUMN doc;
ALTER TABLE qos_rule RENAME TO network_qos_rule;
ALTER TABLE network_qos_rule ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_qos_rule ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN direction TEXT NOT NULL DEFAULT '';
ALTER TABLE network_qos_rule ADD COLUMN max_kbps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN max_burst_kbps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN min_kbps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_rule ADD COLUMN dscp_mark BIGINT NOT NULL DEFAULT 0;
UPDATE network_qos_rule SET tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    direction = COALESCE(json_extract(doc, '$.Direction'), ''),
    max_kbps = COALESCE(json_extract(doc, '$.MaxKbps'), 0),
    max_burst_kbps = COALESCE(json_extract(doc, '$.BurstKbps'), 0),
    min_kbps = COALESCE(json_extract(doc, '$.MinKbps'), 0),
    dscp_mark = COALESCE(json_extract(doc, '$.DSCP'), 0);
ALTER TABLE network_qos_rule DROP COLUMN doc;
ALTER TABLE qos_binding RENAME TO network_qos_binding;

-- QoS policies and their rules are kept in columns, under the service's name.
ALTER TABLE qos_policy RENAME TO network_qos_policy;
ALTER TABLE network_qos_policy ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_qos_policy ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_qos_policy ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_policy ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_qos_policy ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_qos_policy SET description = COALESCE((doc::json ->> 'Description'), ''),
    tags = COALESCE((doc::json ->> 'Tags'), 'null'),
    revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
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
UPDATE network_qos_rule SET tags = COALESCE((doc::json ->> 'Tags'), 'null'),
    revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0),
    direction = COALESCE((doc::json ->> 'Direction'), ''),
    max_kbps = COALESCE((doc::json ->> 'MaxKbps')::bigint, 0),
    max_burst_kbps = COALESCE((doc::json ->> 'BurstKbps')::bigint, 0),
    min_kbps = COALESCE((doc::json ->> 'MinKbps')::bigint, 0),
    dscp_mark = COALESCE((doc::json ->> 'DSCP')::bigint, 0);
ALTER TABLE network_qos_rule DROP COLUMN doc;
ALTER TABLE qos_binding RENAME TO network_qos_binding;

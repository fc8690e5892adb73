-- Security groups and their rules are kept in columns, under the service's name.
ALTER TABLE security_group RENAME TO network_security_group;
ALTER TABLE network_security_group ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_security_group ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group ADD COLUMN stateful BOOLEAN NOT NULL DEFAULT TRUE;
UPDATE network_security_group SET description = COALESCE(json_extract(doc, '$.Description'), ''),
    tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    stateful = COALESCE(json_extract(doc, '$.Stateful'), TRUE);
ALTER TABLE network_security_group DROP COLUMN doc;
ALTER TABLE security_group_rule RENAME TO network_security_group_rule;
ALTER TABLE network_security_group_rule ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group_rule ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_security_group_rule ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group_rule ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group_rule ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_security_group_rule ADD COLUMN direction TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group_rule ADD COLUMN ethertype TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group_rule ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group_rule ADD COLUMN port_range_min BIGINT;
ALTER TABLE network_security_group_rule ADD COLUMN port_range_max BIGINT;
ALTER TABLE network_security_group_rule ADD COLUMN remote_ip_prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE network_security_group_rule ADD COLUMN normalized_cidr TEXT NOT NULL DEFAULT '';
UPDATE network_security_group_rule SET description = COALESCE(json_extract(doc, '$.Description'), ''),
    tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    direction = COALESCE(json_extract(doc, '$.Direction'), ''),
    ethertype = COALESCE(json_extract(doc, '$.EtherType'), ''),
    protocol = COALESCE(json_extract(doc, '$.Protocol'), ''),
    port_range_min = json_extract(doc, '$.PortMin'),
    port_range_max = json_extract(doc, '$.PortMax'),
    remote_ip_prefix = COALESCE(json_extract(doc, '$.RemotePrefix'), ''),
    normalized_cidr = COALESCE(json_extract(doc, '$.RemotePrefix'), '');
ALTER TABLE network_security_group_rule DROP COLUMN doc;
-- The rules of new groups are those of the cloud's own until an operator has others, which the row "own" said.
ALTER TABLE default_rule RENAME TO network_default_security_group_rule;
ALTER TABLE network_default_security_group_rule ADD COLUMN project_id TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN tags TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_default_security_group_rule ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_default_security_group_rule ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_default_security_group_rule ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_default_security_group_rule ADD COLUMN direction TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN ethertype TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN protocol TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN port_range_min BIGINT;
ALTER TABLE network_default_security_group_rule ADD COLUMN port_range_max BIGINT;
ALTER TABLE network_default_security_group_rule ADD COLUMN remote_ip_prefix TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN normalized_cidr TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN remote_group_id TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN address_group_id TEXT NOT NULL DEFAULT '';
ALTER TABLE network_default_security_group_rule ADD COLUMN in_default_group BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE network_default_security_group_rule ADD COLUMN in_custom_group BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE network_default_security_group_rule SET project_id = COALESCE(json_extract(doc, '$.ProjectID'), ''),
    description = COALESCE(json_extract(doc, '$.Description'), ''),
    tags = COALESCE(json_extract(doc, '$.Tags'), 'null'),
    revision = COALESCE(json_extract(doc, '$.Revision'), 0),
    created_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    updated_at = COALESCE(CAST(unixepoch(json_extract(doc, '$.UpdatedAt'), 'subsec') * 1000000 AS INTEGER), 0),
    direction = COALESCE(json_extract(doc, '$.Direction'), ''),
    ethertype = COALESCE(json_extract(doc, '$.EtherType'), ''),
    protocol = COALESCE(json_extract(doc, '$.Protocol'), ''),
    port_range_min = json_extract(doc, '$.PortMin'),
    port_range_max = json_extract(doc, '$.PortMax'),
    remote_ip_prefix = COALESCE(json_extract(doc, '$.RemotePrefix'), ''),
    normalized_cidr = COALESCE(json_extract(doc, '$.RemotePrefix'), ''),
    remote_group_id = COALESCE(json_extract(doc, '$.RemoteGroupID'), ''),
    address_group_id = COALESCE(json_extract(doc, '$.AddressGroupID'), ''),
    in_default_group = COALESCE(json_extract(doc, '$.InDefaultGroup'), FALSE),
    in_custom_group = COALESCE(json_extract(doc, '$.InCustomGroup'), FALSE);
ALTER TABLE network_default_security_group_rule DROP COLUMN doc;
INSERT INTO network_default_security_group_rule (id, direction, ethertype, remote_group_id, in_default_group, in_custom_group)
    SELECT '9bb336f6-592c-527c-8907-4becc75f2a71', 'egress', 'IPv4', '', TRUE, TRUE
    WHERE NOT EXISTS (SELECT 1 FROM network_default_security_group_rule WHERE id = 'own');
INSERT INTO network_default_security_group_rule (id, direction, ethertype, remote_group_id, in_default_group, in_custom_group)
    SELECT '25aeab3e-747b-5de7-bd02-77064712aa11', 'ingress', 'IPv4', 'PARENT', TRUE, FALSE
    WHERE NOT EXISTS (SELECT 1 FROM network_default_security_group_rule WHERE id = 'own');
INSERT INTO network_default_security_group_rule (id, direction, ethertype, remote_group_id, in_default_group, in_custom_group)
    SELECT 'aae432b8-e829-56d9-90e6-7dd74dd20683', 'egress', 'IPv6', '', TRUE, TRUE
    WHERE NOT EXISTS (SELECT 1 FROM network_default_security_group_rule WHERE id = 'own');
INSERT INTO network_default_security_group_rule (id, direction, ethertype, remote_group_id, in_default_group, in_custom_group)
    SELECT 'aedd485b-5b69-5f4f-af45-05e948b9db26', 'ingress', 'IPv6', 'PARENT', TRUE, FALSE
    WHERE NOT EXISTS (SELECT 1 FROM network_default_security_group_rule WHERE id = 'own');
DELETE FROM network_default_security_group_rule WHERE id = 'own';

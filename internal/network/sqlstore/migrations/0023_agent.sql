-- Agents are kept in columns.
ALTER TABLE network_agent ADD COLUMN program TEXT NOT NULL DEFAULT '';
ALTER TABLE network_agent ADD COLUMN zone TEXT NOT NULL DEFAULT '';
ALTER TABLE network_agent ADD COLUMN topic TEXT NOT NULL DEFAULT '';
ALTER TABLE network_agent ADD COLUMN description TEXT NOT NULL DEFAULT '';
ALTER TABLE network_agent ADD COLUMN admin_state_up BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE network_agent ADD COLUMN configurations TEXT NOT NULL DEFAULT 'null';
ALTER TABLE network_agent ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_agent ADD COLUMN started_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_agent ADD COLUMN heartbeat_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_agent SET program = COALESCE(json_extract(doc, '$.Binary'), ''),
    zone = COALESCE(json_extract(doc, '$.AZ'), ''),
    topic = COALESCE(json_extract(doc, '$.Topic'), ''),
    description = COALESCE(json_extract(doc, '$.Description'), ''),
    admin_state_up = COALESCE(json_extract(doc, '$.AdminStateUp'), TRUE),
    configurations = COALESCE(json_extract(doc, '$.Configurations'), 'null'),
    created_at = MAX(COALESCE(CAST(unixepoch(json_extract(doc, '$.CreatedAt'), 'subsec') * 1000000 AS INTEGER), 0), 0),
    started_at = MAX(COALESCE(CAST(unixepoch(json_extract(doc, '$.StartedAt'), 'subsec') * 1000000 AS INTEGER), 0), 0),
    heartbeat_at = MAX(COALESCE(CAST(unixepoch(json_extract(doc, '$.HeartbeatAt'), 'subsec') * 1000000 AS INTEGER), 0), 0);
ALTER TABLE network_agent DROP COLUMN doc;

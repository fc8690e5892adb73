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
UPDATE network_agent SET program = COALESCE((doc::json ->> 'Binary'), ''),
    zone = COALESCE((doc::json ->> 'AZ'), ''),
    topic = COALESCE((doc::json ->> 'Topic'), ''),
    description = COALESCE((doc::json ->> 'Description'), ''),
    admin_state_up = COALESCE((doc::json ->> 'AdminStateUp')::boolean, TRUE),
    configurations = COALESCE((doc::json ->> 'Configurations'), 'null'),
    created_at = GREATEST(COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0), 0),
    started_at = GREATEST(COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'StartedAt')::timestamptz) * 1000000)::bigint, 0), 0),
    heartbeat_at = GREATEST(COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'HeartbeatAt')::timestamptz) * 1000000)::bigint, 0), 0);
ALTER TABLE network_agent DROP COLUMN doc;

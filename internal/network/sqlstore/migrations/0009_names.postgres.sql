-- Tables carry the service's name; ages and revisions stand beside the documents, for orders and conditions.
ALTER TABLE subnet RENAME TO network_subnet;
ALTER TABLE port RENAME TO network_port;
ALTER TABLE router RENAME TO network_router;
ALTER TABLE floatingip RENAME TO network_floatingip;
ALTER TABLE port_forwarding RENAME TO network_port_forwarding;
ALTER TABLE subnetpool RENAME TO network_subnetpool;
ALTER TABLE ip_allocation RENAME TO network_ip_allocation;
ALTER TABLE port_security_group RENAME TO network_port_security_group;
ALTER TABLE network ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_subnet ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_subnet ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_subnet ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_subnet SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_port ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_port ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_port ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_port SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_router ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_router ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_router ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_router SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_floatingip ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_floatingip ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_floatingip ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_floatingip SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_port_forwarding ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_port_forwarding ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_port_forwarding ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_port_forwarding SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);
ALTER TABLE network_subnetpool ADD COLUMN revision BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_subnetpool ADD COLUMN created_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE network_subnetpool ADD COLUMN updated_at BIGINT NOT NULL DEFAULT 0;
UPDATE network_subnetpool SET revision = COALESCE((doc::json ->> 'Revision')::bigint, 0),
    created_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'CreatedAt')::timestamptz) * 1000000)::bigint, 0),
    updated_at = COALESCE((EXTRACT(EPOCH FROM (doc::json ->> 'UpdatedAt')::timestamptz) * 1000000)::bigint, 0);

-- What the migrations of network make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE network (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
    net_type TEXT NOT NULL, physical TEXT NOT NULL, segment BIGINT, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX network_project ON network (project_id, id);

CREATE UNIQUE INDEX network_segment ON network (net_type, physical, segment);

CREATE TABLE network_address_group (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, tags TEXT NOT NULL,
    addresses TEXT NOT NULL, revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);

CREATE INDEX network_address_group_project ON network_address_group (project_id, id);

CREATE TABLE network_address_scope (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, tags TEXT NOT NULL, ip_version BIGINT NOT NULL,
    revision BIGINT NOT NULL, created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);

CREATE INDEX network_address_scope_project ON network_address_scope (project_id, id);

CREATE TABLE network_agent (
    id TEXT PRIMARY KEY, host TEXT NOT NULL, agent_type TEXT NOT NULL, program TEXT NOT NULL DEFAULT '', zone TEXT NOT NULL DEFAULT '', topic TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '', admin_state_up BOOLEAN NOT NULL DEFAULT TRUE, configurations TEXT NOT NULL DEFAULT 'null', created_at BIGINT NOT NULL DEFAULT 0, started_at BIGINT NOT NULL DEFAULT 0, heartbeat_at BIGINT NOT NULL DEFAULT 0, UNIQUE (host, agent_type));

CREATE TABLE "network_default_security_group_rule" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL DEFAULT '', description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0, direction TEXT NOT NULL DEFAULT '', ethertype TEXT NOT NULL DEFAULT '', protocol TEXT NOT NULL DEFAULT '', port_range_min BIGINT, port_range_max BIGINT, remote_ip_prefix TEXT NOT NULL DEFAULT '', normalized_cidr TEXT NOT NULL DEFAULT '', remote_group_id TEXT NOT NULL DEFAULT '', address_group_id TEXT NOT NULL DEFAULT '', in_default_group BOOLEAN NOT NULL DEFAULT FALSE, in_custom_group BOOLEAN NOT NULL DEFAULT FALSE);

CREATE TABLE "network_floatingip" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, network_id TEXT NOT NULL,
    port_id TEXT NOT NULL, router_id TEXT NOT NULL, outside_port TEXT NOT NULL, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX floatingip_outside ON "network_floatingip" (outside_port);

CREATE INDEX floatingip_port ON "network_floatingip" (port_id);

CREATE INDEX floatingip_project ON "network_floatingip" (project_id, id);

CREATE INDEX floatingip_router ON "network_floatingip" (router_id);

CREATE TABLE "network_ip_allocation" (
    subnet_id TEXT NOT NULL REFERENCES "network_subnet" (id), ip TEXT NOT NULL,
    port_id TEXT NOT NULL REFERENCES "network_port" (id), PRIMARY KEY (subnet_id, ip));

CREATE INDEX ip_allocation_of ON "network_ip_allocation" (port_id, ip);

CREATE TABLE "network_port" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES network (id), mac TEXT NOT NULL,
    device_id TEXT NOT NULL, device_owner TEXT NOT NULL, host TEXT NOT NULL, attached BIGINT NOT NULL DEFAULT 0, held_as TEXT NOT NULL DEFAULT '', held_by TEXT NOT NULL DEFAULT '', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0, description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT 'null', admin_state_up BOOLEAN NOT NULL DEFAULT TRUE, status TEXT NOT NULL DEFAULT '', fixed_ips TEXT NOT NULL DEFAULT 'null', security_groups TEXT NOT NULL DEFAULT 'null', allowed_address_pairs TEXT NOT NULL DEFAULT 'null', extra_dhcp_opts TEXT NOT NULL DEFAULT 'null', port_security_enabled BOOLEAN NOT NULL DEFAULT FALSE, dns_name TEXT NOT NULL DEFAULT '', dns_domain TEXT NOT NULL DEFAULT '', vnic_type TEXT NOT NULL DEFAULT '', qos_policy_id TEXT NOT NULL DEFAULT '', profile TEXT NOT NULL DEFAULT 'null', propagate_uplink_status BOOLEAN NOT NULL DEFAULT FALSE, tag TEXT NOT NULL DEFAULT '', made_for TEXT NOT NULL DEFAULT '',
    UNIQUE (network_id, mac));

CREATE INDEX port_age ON network_port (created_at, id);

CREATE INDEX port_device ON "network_port" (device_id);

CREATE INDEX port_host ON "network_port" (host);

CREATE INDEX port_network_owner ON "network_port" (network_id, held_as);

CREATE INDEX port_project ON "network_port" (project_id, id);

CREATE INDEX port_server ON "network_port" (held_by, held_as, attached, id, network_id, mac);

CREATE TABLE "network_port_forwarding" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, floatingip_id TEXT NOT NULL REFERENCES "network_floatingip" (id),
    port_id TEXT NOT NULL, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX port_forwarding_ip ON "network_port_forwarding" (floatingip_id);

CREATE INDEX port_forwarding_port ON "network_port_forwarding" (port_id);

CREATE TABLE "network_port_security_group" (
    port_id TEXT NOT NULL REFERENCES "network_port" (id), group_id TEXT NOT NULL REFERENCES "network_security_group" (id),
    PRIMARY KEY (port_id, group_id));

CREATE INDEX port_security_group_group ON "network_port_security_group" (group_id);

CREATE TABLE "network_qos_binding" (
    object_id TEXT PRIMARY KEY, object_type TEXT NOT NULL, policy_id TEXT NOT NULL REFERENCES "network_qos_policy" (id));

CREATE INDEX qos_binding_policy ON "network_qos_binding" (policy_id);

CREATE TABLE "network_qos_policy" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, is_default BOOLEAN NOT NULL, description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE UNIQUE INDEX qos_policy_default ON "network_qos_policy" (project_id) WHERE is_default;

CREATE INDEX qos_policy_project ON "network_qos_policy" (project_id);

CREATE TABLE "network_qos_rule" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL,
    policy_id TEXT NOT NULL REFERENCES "network_qos_policy" (id), kind TEXT NOT NULL, tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0, direction TEXT NOT NULL DEFAULT '', max_kbps BIGINT NOT NULL DEFAULT 0, max_burst_kbps BIGINT NOT NULL DEFAULT 0, min_kbps BIGINT NOT NULL DEFAULT 0, dscp_mark BIGINT NOT NULL DEFAULT 0);

CREATE INDEX qos_rule_policy ON "network_qos_rule" (policy_id);

CREATE TABLE network_quota (
    kind TEXT NOT NULL, owner TEXT NOT NULL, resource TEXT NOT NULL, hard BIGINT NOT NULL, PRIMARY KEY (kind, owner, resource));

CREATE TABLE "network_rbac_policy" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, object_type TEXT NOT NULL, object_id TEXT NOT NULL,
    action TEXT NOT NULL, target TEXT NOT NULL, tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0,
    UNIQUE (object_type, object_id, action, target));

CREATE INDEX rbac_policy_target ON "network_rbac_policy" (object_type, target);

CREATE TABLE "network_router" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, gateway_network_id TEXT NOT NULL, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX router_gateway ON "network_router" (gateway_network_id);

CREATE INDEX router_project ON "network_router" (project_id, id);

CREATE TABLE "network_security_group" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, is_default BOOLEAN NOT NULL, description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0, stateful BOOLEAN NOT NULL DEFAULT TRUE);

CREATE UNIQUE INDEX security_group_default ON "network_security_group" (project_id) WHERE is_default;

CREATE INDEX security_group_project ON "network_security_group" (project_id, id);

CREATE TABLE "network_security_group_rule" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL,
    group_id TEXT NOT NULL REFERENCES "network_security_group" (id), remote_group_id TEXT NOT NULL,
    address_group_id TEXT NOT NULL, description TEXT NOT NULL DEFAULT '', tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0, direction TEXT NOT NULL DEFAULT '', ethertype TEXT NOT NULL DEFAULT '', protocol TEXT NOT NULL DEFAULT '', port_range_min BIGINT, port_range_max BIGINT, remote_ip_prefix TEXT NOT NULL DEFAULT '', normalized_cidr TEXT NOT NULL DEFAULT '');

CREATE INDEX security_group_rule_addresses ON "network_security_group_rule" (address_group_id);

CREATE INDEX security_group_rule_group ON "network_security_group_rule" (group_id);

CREATE INDEX security_group_rule_project ON "network_security_group_rule" (project_id, id);

CREATE INDEX security_group_rule_remote ON "network_security_group_rule" (remote_group_id);

CREATE TABLE "network_subnet" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
    network_id TEXT NOT NULL REFERENCES network (id), subnetpool_id TEXT NOT NULL, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX subnet_network ON "network_subnet" (network_id);

CREATE INDEX subnet_pool ON "network_subnet" (subnetpool_id);

CREATE INDEX subnet_project ON "network_subnet" (project_id, id);

CREATE TABLE "network_subnetpool" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, address_scope_id TEXT NOT NULL, doc TEXT NOT NULL, revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE TABLE "network_trunk" (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL,
    port_id TEXT NOT NULL UNIQUE REFERENCES "network_port" (id), description TEXT NOT NULL DEFAULT '', admin_state_up BOOLEAN NOT NULL DEFAULT FALSE, tags TEXT NOT NULL DEFAULT 'null', revision BIGINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL DEFAULT 0, updated_at BIGINT NOT NULL DEFAULT 0);

CREATE INDEX trunk_project ON "network_trunk" (project_id);

CREATE TABLE "network_trunk_subport" (
    port_id TEXT PRIMARY KEY REFERENCES "network_port" (id), trunk_id TEXT NOT NULL REFERENCES "network_trunk" (id),
    segment BIGINT NOT NULL, position BIGINT NOT NULL DEFAULT 0, UNIQUE (trunk_id, segment));

-- What the migrations of network make; UPDATE_GOLDEN=1 go test ./test/schema writes it.

CREATE TABLE network (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    net_type text NOT NULL,
    physical text NOT NULL,
    segment bigint,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE INDEX network_project ON network USING btree (project_id, id);

CREATE UNIQUE INDEX network_segment ON network USING btree (net_type, physical, segment);

CREATE TABLE network_address_group (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    description text NOT NULL,
    tags text NOT NULL,
    addresses text NOT NULL,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX network_address_group_project ON network_address_group USING btree (project_id, id);

CREATE TABLE network_address_scope (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    tags text NOT NULL,
    ip_version bigint NOT NULL,
    revision bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX network_address_scope_project ON network_address_scope USING btree (project_id, id);

CREATE TABLE network_agent (
    id text NOT NULL,
    host text NOT NULL,
    agent_type text NOT NULL,
    program text NOT NULL DEFAULT ''::text,
    zone text NOT NULL DEFAULT ''::text,
    topic text NOT NULL DEFAULT ''::text,
    description text NOT NULL DEFAULT ''::text,
    admin_state_up boolean NOT NULL DEFAULT true,
    configurations text NOT NULL DEFAULT 'null'::text,
    created_at bigint NOT NULL DEFAULT 0,
    started_at bigint NOT NULL DEFAULT 0,
    heartbeat_at bigint NOT NULL DEFAULT 0,
    UNIQUE (host, agent_type),
    PRIMARY KEY (id)
);

CREATE TABLE network_default_security_group_rule (
    id text NOT NULL,
    project_id text NOT NULL DEFAULT ''::text,
    description text NOT NULL DEFAULT ''::text,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    direction text NOT NULL DEFAULT ''::text,
    ethertype text NOT NULL DEFAULT ''::text,
    protocol text NOT NULL DEFAULT ''::text,
    port_range_min bigint,
    port_range_max bigint,
    remote_ip_prefix text NOT NULL DEFAULT ''::text,
    normalized_cidr text NOT NULL DEFAULT ''::text,
    remote_group_id text NOT NULL DEFAULT ''::text,
    address_group_id text NOT NULL DEFAULT ''::text,
    in_default_group boolean NOT NULL DEFAULT false,
    in_custom_group boolean NOT NULL DEFAULT false,
    PRIMARY KEY (id)
);

CREATE TABLE network_floatingip (
    id text NOT NULL,
    project_id text NOT NULL,
    network_id text NOT NULL,
    port_id text NOT NULL,
    router_id text NOT NULL,
    outside_port text NOT NULL,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE INDEX floatingip_outside ON network_floatingip USING btree (outside_port);

CREATE INDEX floatingip_port ON network_floatingip USING btree (port_id);

CREATE INDEX floatingip_project ON network_floatingip USING btree (project_id, id);

CREATE INDEX floatingip_router ON network_floatingip USING btree (router_id);

CREATE TABLE network_ip_allocation (
    subnet_id text NOT NULL,
    ip text NOT NULL,
    port_id text NOT NULL,
    PRIMARY KEY (subnet_id, ip),
    FOREIGN KEY (port_id) REFERENCES network_port(id),
    FOREIGN KEY (subnet_id) REFERENCES network_subnet(id)
);

CREATE INDEX ip_allocation_of ON network_ip_allocation USING btree (port_id, ip);

CREATE TABLE network_port (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    network_id text NOT NULL,
    mac text NOT NULL,
    device_id text NOT NULL,
    device_owner text NOT NULL,
    host text NOT NULL,
    attached bigint NOT NULL DEFAULT 0,
    held_as text NOT NULL DEFAULT ''::text,
    held_by text NOT NULL DEFAULT ''::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    description text NOT NULL DEFAULT ''::text,
    tags text NOT NULL DEFAULT 'null'::text,
    admin_state_up boolean NOT NULL DEFAULT true,
    status text NOT NULL DEFAULT ''::text,
    fixed_ips text NOT NULL DEFAULT 'null'::text,
    security_groups text NOT NULL DEFAULT 'null'::text,
    allowed_address_pairs text NOT NULL DEFAULT 'null'::text,
    extra_dhcp_opts text NOT NULL DEFAULT 'null'::text,
    port_security_enabled boolean NOT NULL DEFAULT false,
    dns_name text NOT NULL DEFAULT ''::text,
    dns_domain text NOT NULL DEFAULT ''::text,
    vnic_type text NOT NULL DEFAULT ''::text,
    qos_policy_id text NOT NULL DEFAULT ''::text,
    profile text NOT NULL DEFAULT 'null'::text,
    propagate_uplink_status boolean NOT NULL DEFAULT false,
    tag text NOT NULL DEFAULT ''::text,
    made_for text NOT NULL DEFAULT ''::text,
    UNIQUE (network_id, mac),
    PRIMARY KEY (id),
    FOREIGN KEY (network_id) REFERENCES network(id)
);

CREATE INDEX port_age ON network_port USING btree (created_at, id);

CREATE INDEX port_device ON network_port USING btree (device_id);

CREATE INDEX port_host ON network_port USING btree (host);

CREATE INDEX port_network_owner ON network_port USING btree (network_id, held_as);

CREATE INDEX port_project ON network_port USING btree (project_id, id);

CREATE INDEX port_server ON network_port USING btree (held_by, held_as, attached, id, network_id, mac);

CREATE TABLE network_port_forwarding (
    id text NOT NULL,
    project_id text NOT NULL,
    floatingip_id text NOT NULL,
    port_id text NOT NULL,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    FOREIGN KEY (floatingip_id) REFERENCES network_floatingip(id)
);

CREATE INDEX port_forwarding_ip ON network_port_forwarding USING btree (floatingip_id);

CREATE INDEX port_forwarding_port ON network_port_forwarding USING btree (port_id);

CREATE TABLE network_port_security_group (
    port_id text NOT NULL,
    group_id text NOT NULL,
    PRIMARY KEY (port_id, group_id),
    FOREIGN KEY (group_id) REFERENCES network_security_group(id),
    FOREIGN KEY (port_id) REFERENCES network_port(id)
);

CREATE INDEX port_security_group_group ON network_port_security_group USING btree (group_id);

CREATE TABLE network_qos_binding (
    object_id text NOT NULL,
    object_type text NOT NULL,
    policy_id text NOT NULL,
    PRIMARY KEY (object_id),
    FOREIGN KEY (policy_id) REFERENCES network_qos_policy(id)
);

CREATE INDEX qos_binding_policy ON network_qos_binding USING btree (policy_id);

CREATE TABLE network_qos_policy (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    is_default boolean NOT NULL,
    description text NOT NULL DEFAULT ''::text,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX qos_policy_default ON network_qos_policy USING btree (project_id) WHERE is_default;

CREATE INDEX qos_policy_project ON network_qos_policy USING btree (project_id);

CREATE TABLE network_qos_rule (
    id text NOT NULL,
    project_id text NOT NULL,
    policy_id text NOT NULL,
    kind text NOT NULL,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    direction text NOT NULL DEFAULT ''::text,
    max_kbps bigint NOT NULL DEFAULT 0,
    max_burst_kbps bigint NOT NULL DEFAULT 0,
    min_kbps bigint NOT NULL DEFAULT 0,
    dscp_mark bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    FOREIGN KEY (policy_id) REFERENCES network_qos_policy(id)
);

CREATE INDEX qos_rule_policy ON network_qos_rule USING btree (policy_id);

CREATE TABLE network_quota (
    kind text NOT NULL,
    owner text NOT NULL,
    resource text NOT NULL,
    hard bigint NOT NULL,
    PRIMARY KEY (kind, owner, resource)
);

CREATE TABLE network_rbac_policy (
    id text NOT NULL,
    project_id text NOT NULL,
    object_type text NOT NULL,
    object_id text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    UNIQUE (object_type, object_id, action, target),
    PRIMARY KEY (id)
);

CREATE INDEX rbac_policy_target ON network_rbac_policy USING btree (object_type, target);

CREATE TABLE network_router (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    gateway_network_id text NOT NULL,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE INDEX router_gateway ON network_router USING btree (gateway_network_id);

CREATE INDEX router_project ON network_router USING btree (project_id, id);

CREATE TABLE network_security_group (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    is_default boolean NOT NULL,
    description text NOT NULL DEFAULT ''::text,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    stateful boolean NOT NULL DEFAULT true,
    PRIMARY KEY (id)
);

CREATE UNIQUE INDEX security_group_default ON network_security_group USING btree (project_id) WHERE is_default;

CREATE INDEX security_group_project ON network_security_group USING btree (project_id, id);

CREATE TABLE network_security_group_rule (
    id text NOT NULL,
    project_id text NOT NULL,
    group_id text NOT NULL,
    remote_group_id text NOT NULL,
    address_group_id text NOT NULL,
    description text NOT NULL DEFAULT ''::text,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    direction text NOT NULL DEFAULT ''::text,
    ethertype text NOT NULL DEFAULT ''::text,
    protocol text NOT NULL DEFAULT ''::text,
    port_range_min bigint,
    port_range_max bigint,
    remote_ip_prefix text NOT NULL DEFAULT ''::text,
    normalized_cidr text NOT NULL DEFAULT ''::text,
    PRIMARY KEY (id),
    FOREIGN KEY (group_id) REFERENCES network_security_group(id)
);

CREATE INDEX security_group_rule_addresses ON network_security_group_rule USING btree (address_group_id);

CREATE INDEX security_group_rule_group ON network_security_group_rule USING btree (group_id);

CREATE INDEX security_group_rule_project ON network_security_group_rule USING btree (project_id, id);

CREATE INDEX security_group_rule_remote ON network_security_group_rule USING btree (remote_group_id);

CREATE TABLE network_subnet (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    network_id text NOT NULL,
    subnetpool_id text NOT NULL,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id),
    FOREIGN KEY (network_id) REFERENCES network(id)
);

CREATE INDEX subnet_network ON network_subnet USING btree (network_id);

CREATE INDEX subnet_pool ON network_subnet USING btree (subnetpool_id);

CREATE INDEX subnet_project ON network_subnet USING btree (project_id, id);

CREATE TABLE network_subnetpool (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    address_scope_id text NOT NULL,
    doc text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (id)
);

CREATE TABLE network_trunk (
    id text NOT NULL,
    project_id text NOT NULL,
    name text NOT NULL,
    port_id text NOT NULL,
    description text NOT NULL DEFAULT ''::text,
    admin_state_up boolean NOT NULL DEFAULT false,
    tags text NOT NULL DEFAULT 'null'::text,
    revision bigint NOT NULL DEFAULT 0,
    created_at bigint NOT NULL DEFAULT 0,
    updated_at bigint NOT NULL DEFAULT 0,
    UNIQUE (port_id),
    PRIMARY KEY (id),
    FOREIGN KEY (port_id) REFERENCES network_port(id)
);

CREATE INDEX trunk_project ON network_trunk USING btree (project_id);

CREATE TABLE network_trunk_subport (
    port_id text NOT NULL,
    trunk_id text NOT NULL,
    segment bigint NOT NULL,
    position bigint NOT NULL DEFAULT 0,
    UNIQUE (trunk_id, segment),
    PRIMARY KEY (port_id),
    FOREIGN KEY (port_id) REFERENCES network_port(id),
    FOREIGN KEY (trunk_id) REFERENCES network_trunk(id)
);

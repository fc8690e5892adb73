CREATE TABLE qos_policy (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL, name TEXT NOT NULL, is_default BOOLEAN NOT NULL, doc TEXT NOT NULL);
CREATE INDEX qos_policy_project ON qos_policy (project_id);
CREATE UNIQUE INDEX qos_policy_default ON qos_policy (project_id) WHERE is_default;

CREATE TABLE qos_rule (
    id TEXT PRIMARY KEY, project_id TEXT NOT NULL,
    policy_id TEXT NOT NULL REFERENCES qos_policy (id), kind TEXT NOT NULL, doc TEXT NOT NULL);
CREATE INDEX qos_rule_policy ON qos_rule (policy_id);

-- which network or port has which policy
CREATE TABLE qos_binding (
    object_id TEXT PRIMARY KEY, object_type TEXT NOT NULL, policy_id TEXT NOT NULL REFERENCES qos_policy (id));
CREATE INDEX qos_binding_policy ON qos_binding (policy_id);

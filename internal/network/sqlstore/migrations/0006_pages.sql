-- A page of a project's resources is read in the order of ids.
DROP INDEX network_project;
CREATE INDEX network_project ON network (project_id, id);
DROP INDEX subnet_project;
CREATE INDEX subnet_project ON subnet (project_id, id);
DROP INDEX port_project;
CREATE INDEX port_project ON port (project_id, id);
DROP INDEX security_group_project;
CREATE INDEX security_group_project ON security_group (project_id, id);
DROP INDEX security_group_rule_project;
CREATE INDEX security_group_rule_project ON security_group_rule (project_id, id);
DROP INDEX router_project;
CREATE INDEX router_project ON router (project_id, id);
DROP INDEX floatingip_project;
CREATE INDEX floatingip_project ON floatingip (project_id, id);

-- Names compare without case, as in the databases that OpenStack runs on: name_key
-- is the name as it is compared, and unique where the name was. Of rows whose names
-- differed by case alone, the first keeps the key; the others are found by their
-- very names, and have keys of their own.
ALTER TABLE identity_project ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE identity_project SET name_key = lower(name);
UPDATE identity_project SET name_key = name || '/' || id WHERE EXISTS (SELECT 1 FROM identity_project o
	WHERE o.domain_id = identity_project.domain_id AND o.name_key = identity_project.name_key AND o.id < identity_project.id);
DROP INDEX identity_project_name;
CREATE UNIQUE INDEX identity_project_name ON identity_project (domain_id, name_key);

ALTER TABLE identity_user ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE identity_user SET name_key = lower(name);
UPDATE identity_user SET name_key = name || '/' || id WHERE EXISTS (SELECT 1 FROM identity_user o
	WHERE o.domain_id = identity_user.domain_id AND o.name_key = identity_user.name_key AND o.id < identity_user.id);
DROP INDEX identity_user_name;
CREATE UNIQUE INDEX identity_user_name ON identity_user (domain_id, name_key);

ALTER TABLE identity_group ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE identity_group SET name_key = lower(name);
UPDATE identity_group SET name_key = name || '/' || id WHERE EXISTS (SELECT 1 FROM identity_group o
	WHERE o.domain_id = identity_group.domain_id AND o.name_key = identity_group.name_key AND o.id < identity_group.id);
DROP INDEX identity_group_name;
CREATE UNIQUE INDEX identity_group_name ON identity_group (domain_id, name_key);
CREATE INDEX identity_group_by_name ON identity_group (name);

ALTER TABLE identity_role ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE identity_role SET name_key = lower(name);
UPDATE identity_role SET name_key = name || '/' || id WHERE EXISTS (SELECT 1 FROM identity_role o
	WHERE o.domain_id = identity_role.domain_id AND o.name_key = identity_role.name_key AND o.id < identity_role.id);
DROP INDEX identity_role_name;
CREATE UNIQUE INDEX identity_role_name ON identity_role (domain_id, name_key);

ALTER TABLE identity_app_credential ADD COLUMN name_key TEXT NOT NULL DEFAULT '';
UPDATE identity_app_credential SET name_key = lower(name);
UPDATE identity_app_credential SET name_key = name || '/' || id WHERE EXISTS (SELECT 1 FROM identity_app_credential o
	WHERE o.user_id = identity_app_credential.user_id AND o.name_key = identity_app_credential.name_key AND o.id < identity_app_credential.id);
DROP INDEX identity_app_credential_name;
CREATE UNIQUE INDEX identity_app_credential_name ON identity_app_credential (user_id, name_key);

-- Lists are filtered by name over all domains.
CREATE INDEX identity_project_by_key ON identity_project (name_key);
CREATE INDEX identity_user_by_key ON identity_user (name_key);

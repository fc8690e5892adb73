-- Pages of assignments on one target, or of one role, are read in their order
-- from an index, not sorted out of all of them.
CREATE INDEX identity_assignment_on ON identity_assignment (target_id, target_kind, actor_id, role_id, inherited, actor_kind);
DROP INDEX identity_assignment_target;
CREATE INDEX identity_assignment_of_role ON identity_assignment (role_id, actor_id, target_kind, target_id, inherited, actor_kind);
DROP INDEX identity_assignment_role;

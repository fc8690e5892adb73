package group

import "context"

// Shown is what the actor sees of groups, their snapshots and types besides what
// everybody sees.
type Shown struct {
	Project         bool // whose a group is
	SnapshotProject bool
	Specs           bool // of types
}

// Shown says it.
func (s *Service) Shown(ctx context.Context) Shown {
	may := func(rule string) bool { return s.check(ctx, rule) == nil }
	return Shown{
		Project: may("group_project_attribute"), SnapshotProject: may("group_snapshot_project_attribute"), Specs: may("access_group_types_specs"),
	}
}

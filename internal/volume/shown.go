package volume

import (
	"context"
	"maps"

	"kumoi/internal/kernel/policy"
)

// Shown is what the actor may see of a project's volumes besides what everybody
// sees of them.
type Shown struct {
	Host          bool // where the bytes are
	Migration     bool // whether they move
	Project       bool // whose they are
	ImageMetadata bool
}

// Details are what a view of volumes needs besides themselves.
type Details struct {
	Types map[string]string // names, by id
	Shown map[string]Shown  // by project
	// Connections says whether the actor may know how hosts reach volumes.
	Connections bool
}

// Details returns those of volumes.
func (f *Volumes) Details(ctx context.Context, list []*Volume) (*Details, error) {
	d := &Details{Types: map[string]string{}, Shown: map[string]Shown{}, Connections: f.s.confides(ctx)}
	var types []string
	for _, v := range list {
		if d.Types[v.TypeID] = v.TypeName; v.TypeName == "" && v.TypeID != "" {
			types = append(types, v.TypeID)
		}
		if _, known := d.Shown[v.ProjectID]; known {
			continue
		}
		may := func(rule string) bool { return f.s.policy.Allowed(ctx, rule, ofProject(v.ProjectID)) }
		d.Shown[v.ProjectID] = Shown{
			Host:          may("volume_extension:volume_host_attribute"),
			Migration:     may("volume_extension:volume_mig_status_attribute"),
			Project:       may("volume_extension:volume_tenant_attribute"),
			ImageMetadata: may("volume_extension:volume_image_metadata:show"),
		}
	}
	if types == nil {
		return d, nil
	}
	names, err := f.TypeNames(ctx, types)
	maps.Copy(d.Types, names)
	return d, err
}

func ofProject(id string) policy.Target { return policy.Target{"project_id": id} }

// ShowsExtended tells whether the actor sees of a snapshot how far it is, and whose it is.
func (f *Snapshots) ShowsExtended(ctx context.Context, p *Snapshot) bool {
	return f.s.policy.Allowed(ctx, "volume_extension:extended_snapshot_attributes", ofProject(p.ProjectID))
}

// ShowsProject tells whether the actor sees whose a backup is.
func (f *Backups) ShowsProject(ctx context.Context, b *Backup) bool {
	return f.s.policy.Allowed(ctx, "backup:backup_project_attribute", ofProject(b.ProjectID))
}

// ShowsConnections tells whether the actor may know how hosts reach volumes.
func (f *Attachments) ShowsConnections(ctx context.Context) bool { return f.s.confides(ctx) }

func (s *Service) confides(ctx context.Context) bool { return s.admin(ctx) || s.inside(ctx) }

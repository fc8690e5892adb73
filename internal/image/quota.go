package image

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Resources are the names of the limits that the service enforces. Sizes are
// in MiB.
var Resources = []string{"image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"}

// Limits are the unified limits of projects; identity keeps them. A resource
// that is absent from the answer, or below zero, is not limited.
type Limits interface {
	Limits(ctx context.Context, service, projectID string, resources []string) (map[string]int64, error)
}

// limitsOf reads a project's limits; to be called before a transaction.
func (s *Service) limitsOf(ctx context.Context, project string) (map[string]int64, error) {
	if s.limits == nil || project == "" {
		return nil, nil
	}
	return s.limits.Limits(ctx, "image", project, Resources)
}

// usage is the project's use of one resource in the resource's unit.
func (u Usage) of(resource string) int64 {
	const mib = 1 << 20
	switch resource {
	case "image_size_total":
		return (u.SizeTotal + mib - 1) / mib
	case "image_stage_total":
		return (u.StageTotal + mib - 1) / mib
	case "image_count_total":
		return u.CountTotal
	default:
		return u.CountUploading
	}
}

// enforce refuses what would take a project beyond its limit.
func (s *Service) enforce(ctx context.Context, tx *store.Tx, limits map[string]int64, project, resource string, more int64) error {
	limit, limited := limits[resource]
	if !limited || limit < 0 {
		return nil
	}
	u, err := s.store.Usage(ctx, tx, project)
	if err != nil {
		return err
	}
	if have := u.of(resource); have+more > limit {
		return errs.New(errs.OverQuota, "Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]",
			project, resource, limit, have, more)
	}
	return nil
}

// QuotaUsage is the use and the limit of one resource; a limit below zero is none.
type QuotaUsage struct{ Usage, Limit int64 }

// ProjectUsage returns what the actor's project uses and may use.
func (s *Service) ProjectUsage(ctx context.Context) (map[string]QuotaUsage, error) {
	project := actor.From(ctx).ProjectID
	limits, err := s.limitsOf(ctx, project)
	if err != nil {
		return nil, err
	}
	var u Usage
	err = s.db.Read(ctx, func(tx *store.Tx) (err error) {
		u, err = s.store.Usage(ctx, tx, project)
		return err
	})
	out := map[string]QuotaUsage{}
	for _, r := range Resources {
		q := QuotaUsage{Usage: u.of(r), Limit: -1}
		if l, ok := limits[r]; ok {
			q.Limit = l
		}
		out[r] = q
	}
	return out, err
}

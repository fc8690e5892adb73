package image

import (
	"context"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Resources are the names of the limits that the service enforces. Sizes are
// in MiB.
var Resources = []string{"image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"}

// Limits are the unified limits of projects; identity keeps them. They are read
// in the transaction that takes from them, so that a change holds at once. A
// resource that is absent from the answer, or below zero, is not limited.
type Limits interface {
	Limits(ctx context.Context, tx *store.Tx, projectID string) (map[string]int64, error)
}

// limitsOf reads a project's limits.
func (s *Service) limitsOf(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error) {
	if s.limits == nil || project == "" {
		return nil, nil
	}
	return s.limits.Limits(ctx, tx, project)
}

const mib = 1 << 20

// of is the use of one resource, sizes in bytes.
func (u Usage) of(resource string) int64 {
	switch resource {
	case "image_size_total":
		return u.SizeTotal
	case "image_stage_total":
		return u.StageTotal
	case "image_count_total":
		return u.CountTotal
	default:
		return u.CountUploading
	}
}

// unit is how many of what is counted make one of what is limited.
func unit(resource string) int64 {
	if strings.HasPrefix(resource, "image_count_") {
		return 1
	}
	return mib
}

// units rounds up.
func units(n int64, resource string) int64 { return (n + unit(resource) - 1) / unit(resource) }

// need is how much more of a resource an operation takes, sizes in bytes.
type need struct {
	resource string
	more     int64
}

// enforce refuses what would take a project beyond a limit. A size that nobody
// announced counts as nothing: it may take the project beyond its limit, but
// once beyond, nothing more is let in.
func (s *Service) enforce(ctx context.Context, tx *store.Tx, project string, needs ...need) error {
	limits, err := s.limitsOf(ctx, tx, project)
	if err != nil || len(limits) == 0 {
		return err
	}
	u, err := s.tables.Usage(ctx, tx, project)
	if err != nil {
		return err
	}
	for _, n := range needs {
		limit, limited := limits[n.resource]
		have, more := u.of(n.resource), max(n.more, 0)
		if limited && limit >= 0 && units(have+more, n.resource) > limit {
			return errs.New(errs.OverQuota, "Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]",
				project, n.resource, limit, units(have, n.resource), units(more, n.resource))
		}
	}
	return nil
}

// QuotaUsage is the use and the limit of one resource; a limit below zero is none.
type QuotaUsage struct{ Usage, Limit int64 }

// ProjectUsage returns what the actor's project uses and may use.
func (s *Service) ProjectUsage(ctx context.Context) (map[string]QuotaUsage, error) {
	project := actor.From(ctx).ProjectID
	out := map[string]QuotaUsage{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		limits, err := s.limitsOf(ctx, tx, project)
		if err != nil {
			return err
		}
		u, err := s.tables.Usage(ctx, tx, project)
		for _, r := range Resources {
			q := QuotaUsage{Usage: units(u.of(r), r), Limit: -1}
			if l, ok := limits[r]; ok {
				q.Limit = l
			}
			out[r] = q
		}
		return err
	})
	return out, err
}

package image

import (
	"context"
	"math"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// Resources are the names of the limits that the service enforces. Sizes are
// in MiB.
var Resources = []string{"image_size_total", "image_stage_total", "image_count_total", "image_count_uploading"}

// newQuotas are identity's unified limits, sizes in bytes, and what counts against them.
func (s *Service) newQuotas() *quota.Quotas {
	return quota.New(quota.Deps{
		Unified: s.allowances,
		Families: []quota.Family{{
			Defaults: map[string]int64{"image_size_total": -1, "image_stage_total": -1, "image_count_total": -1, "image_count_uploading": -1},
			Count: func(ctx context.Context, tx *store.Tx, h quota.Holder) (map[string]int64, error) {
				u, err := s.tables.Usage(ctx, tx, h.Project)
				return map[string]int64{
					"image_size_total": u.SizeTotal, "image_stage_total": u.StageTotal,
					"image_count_total": u.CountTotal, "image_count_uploading": u.CountUploading,
				}, err
			},
		}},
	})
}

// QuotaDefaults are the limits of projects for which identity has none, sizes in bytes.
func (s *Service) QuotaDefaults() map[string]int64 { return s.quotas.BuiltIn() }

func (s *Service) allowances(ctx context.Context, tx *store.Tx, project string) (map[string]int64, error) {
	if s.identity == nil {
		return map[string]int64{}, nil
	}
	limits, err := s.identity.Allowances(ctx, tx, "image", s.cfg.Region, project)
	out := map[string]int64{}
	for name, limit := range limits {
		out[name] = min(limit, math.MaxInt64/mib) * unit(name)
	}
	return out, err
}

const mib = 1 << 20

// unit is how many of what is counted make one of what is limited.
func unit(resource string) int64 {
	if strings.HasPrefix(resource, "image_count_") {
		return 1
	}
	return mib
}

// units rounds up.
func units(n int64, resource string) int64 { return (n + unit(resource) - 1) / unit(resource) }

// enforce refuses what would take a project beyond a limit. A size that nobody
// announced counts as nothing: it may take the project beyond its limit, but
// once beyond, nothing more is let in.
func (s *Service) enforce(ctx context.Context, tx *store.Tx, project string, needs ...quota.Want) error {
	for i := range needs {
		needs[i].N = max(needs[i].N, 0)
	}
	over, err := s.quotas.Check(ctx, tx, quota.Holder{Project: project}, needs...)
	if err != nil || len(over) == 0 {
		return err
	}
	o := over[0]
	in := func(n int64) int64 { return units(n, o.Resource) }
	return errs.New(errs.OverQuota, "Project %s is over a limit for [Resource %s is over limit of %d due to current usage %d and delta %d]",
		project, o.Resource, in(o.Limit), in(o.InUse), in(o.N))
}

// QuotaUsage is the use and the limit of one resource; a limit below zero is none.
type QuotaUsage struct{ Usage, Limit int64 }

// ProjectUsage returns what the actor's project uses and may use.
func (s *Service) ProjectUsage(ctx context.Context) (map[string]QuotaUsage, error) {
	out := map[string]QuotaUsage{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		account, err := s.quotas.Account(ctx, tx, quota.Holder{Project: actor.From(ctx).ProjectID})
		for name, q := range account {
			out[name] = QuotaUsage{Usage: units(q.InUse, name), Limit: max(q.Limit/unit(name), -1)}
		}
		return err
	})
	return out, err
}

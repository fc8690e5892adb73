package volume

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// spend refuses what a project may not have more of. Rows are counted, so what
// is given back needs no word.
func (q *Quotas) spend(ctx context.Context, tx *store.Tx, d Demand) error {
	h := quota.Holder{Project: d.Project}
	if d.PerVolume > 0 {
		limits, err := q.q.Limits(ctx, tx, h)
		if err != nil {
			return err
		}
		if top := limits[perVolume]; top >= 0 && int64(d.PerVolume) > top {
			return errs.New(errs.OverQuota, "Requested volume size %dG is larger than maximum allowed limit %dG.", d.PerVolume, top)
		}
	}
	wanted := d.wants()
	if len(wanted) == 0 {
		return nil
	}
	over, err := q.q.Check(ctx, tx, h, wanted...)
	if err == nil && len(over) > 0 {
		err = d.refused(over[0])
	}
	return err
}

// wants are what a demand wants more of, sizes before numbers, as users are told.
func (d Demand) wants() (out []quota.Want) {
	if d.Retyped > 0 { // what the project has in all stays
		if d.Type == "" {
			return nil
		}
		return []quota.Want{{Resource: "gigabytes_" + d.Type, N: int64(d.GiB)}, {Resource: "volumes_" + d.Type, N: int64(d.Retyped)}}
	}
	for _, w := range []quota.Want{
		{Resource: "gigabytes", N: int64(d.GiB)},
		{Resource: "volumes", N: int64(d.Volumes)},
		{Resource: "snapshots", N: int64(d.Snapshots)},
		{Resource: "backup_gigabytes", N: int64(d.BackupGiB)},
		{Resource: "backups", N: int64(d.Backups)},
		{Resource: "groups", N: int64(d.Groups)},
	} {
		if w.N == 0 {
			continue
		}
		out = append(out, w)
		if d.Type != "" && slices.Contains(perType, w.Resource) {
			out = append(out, quota.Want{Resource: w.Resource + "_" + d.Type, N: w.N})
		}
	}
	return out
}

// refused says in Cinder's words which limit is reached.
func (d Demand) refused(o quota.Over) error {
	switch kind := strings.TrimSuffix(o.Resource, "_"+d.Type); kind {
	case "gigabytes":
		return errs.New(errs.OverQuota, "Requested volume or snapshot exceeds allowed %s quota. Requested %dG, quota is %dG and %dG has been consumed.", o.Resource, o.N, o.Limit, o.InUse)
	case "backup_gigabytes":
		return errs.New(errs.OverQuota, "Requested backup exceeds allowed Backup gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.", o.N, o.Limit, o.InUse)
	case "volumes":
		return errs.New(errs.OverQuota, "Maximum number of volumes allowed (%d) exceeded for quota '%s'.", o.Limit, o.Resource)
	default:
		return errs.New(errs.OverQuota, "Maximum number of %s allowed (%d) exceeded", kind, o.Limit)
	}
}

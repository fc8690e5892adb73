package volume

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// spend refuses what a project may not have more of. What is given back needs no
// leave: it is counted no longer.
func (q *Quotas) spend(ctx context.Context, tx *store.Tx, d Demand) error {
	if d.Anyhow {
		return nil
	}
	wanted := d.resources()
	if len(wanted) == 0 && d.PerVolume == 0 {
		return nil
	}
	limits, err := q.limits(ctx, tx, d.Project)
	if err != nil {
		return err
	}
	if top := limits["per_volume_gigabytes"]; top >= 0 && d.PerVolume > top {
		return errs.New(errs.OverQuota, "Requested volume size %dG is larger than maximum allowed limit %dG.", d.PerVolume, top)
	}
	used, err := q.usage(ctx, tx, d.Project)
	if err != nil {
		return err
	}
	for _, w := range wanted {
		if top := limits[w.resource]; top >= 0 && used[w.resource]+w.n > top {
			return over(w.resource, w.kind, top, used[w.resource], w.n)
		}
	}
	return nil
}

type wish struct {
	resource, kind string
	n              int
}

// resources are what a demand wants more of, sizes before numbers, as users are told.
func (d Demand) resources() (out []wish) {
	if d.Retyped > 0 { // what the project has in all stays
		if d.Type == "" {
			return nil
		}
		return []wish{{"gigabytes_" + d.Type, "gigabytes", d.GiB}, {"volumes_" + d.Type, "volumes", d.Retyped}}
	}
	for _, w := range []wish{
		{"gigabytes", "gigabytes", d.GiB}, {"volumes", "volumes", d.Volumes}, {"snapshots", "snapshots", d.Snapshots},
		{"backup_gigabytes", "backup_gigabytes", d.BackupGiB}, {"backups", "backups", d.Backups}, {"groups", "groups", d.Groups},
	} {
		if w.n <= 0 {
			continue
		}
		out = append(out, w)
		if d.Type != "" && d.Backups == 0 && d.BackupGiB == 0 && d.Groups == 0 {
			out = append(out, wish{w.resource + "_" + d.Type, w.kind, w.n})
		}
	}
	return out
}

// over says in Cinder's words which limit is reached.
func over(resource, kind string, limit, used, wanted int) error {
	switch kind {
	case "gigabytes":
		return errs.New(errs.OverQuota, "Requested volume or snapshot exceeds allowed %s quota. Requested %dG, quota is %dG and %dG has been consumed.", resource, wanted, limit, used)
	case "backup_gigabytes":
		return errs.New(errs.OverQuota, "Requested backup exceeds allowed Backup gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.", wanted, limit, used)
	case "volumes":
		return errs.New(errs.OverQuota, "Maximum number of volumes allowed (%d) exceeded for quota '%s'.", limit, resource)
	}
	return errs.New(errs.OverQuota, "Maximum number of %s allowed (%d) exceeded", kind, limit)
}

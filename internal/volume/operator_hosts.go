package volume

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Hosts lists services as hosts that volumes can be on.
func (o *Operator) Hosts(ctx context.Context) ([]ServiceState, error) {
	if err := o.s.Check(ctx, "volume_extension:hosts"); err != nil {
		return nil, err
	}
	all, err := o.services(ctx)
	return slices.DeleteFunc(all, func(v ServiceState) bool { return v.Disabled }), err
}

// HostUse is what a project has in a backend; of "(total)" all of them have.
type HostUse struct {
	Project                 string
	Volumes, VolumeGiB      int
	Snapshots, SnapshotsGiB int
}

// HostUse says what projects have in a backend, the sum first.
func (o *Operator) HostUse(ctx context.Context, host string) (out []HostUse, err error) {
	if err := o.s.Check(ctx, "volume_extension:hosts"); err != nil {
		return nil, err
	}
	err = o.s.read(ctx, func(tx *store.Tx) error {
		list, err := o.s.Backends.all(ctx, tx)
		if err != nil {
			return err
		}
		b := backendOf(list, host)
		if b == nil {
			return errs.New(errs.NotFound, "Host %s could not be found.", host)
		}
		out, err = o.hostUse(ctx, tx, b.Place().String())
		return err
	})
	return out, err
}

func (o *Operator) hostUse(ctx context.Context, tx *store.Tx, host string) ([]HostUse, error) {
	volumes, err := o.s.tables.Volumes.All(ctx, tx, store.Eq("host", host))
	if err != nil {
		return nil, err
	}
	out := []HostUse{{Project: "(total)"}}
	at, owner, ids := map[string]int{}, map[string]string{}, make([]string, len(volumes))
	for i, v := range volumes {
		ids[i], owner[v.ID] = v.ID, v.ProjectID
		if _, seen := at[v.ProjectID]; !seen {
			at[v.ProjectID] = len(out)
			out = append(out, HostUse{Project: v.ProjectID})
		}
		for _, u := range []*HostUse{&out[0], &out[at[v.ProjectID]]} {
			u.Volumes++
			u.VolumeGiB += v.SizeGiB
		}
	}
	snapshots, err := o.s.tables.Snapshots.All(ctx, tx, store.In("volume_id", ids))
	for _, p := range snapshots {
		for _, u := range []*HostUse{&out[0], &out[at[owner[p.VolumeID]]]} {
			u.Snapshots++
			u.SnapshotsGiB += p.SizeGiB
		}
	}
	return out, err
}

// EnableHost lets a backend take new volumes, or no more.
func (o *Operator) EnableHost(ctx context.Context, host string, enabled bool) error {
	if err := o.s.Check(ctx, "volume_extension:hosts"); err != nil {
		return err
	}
	err := o.Disable(ctx, BinaryVolume, host, "", !enabled)
	if errs.Is(err, errs.NotFound) {
		err = errs.New(errs.NotFound, "Host %s could not be found.", host)
	}
	return err
}

// Clusters answers what is asked of clusters of services, of which there are
// none: every part of the cloud works together with all others of its kind.
func (o *Operator) Clusters(ctx context.Context, rule, name string) error {
	if err := o.s.Check(ctx, "clusters:"+rule); err != nil {
		return err
	}
	if name != "" {
		return errs.New(errs.NotFound, "Cluster %s could not be found.", name)
	}
	return nil
}

// Cleanup answers that nothing is left to clean up: what a part of the cloud
// leaves undone when it dies another one ends.
func (o *Operator) Cleanup(ctx context.Context) error { return o.s.Check(ctx, "workers:cleanup") }

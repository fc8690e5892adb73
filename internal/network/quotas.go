package network

import (
	"context"
	"maps"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// DefaultQuotas are the limits of a project that has none of its own; -1 is no limit.
var DefaultQuotas = map[string]int64{
	"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50, "security_group": 10,
	"security_group_rule": 100, "subnetpool": -1, "rbac_policy": 10,
}

// Quotas are the limits of projects. Neutron knows neither classes nor users.
type Quotas struct {
	db     *store.DB
	access *Access
	quotas *quota.Quotas
}

func newQuotas(db *store.DB, access *Access, t Tables) *Quotas {
	return &Quotas{db, access, quota.New(quota.Deps{Table: t.Quotas, Families: []quota.Family{
		rows("network", t.Networks), rows("subnet", t.Subnets), rows("port", t.Ports), rows("router", t.Routers), rows("floatingip", t.FloatingIPs),
		rows("security_group", t.SecurityGroups), rows("security_group_rule", t.SecurityGroupRules), rows("subnetpool", t.SubnetPools),
		rows("rbac_policy", t.RBACPolicies),
	}})}
}

func rows[T any](resource string, t *store.Table[T]) quota.Family {
	return quota.Rows(resource, DefaultQuotas[resource], t)
}

// count makes sure that a project may have n more.
func (f *Quotas) count(ctx context.Context, tx *store.Tx, projectID, resource string, n int64) error {
	over, err := f.quotas.Check(ctx, tx, quota.Holder{Project: projectID}, quota.Want{Resource: resource, N: n})
	if err == nil && len(over) > 0 {
		err = fault(errs.OverQuota, "OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	return err
}

// Show returns the limits of a project and what it uses.
func (f *Quotas) Show(ctx context.Context, projectID string) (out quota.Account, err error) {
	if err := f.mayRead(ctx, projectID); err != nil {
		return nil, err
	}
	err = f.db.Read(ctx, func(tx *store.Tx) error {
		out, err = f.quotas.Account(ctx, tx, quota.Holder{Project: projectID})
		return err
	})
	return out, err
}

func (f *Quotas) mayRead(ctx context.Context, projectID string) error {
	if f.access.permits(ctx, "get_own_quota", policy.Target{"project_id": projectID}) {
		return nil
	}
	return f.access.check(ctx, "get_quota", policy.Target{"project_id": projectID})
}

// Defaults returns what a project has that has no limits of its own.
func (f *Quotas) Defaults(ctx context.Context, projectID string) (out map[string]int64, err error) {
	if err := f.mayRead(ctx, projectID); err != nil {
		return nil, err
	}
	err = f.db.Read(ctx, func(tx *store.Tx) error {
		out, err = f.quotas.Defaults(ctx, tx)
		return err
	})
	return out, err
}

// List returns the limits of projects that have their own.
func (f *Quotas) List(ctx context.Context) (map[string]map[string]int64, error) {
	if err := f.access.check(ctx, "get_quota", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	err := f.db.Read(ctx, func(tx *store.Tx) error {
		clear(out)
		projects, err := f.quotas.Owners(ctx, tx, quota.Project)
		if err != nil {
			return err
		}
		for _, p := range projects {
			if out[p], err = f.quotas.Limits(ctx, tx, quota.Holder{Project: p}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// Set gives a project limits of its own; with checkUsed none below what it uses.
func (f *Quotas) Set(ctx context.Context, projectID string, limits map[string]int64, checkUsed bool) error {
	if err := f.access.check(ctx, "update_quota", nil); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(limits))
	for _, resource := range names {
		if _, ok := DefaultQuotas[resource]; !ok {
			return invalid("Unrecognized attribute(s) '%s'", resource)
		}
	}
	h := quota.Holder{Project: projectID}
	return f.db.Write(ctx, func(tx *store.Tx) error {
		if checkUsed {
			now, err := f.quotas.Account(ctx, tx, h)
			if err != nil {
				return err
			}
			for _, resource := range names {
				if limits[resource] >= 0 && now[resource].InUse > limits[resource] {
					return fault(errs.Conflict, "InvalidQuotaValue", "Change would make usage less than 0 for the following resources: ['%s'].", resource)
				}
			}
		}
		return f.quotas.Set(ctx, tx, h, limits)
	})
}

// Reset gives a project the default limits again.
func (f *Quotas) Reset(ctx context.Context, projectID string) error {
	if err := f.access.check(ctx, "delete_quota", nil); err != nil {
		return err
	}
	return f.db.Write(ctx, func(tx *store.Tx) error {
		n, err := f.quotas.Reset(ctx, tx, quota.Holder{Project: projectID})
		if err == nil && n == 0 {
			err = fault(errs.NotFound, "TenantQuotaNotFound", "Quota for tenant %s could not be found.", projectID)
		}
		return err
	})
}

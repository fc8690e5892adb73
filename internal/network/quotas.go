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

// newQuotas are the limits of projects. Neutron knows neither classes nor users.
func newQuotas(t Tables) *quota.Quotas {
	return quota.New(quota.Deps{Table: t.Quotas, Families: []quota.Family{
		rows("network", t.Networks), rows("subnet", t.Subnets), rows("port", t.Ports), rows("router", t.Routers), rows("floatingip", t.FloatingIPs),
		rows("security_group", t.SecurityGroups), rows("security_group_rule", t.SecurityGroupRules), rows("subnetpool", t.SubnetPools),
		rows("rbac_policy", t.RBACPolicies),
	}})
}

func rows[T any](resource string, t *store.Table[T]) quota.Family {
	return quota.Rows(resource, DefaultQuotas[resource], t)
}

// countQuota makes sure that a project may have n more.
func (s *Service) countQuota(ctx context.Context, tx *store.Tx, projectID, resource string, n int64) error {
	over, err := s.quotas.Check(ctx, tx, quota.Holder{Project: projectID}, quota.Want{Resource: resource, N: n})
	if err == nil && len(over) > 0 {
		err = fault(errs.OverQuota, "OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	return err
}

// Quotas returns the limits of a project and what it uses.
func (s *Service) Quotas(ctx context.Context, projectID string) (out quota.Account, err error) {
	if err := s.mayReadQuota(ctx, projectID); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		out, err = s.quotas.Account(ctx, tx, quota.Holder{Project: projectID})
		return err
	})
	return out, err
}

func (s *Service) mayReadQuota(ctx context.Context, projectID string) error {
	if s.permits(ctx, "get_own_quota", policy.Target{"project_id": projectID}) {
		return nil
	}
	return s.check(ctx, "get_quota", policy.Target{"project_id": projectID})
}

// QuotaDefaults returns what a project has that has no limits of its own.
func (s *Service) QuotaDefaults(ctx context.Context, projectID string) (out map[string]int64, err error) {
	if err := s.mayReadQuota(ctx, projectID); err != nil {
		return nil, err
	}
	err = s.db.Read(ctx, func(tx *store.Tx) error {
		out, err = s.quotas.Defaults(ctx, tx)
		return err
	})
	return out, err
}

// ProjectQuotas returns the limits of projects that have their own.
func (s *Service) ProjectQuotas(ctx context.Context) (map[string]map[string]int64, error) {
	if err := s.check(ctx, "get_quota", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		clear(out)
		projects, err := s.quotas.Owners(ctx, tx, quota.Project)
		if err != nil {
			return err
		}
		for _, p := range projects {
			if out[p], err = s.quotas.Limits(ctx, tx, quota.Holder{Project: p}); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// SetQuotas gives a project limits of its own; with checkUsed none below what it uses.
func (s *Service) SetQuotas(ctx context.Context, projectID string, limits map[string]int64, checkUsed bool) error {
	if err := s.check(ctx, "update_quota", nil); err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(limits))
	for _, resource := range names {
		if _, ok := DefaultQuotas[resource]; !ok {
			return invalid("Unrecognized attribute(s) '%s'", resource)
		}
	}
	h := quota.Holder{Project: projectID}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if checkUsed {
			now, err := s.quotas.Account(ctx, tx, h)
			if err != nil {
				return err
			}
			for _, resource := range names {
				if limits[resource] >= 0 && now[resource].InUse > limits[resource] {
					return fault(errs.Conflict, "InvalidQuotaValue", "Change would make usage less than 0 for the following resources: ['%s'].", resource)
				}
			}
		}
		return s.quotas.Set(ctx, tx, h, limits)
	})
}

// ResetQuotas gives a project the default limits again.
func (s *Service) ResetQuotas(ctx context.Context, projectID string) error {
	if err := s.check(ctx, "delete_quota", nil); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		n, err := s.quotas.Reset(ctx, tx, quota.Holder{Project: projectID})
		if err == nil && n == 0 {
			err = fault(errs.NotFound, "TenantQuotaNotFound", "Quota for tenant %s could not be found.", projectID)
		}
		return err
	})
}

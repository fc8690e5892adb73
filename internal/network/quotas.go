package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// DefaultQuotas are the limits of a project that has none of its own; -1 is no limit.
var DefaultQuotas = map[string]int64{
	"network": 100, "subnet": 100, "port": 500, "router": 10, "floatingip": 50, "security_group": 10,
	"security_group_rule": 100, "subnetpool": -1, "rbac_policy": 10,
}

// quotaTables say where each resource is counted.
var quotaTables = map[string]string{
	"network": "network", "subnet": "network_subnet", "port": "network_port", "router": "network_router", "floatingip": "network_floatingip",
	"security_group": "network_security_group", "security_group_rule": "network_security_group_rule", "subnetpool": "network_subnetpool", "rbac_policy": "network_rbac_policy",
}

// Quota is one limit and what is used of it.
type Quota struct{ Limit, Used int64 }

func (s *Service) countQuota(ctx context.Context, tx *store.Tx, projectID, resource string, n int64) error {
	limit, err := s.limit(ctx, tx, projectID, resource)
	if err != nil || limit < 0 {
		return err
	}
	used, err := s.used(ctx, tx, projectID, resource)
	if err != nil {
		return err
	}
	if used+n > limit {
		return fault(errs.OverQuota, "OverQuota", "Quota exceeded for resources: ['%s'].", resource)
	}
	return nil
}

func (s *Service) limit(ctx context.Context, tx *store.Tx, projectID, resource string) (int64, error) {
	limit, err := store.One(ctx, tx, store.Value[int64],
		"SELECT max_count FROM network_quota WHERE project_id = ? AND resource = ?", projectID, resource)
	if isNotFound(err) {
		return DefaultQuotas[resource], nil
	}
	return limit, err
}

func (s *Service) used(ctx context.Context, tx *store.Tx, projectID, resource string) (int64, error) {
	return store.One(ctx, tx, store.Value[int64], "SELECT COUNT(*) FROM "+quotaTables[resource]+" WHERE project_id = ?", projectID)
}

// Quotas returns the limits of a project and what it uses.
func (s *Service) Quotas(ctx context.Context, projectID string) (map[string]Quota, error) {
	if err := s.mayReadQuota(ctx, projectID); err != nil {
		return nil, err
	}
	out := map[string]Quota{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		for resource := range DefaultQuotas {
			limit, err := s.limit(ctx, tx, projectID, resource)
			if err != nil {
				return err
			}
			used, err := s.used(ctx, tx, projectID, resource)
			if err != nil {
				return err
			}
			out[resource] = Quota{limit, used}
		}
		return nil
	})
	return out, err
}

func (s *Service) mayReadQuota(ctx context.Context, projectID string) error {
	if s.permits(ctx, "get_own_quota", policy.Target{"project_id": projectID}) {
		return nil
	}
	return s.check(ctx, "get_quota", policy.Target{"project_id": projectID})
}

// MayReadQuota asks whether the actor may see a project's limits.
func (s *Service) MayReadQuota(ctx context.Context, projectID string) error {
	return s.mayReadQuota(ctx, projectID)
}

// ProjectQuotas returns the limits of projects that have their own.
func (s *Service) ProjectQuotas(ctx context.Context) (map[string]map[string]int64, error) {
	if err := s.check(ctx, "get_quota", policy.Target{"project_id": actor.From(ctx).ProjectID}); err != nil {
		return nil, err
	}
	out := map[string]map[string]int64{}
	err := s.db.Read(ctx, func(tx *store.Tx) error {
		clear(out)
		rows, err := store.All(ctx, tx, store.Value[string], "SELECT DISTINCT project_id FROM network_quota ORDER BY project_id")
		if err != nil {
			return err
		}
		for _, project := range rows {
			out[project] = map[string]int64{}
			for resource := range DefaultQuotas {
				if out[project][resource], err = s.limit(ctx, tx, project, resource); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return out, err
}

// SetQuotas gives a project limits of its own.
func (s *Service) SetQuotas(ctx context.Context, tx *store.Tx, projectID string, limits map[string]int64, checkUsed bool) error {
	if err := s.check(ctx, "update_quota", nil); err != nil {
		return err
	}
	names := make([]string, 0, len(limits))
	for r := range limits {
		names = append(names, r)
	}
	slices.Sort(names)
	for _, resource := range names {
		if _, ok := DefaultQuotas[resource]; !ok {
			return invalid("Unrecognized attribute(s) '%s'", resource)
		}
		if checkUsed && limits[resource] >= 0 {
			used, err := s.used(ctx, tx, projectID, resource)
			if err != nil {
				return err
			}
			if used > limits[resource] {
				return fault(errs.Conflict, "InvalidQuotaValue", "Change would make usage less than 0 for the following resources: ['%s'].", resource)
			}
		}
		if _, err := tx.Exec(ctx, `INSERT INTO network_quota (project_id, resource, max_count) VALUES (?, ?, ?)
			ON CONFLICT (project_id, resource) DO UPDATE SET max_count = excluded.max_count`, projectID, resource, limits[resource]); err != nil {
			return err
		}
	}
	return nil
}

// ResetQuotas gives a project the default limits again.
func (s *Service) ResetQuotas(ctx context.Context, tx *store.Tx, projectID string) error {
	if err := s.check(ctx, "delete_quota", nil); err != nil {
		return err
	}
	n, err := tx.Exec(ctx, "DELETE FROM network_quota WHERE project_id = ?", projectID)
	if err == nil && n == 0 {
		return fault(errs.NotFound, "TenantQuotaNotFound", "Quota for tenant %s could not be found.", projectID)
	}
	return err
}

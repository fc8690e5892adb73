package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// quotaDefaults are Nova's own; -1 is unlimited.
var quotaDefaults = map[string]int{
	"instances": 10, "cores": 20, "ram": 51200, "metadata_items": 128, "key_pairs": 100,
	"server_groups": 10, "server_group_members": 10,
	"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255,
	// Of the networks that compute once had itself; shown to old versions.
	"floating_ips": -1, "fixed_ips": -1, "security_groups": -1, "security_group_rules": -1, "networks": -1,
}

// QuotaResources are the names of all quotas that compute enforces.
var QuotaResources = []string{
	"instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups", "server_group_members",
	"injected_files", "injected_file_content_bytes", "injected_file_path_bytes",
}

const (
	quotaProject = "project"
	quotaUser    = "user"
	quotaClass   = "class"
)

// Quota is one limit and what counts against it.
type Quota struct{ Limit, InUse, Reserved int }

// ownQuotas are the limits that an owner has of its own, by resource.
func (s *Service) ownQuotas(ctx context.Context, tx *store.Tx, kind, owner string) (map[string]int, error) {
	rows, err := s.quotas.All(ctx, tx, store.Eq("kind", kind), store.Eq("owner", owner))
	out := make(map[string]int, len(rows))
	for _, l := range rows {
		out[l.Resource] = l.Hard
	}
	return out, err
}

func (s *Service) setQuota(ctx context.Context, tx *store.Tx, l Limit) error {
	err := s.quotas.Update(ctx, tx, &l)
	if errs.Is(err, errs.NotFound) {
		err = s.quotas.Insert(ctx, tx, &l)
	}
	return err
}

// deleteQuotas returns an owner to the defaults.
func (s *Service) deleteQuotas(ctx context.Context, tx *store.Tx, kind, owner string) error {
	_, err := s.quotas.DeleteWhere(ctx, tx, store.Eq("kind", kind), store.Eq("owner", owner))
	return err
}

// defaultQuotas are the limits of a project that has none of its own.
func (s *Service) defaultQuotas(ctx context.Context, tx *store.Tx) (map[string]int, error) {
	class, err := s.ownQuotas(ctx, tx, quotaClass, "default")
	if err != nil {
		return nil, err
	}
	out := make(map[string]int, len(quotaDefaults))
	for _, layer := range []map[string]int{quotaDefaults, s.cfg.Quota, class} {
		for k, v := range layer {
			out[k] = v
		}
	}
	return out, nil
}

func (s *Service) limits(ctx context.Context, tx *store.Tx, projectID string) (map[string]int, error) {
	out, err := s.defaultQuotas(ctx, tx)
	if err != nil {
		return nil, err
	}
	own, err := s.ownQuotas(ctx, tx, quotaProject, projectID)
	for k, v := range own {
		out[k] = v
	}
	return out, err
}

// checkServerQuota tells how many of wanted servers of a flavor fit the
// project's quota, at least least of them, or says why not.
func (s *Service) checkServerQuota(ctx context.Context, tx *store.Tx, projectID string, f *Flavor, least, wanted int) (int, error) {
	limit, err := s.limits(ctx, tx, projectID)
	if err != nil {
		return 0, err
	}
	used, err := s.store.ServerTotals(ctx, tx, projectID, "")
	if err != nil {
		return 0, err
	}
	for n := wanted; ; n-- {
		over := overQuota(limit, []demand{
			{"instances", used.Instances, n}, {"cores", used.Cores, n * f.VCPUs}, {"ram", used.RAM, n * f.RAM},
		})
		if over == nil {
			return n, nil
		}
		if n <= least {
			return 0, over
		}
	}
}

// demand is a wish for more of a resource.
type demand struct {
	resource     string
	used, wanted int
}

func overQuota(limit map[string]int, demands []demand) error {
	var names, wanted, used, allowed []string
	for _, d := range demands {
		if top := limit[d.resource]; top >= 0 && d.wanted > 0 && d.used+d.wanted > top {
			names = append(names, d.resource)
			wanted = append(wanted, fmt.Sprint(d.wanted))
			used = append(used, fmt.Sprint(d.used))
			allowed = append(allowed, fmt.Sprint(top))
		}
	}
	if names == nil {
		return nil
	}
	return errs.New(errs.OverQuota, "Quota exceeded for %s: Requested %s, but already used %s of %s %s",
		strings.Join(names, ", "), strings.Join(wanted, ", "), strings.Join(used, ", "), strings.Join(allowed, ", "), strings.Join(names, ", "))
}

// checkLimit refuses more than the project's limit of something that is not counted over servers.
func (s *Service) checkLimit(ctx context.Context, tx *store.Tx, projectID, resource string, n int, message string) error {
	limit, err := s.limits(ctx, tx, projectID)
	if err != nil {
		return err
	}
	if top := limit[resource]; top >= 0 && n > top {
		return errs.New(errs.OverQuota, "%s", message)
	}
	return nil
}

// QuotaSet returns a project's limits and use. The actor must be allowed the
// rule about that project.
func (s *Service) QuotaSet(ctx context.Context, rule, projectID, userID string) (map[string]Quota, error) {
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return nil, err
	}
	return s.quotaSet(ctx, projectID, userID)
}

// Limits returns a project's limits and use under the rules of GET /limits,
// where nobody asks whether the project exists.
func (s *Service) Limits(ctx context.Context, projectID string) (map[string]Quota, error) {
	if projectID != actor.From(ctx).ProjectID {
		if err := s.Check(ctx, "limits:other_project"); err != nil {
			return nil, err
		}
	}
	if err := s.check(ctx, "limits", policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	return s.quotaSet(ctx, projectID, "")
}

func (s *Service) quotaSet(ctx context.Context, projectID, userID string) (map[string]Quota, error) {
	var out map[string]Quota
	err := s.read(ctx, func(tx *store.Tx) error {
		limit, err := s.limits(ctx, tx, projectID)
		if err != nil {
			return err
		}
		if userID != "" {
			own, err := s.ownQuotas(ctx, tx, quotaUser, projectID+"/"+userID)
			if err != nil {
				return err
			}
			for k, v := range own {
				limit[k] = v
			}
		}
		out, err = s.usage(ctx, tx, projectID, userID, limit)
		return err
	})
	return out, err
}

func (s *Service) usage(ctx context.Context, tx *store.Tx, projectID, userID string, limit map[string]int) (map[string]Quota, error) {
	totals, err := s.store.ServerTotals(ctx, tx, projectID, userID)
	if err != nil {
		return nil, err
	}
	groups, err := s.ServerGroups.count(ctx, tx, projectID)
	if err != nil {
		return nil, err
	}
	used := map[string]int{"instances": totals.Instances, "cores": totals.Cores, "ram": totals.RAM, "server_groups": groups}
	out := make(map[string]Quota, len(limit))
	for k, v := range limit {
		out[k] = Quota{Limit: v, InUse: used[k]}
	}
	return out, nil
}

// checkProject refuses quotas of projects that do not exist.
func (s *Service) checkProject(ctx context.Context, projectID string) error {
	if s.identity == nil || projectID == actor.From(ctx).ProjectID {
		return nil
	}
	return s.read(ctx, func(tx *store.Tx) error {
		ok, err := s.identity.ProjectExists(ctx, tx, projectID)
		if err == nil && !ok {
			err = errs.New(errs.Invalid, "Project ID %s is not a valid project.", projectID)
		}
		return err
	})
}

// DefaultQuotas returns the limits of a project without its own.
func (s *Service) DefaultQuotas(ctx context.Context, rule, projectID string) (map[string]int, error) {
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if rule == "os-quota-sets:defaults" {
		if err := s.checkProject(ctx, projectID); err != nil {
			return nil, err
		}
	}
	var out map[string]int
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.defaultQuotas(ctx, tx)
		return err
	})
	return out, err
}

// SetQuotas gives a project, or one user in it, limits of its own. Without
// force a limit below what is in use is refused.
func (s *Service) SetQuotas(ctx context.Context, projectID, userID string, set map[string]int, force bool) (map[string]Quota, error) {
	if err := s.check(ctx, "os-quota-sets:update", policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return nil, err
	}
	var out map[string]Quota
	err := s.write(ctx, func(tx *store.Tx) error {
		limit, err := s.limits(ctx, tx, projectID)
		if err != nil {
			return err
		}
		now, err := s.usage(ctx, tx, projectID, userID, limit)
		if err != nil {
			return err
		}
		kind, owner := quotaProject, projectID
		if userID != "" {
			kind, owner = quotaUser, projectID+"/"+userID
		}
		for _, resource := range sortedKeys(set) {
			hard := set[resource]
			if q := now[resource]; !force && hard >= 0 && hard < q.InUse {
				return errs.New(errs.Invalid, "Quota limit %d for %s must be greater than or equal to already used and reserved %d.", hard, resource, q.InUse)
			}
			if userID != "" && limit[resource] >= 0 && (hard > limit[resource] || hard < 0) {
				return errs.New(errs.Invalid, "Quota limit %d for %s must be less than or equal to %d.", hard, resource, limit[resource])
			}
			if err := s.setQuota(ctx, tx, Limit{kind, owner, resource, hard}); err != nil {
				return err
			}
			q := now[resource]
			q.Limit = hard
			now[resource] = q
		}
		out = now
		return nil
	})
	return out, err
}

// ResetQuotas returns a project, or one user in it, to the defaults.
func (s *Service) ResetQuotas(ctx context.Context, projectID, userID string) error {
	if err := s.check(ctx, "os-quota-sets:delete", policy.Target{"project_id": projectID}); err != nil {
		return err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		if userID != "" {
			return s.deleteQuotas(ctx, tx, quotaUser, projectID+"/"+userID)
		}
		return s.deleteQuotas(ctx, tx, quotaProject, projectID)
	})
}

// SetClassQuotas changes a quota class; only "default" has an effect.
func (s *Service) SetClassQuotas(ctx context.Context, class string, set map[string]int) (map[string]int, error) {
	if err := s.Check(ctx, "os-quota-class-sets:update"); err != nil {
		return nil, err
	}
	var out map[string]int
	err := s.write(ctx, func(tx *store.Tx) error {
		for _, resource := range sortedKeys(set) {
			if err := s.setQuota(ctx, tx, Limit{quotaClass, class, resource, set[resource]}); err != nil {
				return err
			}
		}
		var err error
		out, err = s.classQuotas(ctx, tx, class)
		return err
	})
	return out, err
}

// ClassQuotas returns a quota class.
func (s *Service) ClassQuotas(ctx context.Context, class string) (map[string]int, error) {
	if err := s.Check(ctx, "os-quota-class-sets:show"); err != nil {
		return nil, err
	}
	var out map[string]int
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.classQuotas(ctx, tx, class)
		return err
	})
	return out, err
}

func (s *Service) classQuotas(ctx context.Context, tx *store.Tx, class string) (map[string]int, error) {
	out, err := s.defaultQuotas(ctx, tx)
	if err != nil || class == "default" {
		return out, err
	}
	own, err := s.ownQuotas(ctx, tx, quotaClass, class)
	for k, v := range own {
		out[k] = v
	}
	return out, err
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

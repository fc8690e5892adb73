package compute

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/quota"
	"kumoi/internal/kernel/store"
)

// counted are the limits that compute enforces, by default Nova's own.
func (s *Quotas) counted(t Tables) *quota.Quotas {
	return quota.New(quota.Deps{Table: t.Quotas, Config: s.cfg.Quota, Families: []quota.Family{
		{Defaults: map[string]int64{"instances": 10, "cores": 20, "ram": 51200}, Count: s.countServers},
		quota.Rows("server_groups", 10, t.ServerGroups),
		{Defaults: map[string]int64{
			"metadata_items": 128, "key_pairs": 100, "server_group_members": 10,
			"injected_files": 5, "injected_file_content_bytes": 10240, "injected_file_path_bytes": 255,
			// Of the networks that compute once had itself; shown to old versions.
			"floating_ips": -1, "fixed_ips": -1, "security_groups": -1, "security_group_rules": -1, "networks": -1,
		}},
	}})
}

// BuiltIn are the limits of projects that have none of their own.
func (s *Quotas) BuiltIn() map[string]int64 { return s.quotas.BuiltIn() }

// countServers counts what servers take of quotas.
func (s *Quotas) countServers(ctx context.Context, tx *store.Tx, h quota.Holder) (map[string]int64, error) {
	t, err := s.store.ServerTotals(ctx, tx, h.Project, h.User)
	return map[string]int64{"instances": int64(t.Instances), "cores": int64(t.Cores), "ram": int64(t.RAM)}, err
}

// checkServerQuota tells how many of wanted servers of a flavor fit the
// project's quota, at least least of them, or says why not.
func (s *Quotas) checkServerQuota(ctx context.Context, tx *store.Tx, projectID string, f *Flavor, least, wanted int) (int, error) {
	account, err := s.quotas.Account(ctx, tx, quota.Holder{Project: projectID}, "instances", "cores", "ram")
	if err != nil {
		return 0, err
	}
	for n := wanted; ; n-- {
		over := overQuota(account, map[string]int{"instances": n, "cores": n * f.VCPUs, "ram": n * f.RAM})
		if over == nil {
			return n, nil
		}
		if n <= least {
			return 0, over
		}
	}
}

// overQuota says which wishes for more than nothing an account has no room for.
func overQuota(a quota.Account, wanted map[string]int) error {
	var wants []quota.Want
	for _, resource := range []string{"instances", "cores", "ram"} {
		if n := wanted[resource]; n > 0 {
			wants = append(wants, quota.Want{Resource: resource, N: int64(n)})
		}
	}
	var names, more, used, allowed []string
	for _, o := range a.Over(wants...) {
		names, more = append(names, o.Resource), append(more, fmt.Sprint(o.N))
		used, allowed = append(used, fmt.Sprint(o.InUse)), append(allowed, fmt.Sprint(o.Limit))
	}
	if names == nil {
		return nil
	}
	return errs.New(errs.OverQuota, "Quota exceeded for %s: Requested %s, but already used %s of %s %s",
		strings.Join(names, ", "), strings.Join(more, ", "), strings.Join(used, ", "), strings.Join(allowed, ", "), strings.Join(names, ", "))
}

// checkLimit refuses more than the project's limit of something that is not counted over servers.
func (s *Quotas) checkLimit(ctx context.Context, tx *store.Tx, projectID, resource string, n int, message string) error {
	fits, err := s.quotas.Fits(ctx, tx, quota.Holder{Project: projectID}, resource, int64(n))
	if err == nil && !fits {
		err = errs.New(errs.OverQuota, "%s", message)
	}
	return err
}

// Show returns a project's limits and use. The actor must be allowed the
// rule about that project.
func (s *Quotas) Show(ctx context.Context, rule, projectID, userID string) (quota.Account, error) {
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return nil, err
	}
	return s.account(ctx, projectID, userID)
}

// Limits returns a project's limits and use under the rules of GET /limits,
// where nobody asks whether the project exists.
func (s *Quotas) Limits(ctx context.Context, projectID string) (quota.Account, error) {
	if projectID != actor.From(ctx).ProjectID {
		if err := s.checkOwn(ctx, "limits:other_project"); err != nil {
			return nil, err
		}
	}
	if err := s.check(ctx, "limits", policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	return s.account(ctx, projectID, "")
}

func (s *Quotas) account(ctx context.Context, projectID, userID string) (out quota.Account, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		out, err = s.quotas.Account(ctx, tx, quota.Holder{Project: projectID, User: userID})
		return err
	})
	return out, err
}

// Defaults returns the limits of a project without its own.
func (s *Quotas) Defaults(ctx context.Context, rule, projectID string) (map[string]int64, error) {
	if err := s.check(ctx, rule, policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if rule == "os-quota-sets:defaults" {
		if err := s.checkProject(ctx, projectID); err != nil {
			return nil, err
		}
	}
	var out map[string]int64
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.quotas.Defaults(ctx, tx)
		return err
	})
	return out, err
}

// Set gives a project, or one user in it, limits of its own. Without
// force a limit below what is in use is refused.
func (s *Quotas) Set(ctx context.Context, projectID, userID string, set map[string]int64, force bool) (quota.Account, error) {
	if err := s.check(ctx, "os-quota-sets:update", policy.Target{"project_id": projectID}); err != nil {
		return nil, err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return nil, err
	}
	var out quota.Account
	err := s.write(ctx, func(tx *store.Tx) error {
		limit, err := s.quotas.Limits(ctx, tx, quota.Holder{Project: projectID})
		if err != nil {
			return err
		}
		h := quota.Holder{Project: projectID, User: userID}
		now, err := s.quotas.Account(ctx, tx, h)
		if err != nil {
			return err
		}
		for resource, q := range now {
			q.Limit = limit[resource]
			now[resource] = q
		}
		for _, resource := range sortedKeys(set) {
			hard := set[resource]
			if q := now[resource]; !force && hard >= 0 && hard < q.InUse {
				return errs.New(errs.Invalid, "Quota limit %d for %s must be greater than or equal to already used and reserved %d.", hard, resource, q.InUse)
			}
			if userID != "" && limit[resource] >= 0 && (hard > limit[resource] || hard < 0) {
				return errs.New(errs.Invalid, "Quota limit %d for %s must be less than or equal to %d.", hard, resource, limit[resource])
			}
			q := now[resource]
			q.Limit = hard
			now[resource] = q
		}
		out = now
		return s.quotas.Set(ctx, tx, h, set)
	})
	return out, err
}

// Reset returns a project, or one user in it, to the defaults.
func (s *Quotas) Reset(ctx context.Context, projectID, userID string) error {
	if err := s.check(ctx, "os-quota-sets:delete", policy.Target{"project_id": projectID}); err != nil {
		return err
	}
	if err := s.checkProject(ctx, projectID); err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error {
		_, err := s.quotas.Reset(ctx, tx, quota.Holder{Project: projectID, User: userID})
		return err
	})
}

// SetClass changes a quota class; only "default" has an effect.
func (s *Quotas) SetClass(ctx context.Context, class string, set map[string]int64) (map[string]int64, error) {
	if err := s.checkOwn(ctx, "os-quota-class-sets:update"); err != nil {
		return nil, err
	}
	var out map[string]int64
	err := s.write(ctx, func(tx *store.Tx) error {
		if err := s.quotas.SetClass(ctx, tx, class, set); err != nil {
			return err
		}
		var err error
		out, err = s.quotas.OfClass(ctx, tx, class)
		return err
	})
	return out, err
}

// Class returns a quota class.
func (s *Quotas) Class(ctx context.Context, class string) (map[string]int64, error) {
	if err := s.checkOwn(ctx, "os-quota-class-sets:show"); err != nil {
		return nil, err
	}
	var out map[string]int64
	err := s.read(ctx, func(tx *store.Tx) (err error) {
		out, err = s.quotas.OfClass(ctx, tx, class)
		return err
	})
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

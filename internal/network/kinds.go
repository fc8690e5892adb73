package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// sharedScope lets a project see its own and what RBAC policies grant it.
func sharedScope(objectType string) func(*store.Selection, string) {
	return func(q *store.Selection, projectID string) {
		q.Where("project_id = ? OR id IN (SELECT object_id FROM rbac_policy WHERE object_type = ? AND target IN (?, '*'))",
			projectID, objectType, projectID)
	}
}

var (
	trunks = &kind[Trunk, *Trunk]{
		name: "trunk", plural: "trunks", code: "TrunkNotFound", say: "Trunk %s could not be found.",
		table: trunkTable, scope: ownScope, hydrate: hydrateTrunks,
	}
	rbacs = &kind[RBACPolicy, *RBACPolicy]{
		name: "rbac_policy", plural: "rbac_policies", code: "RbacPolicyNotFound", say: "RBAC policy of type unknown with ID %s not found", quota: "rbac_policy",
		table: rbacTable, scope: ownScope,
		target: func(r *RBACPolicy, t policy.Target) {
			t["target_tenant"], t["target_project"] = r.TargetProject, r.TargetProject
		},
	}
)

func flag(b bool) string {
	if b {
		return "True"
	}
	return "False"
}

// grant is one RBAC policy as hydration reads it.
type grant struct{ object, action, target string }

func scanGrant(r store.Row) (g grant, err error) {
	err = r.Scan(&g.object, &g.action, &g.target)
	return g, err
}

// grantsFor reads which objects of a type are granted to the context's project.
func grantsFor(ctx context.Context, tx *store.Tx, objectType string, id string) ([]grant, error) {
	q := store.Select("SELECT object_id, action, target FROM rbac_policy").
		Where("object_type = ?", objectType).
		Where("target IN (?, '*')", actor.From(ctx).ProjectID)
	if id != "" {
		q.Where("object_id = ?", id)
	}
	return store.Find(ctx, tx, scanGrant, q)
}

func hydrateShared[T any, P resource[T]](ctx context.Context, tx *store.Tx, objectType string, vs []P, shared func(P) *bool) error {
	one := ""
	if len(vs) == 1 {
		one = vs[0].Std().ID
	}
	gs, err := grantsFor(ctx, tx, objectType, one)
	if err != nil {
		return err
	}
	granted := map[string]bool{}
	for _, g := range gs {
		if g.action == ActionShared {
			granted[g.object] = true
		}
	}
	for _, v := range vs {
		*shared(v) = granted[v.Std().ID]
	}
	return nil
}

// pair is two columns of text.
type pair struct{ a, b string }

func scanPair(r store.Row) (p pair, err error) {
	err = r.Scan(&p.a, &p.b)
	return p, err
}

// pairsIn runs "sel WHERE column IN (ids)" for two columns of text.
func pairsIn(ctx context.Context, tx *store.Tx, sel, column string, idList []string, order string) ([]pair, error) {
	var out []pair
	for len(idList) > 0 {
		n := min(len(idList), 500)
		part, err := store.Find(ctx, tx, scanPair, store.Among(store.Select(sel), column, idList[:n]).OrderBy(order))
		if err != nil {
			return nil, err
		}
		out, idList = append(out, part...), idList[n:]
	}
	return out, nil
}

// idsOf lists ids once each, in the order met.
func idsOf[T any](vs []*T, id func(*T) string) []string {
	seen := map[string]bool{}
	var out []string
	for _, v := range vs {
		if k := id(v); k != "" && !seen[k] {
			seen[k] = true
			out = append(out, k)
		}
	}
	return out
}

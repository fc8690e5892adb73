package identity

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// List lists the global roles, or those of the domain that is asked for.
func (f *Roles) List(ctx context.Context, q store.Query) (store.Page[Role], error) {
	rule, domain := "identity:list_roles", ""
	if d := said(q, "domain_id"); d != "" {
		rule, domain = "identity:list_domain_roles", d
	}
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return store.Page[Role]{}, err
	}
	q = q.Within(store.Eq("domain_id", domain))
	return family.List(ctx, f.s.base, f.s.store.Roles.Table, q)
}

// get loads a role under the rule for its sort, global or a domain's.
func (f *Roles) get(ctx context.Context, tx *store.Tx, verb, id string) (Role, error) {
	r, err := family.Get(ctx, tx, f.s.store.Roles.Table, id)
	if err != nil {
		return r, err
	}
	rule := "identity:" + verb + "_role"
	if r.DomainID != "" {
		rule = "identity:" + verb + "_domain_role"
	}
	return r, f.s.check(ctx, rule, roleTarget(r))
}

// Show returns a role.
func (f *Roles) Show(ctx context.Context, id string) (*Role, error) {
	return family.One(family.Read(ctx, f.s.db, func(tx *store.Tx) (Role, error) { return f.get(ctx, tx, "get", id) }))
}

// Create makes a role.
func (f *Roles) Create(ctx context.Context, in change.Patch[Role]) (*Role, error) {
	var r Role
	if err := in.To(&r); err != nil {
		return nil, err
	}
	rule := "identity:create_role"
	if r.DomainID != "" {
		rule = "identity:create_domain_role"
	}
	r.ID = ids.NewHex()
	if err := f.s.check(ctx, rule, roleTarget(r)); err != nil {
		return nil, err
	}
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Role, error) {
		if r.DomainID != "" {
			if _, err := f.s.Domains.get(ctx, tx, r.DomainID); err != nil {
				return r, err
			}
		}
		if err := f.s.store.Roles.Insert(ctx, tx, &r); err != nil {
			return r, err
		}
		return r, f.s.base.Made(ctx, tx, "role", r.ID)
	}))
}

// Update changes a role.
func (f *Roles) Update(ctx context.Context, id string, in change.Patch[Role]) (*Role, error) {
	return family.One(family.Write(ctx, f.s.db, func(tx *store.Tx) (Role, error) {
		r, err := f.get(ctx, tx, "update", id)
		if err != nil {
			return r, err
		}
		before := r
		if err := in.To(&r); err != nil {
			return r, err
		}
		if r.DomainID != before.DomainID {
			return r, errs.New(errs.Invalid, "Cannot change Domain ID.")
		}
		if err := mayChange("role", id, before.Immutable(), r.Immutable()); err != nil {
			return r, err
		}
		if err := f.s.store.Roles.Update(ctx, tx, &r); err != nil {
			return r, err
		}
		if err := f.s.noted(ctx, tx, "role", updated, id); err != nil {
			return r, err
		}
		return r, f.s.changed(ctx, tx, rolesTag)
	}))
}

// Delete deletes a role and takes it from everybody.
func (f *Roles) Delete(ctx context.Context, id string) error {
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		r, err := f.get(ctx, tx, "delete", id)
		if err != nil {
			return err
		}
		if err := mayDelete("role", id, r.Immutable()); err != nil {
			return err
		}
		return f.remove(ctx, tx, r)
	})
}

func (f *Roles) remove(ctx context.Context, tx *store.Tx, r Role) error {
	if err := f.s.store.Roles.Delete(ctx, tx, r.ID); err != nil { // assignments and rules go with it
		return err
	}
	if err := f.s.noted(ctx, tx, "role", deleted, r.ID); err != nil {
		return err
	}
	return f.s.changed(ctx, tx, rolesTag)
}

// Inference is a role with those it implies.
type Inference struct {
	Prior   Role
	Implied []Role
}

// Inferences lists all rules of implication.
func (f *Roles) Inferences(ctx context.Context) ([]Inference, error) {
	if err := f.s.check(ctx, "identity:list_role_inference_rules", policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Inference, error) {
		rules, err := f.s.store.Roles.Implied(ctx, tx)
		if err != nil {
			return nil, err
		}
		roles, err := f.byID(ctx, tx)
		if err != nil {
			return nil, err
		}
		out := []Inference{}
		for _, r := range rules {
			if n := len(out); n == 0 || out[n-1].Prior.ID != r.PriorID {
				out = append(out, Inference{Prior: roles[r.PriorID]})
			}
			last := &out[len(out)-1]
			last.Implied = append(last.Implied, roles[r.ImpliedID])
		}
		return out, nil
	})
}

func (f *Roles) byID(ctx context.Context, tx *store.Tx) (map[string]Role, error) {
	rows, err := family.Find(ctx, tx, f.s.store.Roles.Table)
	byID := make(map[string]Role, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}
	return byID, err
}

// ImpliedBy lists what a role implies directly.
func (f *Roles) ImpliedBy(ctx context.Context, priorID string) (Inference, error) {
	if err := f.s.check(ctx, "identity:list_implied_roles", policy.Target{}); err != nil {
		return Inference{}, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (Inference, error) {
		var inf Inference
		var err error
		if inf.Prior, err = family.Get(ctx, tx, f.s.store.Roles.Table, priorID); err != nil {
			return inf, err
		}
		rules, err := f.s.store.Roles.Implied(ctx, tx)
		if err != nil {
			return inf, err
		}
		for _, r := range rules {
			if r.PriorID != priorID {
				continue
			}
			role, err := family.Get(ctx, tx, f.s.store.Roles.Table, r.ImpliedID)
			if err != nil {
				return inf, err
			}
			inf.Implied = append(inf.Implied, role)
		}
		return inf, nil
	})
}

// inference loads both roles of a rule.
func (f *Roles) inference(ctx context.Context, tx *store.Tx, r ImpliedRole) (Inference, error) {
	prior, err := family.Get(ctx, tx, f.s.store.Roles.Table, r.PriorID)
	if err != nil {
		return Inference{}, err
	}
	implied, err := family.Get(ctx, tx, f.s.store.Roles.Table, r.ImpliedID)
	return Inference{Prior: prior, Implied: []Role{implied}}, err
}

// Implied returns a rule of implication under get_ or check_implied_role.
func (f *Roles) Implied(ctx context.Context, rule string, r ImpliedRole) (Inference, error) {
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return Inference{}, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) (Inference, error) {
		inf, err := f.inference(ctx, tx, r)
		if err != nil {
			return inf, err
		}
		rules, err := f.s.store.Roles.Implied(ctx, tx)
		if err != nil {
			return inf, err
		}
		for _, have := range rules {
			if have == r {
				return inf, nil
			}
		}
		return inf, errs.New(errs.NotFound, "%s does not imply %s.", r.PriorID, r.ImpliedID)
	})
}

// Imply makes one role imply another. The administrator's role is never
// implied: that would give it away unseen. Nor may rules form a circle.
func (f *Roles) Imply(ctx context.Context, r ImpliedRole) (Inference, error) {
	if err := f.s.check(ctx, "identity:create_implied_role", policy.Target{}); err != nil {
		return Inference{}, err
	}
	return family.Write(ctx, f.s.db, func(tx *store.Tx) (Inference, error) {
		inf, err := f.inference(ctx, tx, r)
		if err != nil {
			return inf, err
		}
		if implied := inf.Implied[0]; family.FoldName(implied.Name) == "admin" && implied.DomainID == "" {
			return inf, errs.New(errs.Forbidden, "Could not create an implied role rule: the role %s may not be implied.", implied.Name)
		}
		if implied := inf.Implied[0]; inf.Prior.DomainID == "" && implied.DomainID != "" {
			return inf, errs.New(errs.Forbidden, "Could not create an implied role rule: a global role may not imply %s, the role of a domain.", implied.Name)
		}
		rules, err := f.s.store.Roles.Implied(ctx, tx)
		if err != nil {
			return inf, err
		}
		for _, below := range closure([]string{r.ImpliedID}, rules) {
			if below == r.PriorID {
				return inf, errs.New(errs.Invalid, "Role %s already implies %s: the rules would form a circle.", r.ImpliedID, r.PriorID)
			}
		}
		if err := f.s.store.Roles.Imply(ctx, tx, r); err != nil {
			return inf, err
		}
		if err := f.s.notedWith(ctx, tx, "implied_role", created, r.PriorID, map[string]any{"implies": r.ImpliedID}); err != nil {
			return inf, err
		}
		return inf, f.s.changed(ctx, tx, rolesTag)
	})
}

// Unimply removes a rule of implication.
func (f *Roles) Unimply(ctx context.Context, r ImpliedRole) error {
	if err := f.s.check(ctx, "identity:delete_implied_role", policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if _, err := f.inference(ctx, tx, r); err != nil {
			return err
		}
		was, err := f.s.store.Roles.Unimply(ctx, tx, r)
		if err != nil {
			return err
		}
		if !was {
			return errs.New(errs.NotFound, "%s does not imply %s.", r.PriorID, r.ImpliedID)
		}
		if err := f.s.notedWith(ctx, tx, "implied_role", deleted, r.PriorID, map[string]any{"implies": r.ImpliedID}); err != nil {
			return err
		}
		return f.s.changed(ctx, tx, rolesTag)
	})
}

// OfAccessToken lists the roles that an OAuth1 access token delegates.
func (f *Roles) OfAccessToken(ctx context.Context, rule, userID, id string) ([]Role, error) {
	ids, err := f.s.OAuth1.Tokens.Roles(ctx, rule, userID, id)
	if err != nil {
		return nil, err
	}
	return family.Read(ctx, f.s.db, func(tx *store.Tx) ([]Role, error) {
		return family.Find(ctx, tx, f.s.store.Roles.Table, store.In("id", ids))
	})
}

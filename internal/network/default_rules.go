package network

import (
	"context"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/audit"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// DefaultRules are the use cases of the rules that new security groups start
// with. They belong to the cloud; those of a new cloud are in the schema's
// history: everything out, and inside the default group everything between members.
type DefaultRules struct {
	s     *Service
	table *store.Table[SecurityGroupRule]
}

func noDefaultRule(id string) error {
	return fault(errs.NotFound, "DefaultSecurityGroupRuleNotFound", "Default Security Group rule %s does not exist.", id)
}

func (f *DefaultRules) mayRead(ctx context.Context) error {
	return f.s.Access.check(ctx, "get_default_security_group_rule", policy.Target{"project_id": actor.From(ctx).ProjectID})
}

// List returns the rules that the query wants.
func (f *DefaultRules) List(ctx context.Context, q store.Query) (page store.Page[SecurityGroupRule], err error) {
	if err := f.mayRead(ctx); err != nil {
		return page, err
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		page, err = f.table.List(ctx, tx, q)
		return err
	})
	return page, err
}

// Show returns one of them.
func (f *DefaultRules) Show(ctx context.Context, id string) (r *SecurityGroupRule, err error) {
	if err := f.mayRead(ctx); err != nil {
		return nil, err
	}
	err = f.s.db.Read(ctx, func(tx *store.Tx) (err error) {
		r, err = f.table.Get(ctx, tx, id)
		return err
	})
	if isNotFound(err) {
		err = noDefaultRule(id)
	}
	return r, err
}

// Create adds a rule for new groups.
func (f *DefaultRules) Create(ctx context.Context, n change.Patch[SecurityGroupRule]) (r *SecurityGroupRule, err error) {
	if err := f.s.Access.check(ctx, "create_default_security_group_rule", nil); err != nil {
		return nil, err
	}
	err = f.s.db.Write(ctx, func(tx *store.Tx) error {
		now := f.s.now()
		r = &SecurityGroupRule{Standard: Standard{ID: ids.New(), CreatedAt: now, UpdatedAt: now}, EtherType: IPv4, InCustomGroup: true}
		if err := n.To(r); err != nil {
			return err
		}
		if err := validateRule(r); err != nil {
			return err
		}
		all, err := f.table.All(ctx, tx)
		if err != nil {
			return err
		}
		for _, o := range all {
			if sameRule(o, r) && o.InDefaultGroup == r.InDefaultGroup && o.InCustomGroup == r.InCustomGroup {
				return fault(errs.Conflict, "DefaultSecurityGroupRuleExists", "Default Security group rule already exists. Rule id is %s.", o.ID)
			}
		}
		audit.Created(ctx, r.ID)
		return f.table.Insert(ctx, tx, r)
	})
	return r, err
}

// Delete removes a rule for new groups.
func (f *DefaultRules) Delete(ctx context.Context, id string) error {
	if err := f.s.Access.check(ctx, "delete_default_security_group_rule", nil); err != nil {
		return err
	}
	err := f.s.db.Write(ctx, func(tx *store.Tx) error { return f.table.Delete(ctx, tx, id) })
	if isNotFound(err) {
		return noDefaultRule(id)
	}
	return err
}

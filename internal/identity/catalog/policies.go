package catalog

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

// Associations say what policy documents apply to.
type Associations struct{ c *Catalog }

func (c *Catalog) policies() *family.Family[Policy] {
	return &family.Family[Policy]{
		Base: c.b, Table: c.t.Policies, Noun: "policy", Plural: "policies",
		ID: func(v *Policy) *string { return &v.ID },
	}
}

// associationRule names the policy for a verb on an association.
func associationRule(verb string, a Association) string {
	what := "endpoint"
	if a.ServiceID != "" {
		what = "service"
		if a.RegionID != "" {
			what = "region_and_service"
		}
	}
	return "identity:" + verb + "_policy_association_for_" + what
}

func (f *Associations) ends(ctx context.Context, tx *store.Tx, a Association) error {
	if _, err := family.Get(ctx, tx, f.c.t.Policies, a.PolicyID); err != nil {
		return err
	}
	if a.EndpointID != "" {
		if _, err := family.Get(ctx, tx, f.c.t.Endpoints, a.EndpointID); err != nil {
			return err
		}
	}
	if a.ServiceID != "" {
		if _, err := family.Get(ctx, tx, f.c.t.Services, a.ServiceID); err != nil {
			return err
		}
	}
	if a.RegionID != "" {
		if _, err := family.Get(ctx, tx, f.c.t.Regions, a.RegionID); err != nil {
			return err
		}
	}
	return nil
}

func (a Association) matches() []store.Cond {
	return []store.Cond{store.Eq("policy_id", a.PolicyID), store.Eq("endpoint_id", a.EndpointID), store.Eq("service_id", a.ServiceID), store.Eq("region_id", a.RegionID)}
}

// Create says what a policy document applies to.
func (f *Associations) Create(ctx context.Context, a Association) error {
	if err := f.c.b.Check(ctx, associationRule("create", a), policy.Target{}); err != nil {
		return err
	}
	return f.c.b.DB.Write(ctx, func(tx *store.Tx) error {
		if err := f.ends(ctx, tx, a); err != nil {
			return err
		}
		return family.Put(ctx, tx, f.c.t.Associations, &a) // the newest word counts
	})
}

// Check answers whether that is said: nil, or NotFound.
func (f *Associations) Check(ctx context.Context, a Association) error {
	if err := f.c.b.Check(ctx, associationRule("check", a), policy.Target{}); err != nil {
		return err
	}
	return f.c.b.DB.Read(ctx, func(tx *store.Tx) error {
		if err := f.ends(ctx, tx, a); err != nil {
			return err
		}
		rows, err := family.Find(ctx, tx, f.c.t.Associations, a.matches()...)
		if err == nil && len(rows) == 0 {
			err = errs.New(errs.NotFound, "Could not find policy association.")
		}
		return err
	})
}

// Delete takes that back.
func (f *Associations) Delete(ctx context.Context, a Association) error {
	if err := f.c.b.Check(ctx, associationRule("delete", a), policy.Target{}); err != nil {
		return err
	}
	return f.c.b.DB.Write(ctx, func(tx *store.Tx) error {
		if err := f.ends(ctx, tx, a); err != nil {
			return err
		}
		_, err := f.c.t.Associations.DeleteWhere(ctx, tx, a.matches()...)
		return err
	})
}

// Endpoints lists the endpoints that a policy document applies to.
func (f *Associations) Endpoints(ctx context.Context, policyID string) ([]Endpoint, error) {
	if err := f.c.b.Check(ctx, "identity:list_endpoints_for_policy", policy.Target{}); err != nil {
		return nil, err
	}
	return family.Read(ctx, f.c.b.DB, func(tx *store.Tx) ([]Endpoint, error) {
		if _, err := family.Get(ctx, tx, f.c.t.Policies, policyID); err != nil {
			return nil, err
		}
		rows, err := family.Find(ctx, tx, f.c.t.Associations, store.Eq("policy_id", policyID))
		if err != nil {
			return nil, err
		}
		all, err := family.Find(ctx, tx, f.c.t.Endpoints)
		if err != nil {
			return nil, err
		}
		out := []Endpoint{}
		for _, e := range all {
			for _, a := range rows {
				if a.EndpointID == e.ID || a.ServiceID == e.ServiceID && (a.RegionID == "" || a.RegionID == e.RegionID) {
					out = append(out, e)
					break
				}
			}
		}
		return out, nil
	})
}

// PolicyOf finds the policy document that applies to an endpoint: its
// own, else its service's in its region or one above, else its service's.
func (f *Associations) PolicyOf(ctx context.Context, endpointID string) (Policy, error) {
	if err := f.c.b.Check(ctx, "identity:get_policy_for_endpoint", policy.Target{}); err != nil {
		return Policy{}, err
	}
	return family.Read(ctx, f.c.b.DB, func(tx *store.Tx) (Policy, error) {
		e, err := family.Get(ctx, tx, f.c.t.Endpoints, endpointID)
		if err != nil {
			return Policy{}, err
		}
		tries := [][]store.Cond{{store.Eq("endpoint_id", e.ID)}}
		for region := e.RegionID; region != ""; {
			tries = append(tries, []store.Cond{store.Eq("service_id", e.ServiceID), store.Eq("region_id", region)})
			r, err := family.Get(ctx, tx, f.c.t.Regions, region)
			if err != nil {
				return Policy{}, err
			}
			region = r.ParentID
		}
		tries = append(tries, []store.Cond{store.Eq("service_id", e.ServiceID), store.Eq("region_id", "")})
		for _, where := range tries {
			rows, err := family.Find(ctx, tx, f.c.t.Associations, where...)
			if err != nil {
				return Policy{}, err
			}
			if len(rows) > 0 {
				return family.Get(ctx, tx, f.c.t.Policies, rows[0].PolicyID)
			}
		}
		return Policy{}, errs.New(errs.NotFound, "No policy is associated with endpoint %s.", endpointID)
	})
}

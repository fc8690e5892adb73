package identity

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
)

func freshID(id *string) {
	if *id == "" {
		*id = ids.NewHex()
	}
}

func (s *Service) regions() *Family[Region] {
	return &Family[Region]{
		s: s, table: s.store.Regions, noun: "region", plural: "regions", tag: catalogTag,
		id: func(v *Region) *string { return &v.ID }, valid: s.validRegion, gone: s.removeRegion,
	}
}

func (s *Service) validRegion(ctx context.Context, tx *store.Tx, v, _ *Region) error {
	for parent := v.ParentID; parent != ""; {
		if parent == v.ID {
			return errs.New(errs.Invalid, "Region %s cannot be its own ancestor.", v.ID)
		}
		p, err := get(ctx, tx, s.store.Regions, parent)
		if err != nil {
			return err
		}
		parent = p.ParentID
	}
	return nil
}

func (s *Service) removeRegion(ctx context.Context, tx *store.Tx, v *Region) error {
	children, err := s.store.Regions.All(ctx, tx, store.Eq("parent_id", v.ID))
	if err != nil {
		return err
	}
	for _, c := range children {
		if err := s.removeRegion(ctx, tx, c); err != nil {
			return err
		}
		if err := s.store.Regions.Delete(ctx, tx, c.ID); err != nil {
			return err
		}
	}
	used, err := s.store.Endpoints.Any(ctx, tx, store.Eq("region_id", v.ID))
	if err == nil && used {
		err = errs.New(errs.Forbidden, "Unable to delete region %s because it or its child regions have associated endpoints.", v.ID)
	}
	return err
}

func (s *Service) catalogServices() *Family[CatalogService] {
	return &Family[CatalogService]{
		s: s, table: s.store.Services, noun: "service", plural: "services", tag: catalogTag,
		id:    func(v *CatalogService) *string { return &v.ID },
		fresh: func(v *CatalogService) { v.Enabled = true },
		gone: func(ctx context.Context, tx *store.Tx, v *CatalogService) error {
			// Its registered limits stay, as in Keystone: whoever made them removes them.
			_, err := s.store.Associations.DeleteWhere(ctx, tx, store.Eq("service_id", v.ID))
			return err
		},
	}
}

func (s *Service) endpoints() *Family[Endpoint] {
	return &Family[Endpoint]{
		s: s, table: s.store.Endpoints, noun: "endpoint", plural: "endpoints", tag: catalogTag, known: true,
		id: func(v *Endpoint) *string { return &v.ID }, valid: s.validEndpoint,
		fresh: func(v *Endpoint) { v.Enabled = true },
		gone: func(ctx context.Context, tx *store.Tx, v *Endpoint) error {
			_, err := s.store.Associations.DeleteWhere(ctx, tx, store.Eq("endpoint_id", v.ID))
			return err
		},
	}
}

func (s *Service) validEndpoint(ctx context.Context, tx *store.Tx, v, before *Endpoint) error {
	if _, err := get(ctx, tx, s.store.Services, v.ServiceID); err != nil {
		if errs.Is(err, errs.NotFound) {
			err = errs.Wrap(errs.Invalid, err, "Could not find service: %s.", v.ServiceID)
		}
		return err
	}
	if err := validTemplate(v.URL); err != nil {
		return err
	}
	if v.RegionID == "" || before != nil && before.RegionID == v.RegionID {
		return nil
	}
	_, err := get(ctx, tx, s.store.Regions, v.RegionID)
	if errs.Is(err, errs.NotFound) {
		err = errs.Wrap(errs.Invalid, err, "Could not find region: %s.", v.RegionID)
	}
	return err
}

// EnsureRegion makes a region that an endpoint names by the old key "region".
func (s *Service) EnsureRegion(ctx context.Context, rule, id string) error {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		_, err := get(ctx, tx, s.store.Regions, id)
		if errs.Is(err, errs.NotFound) {
			err = s.store.Regions.Insert(ctx, tx, &Region{ID: id})
		}
		return err
	})
}

func (s *Service) endpointGroups() *Family[EndpointGroup] {
	return &Family[EndpointGroup]{
		s: s, table: s.store.EndpointGroups.Table, noun: "endpoint_group", plural: "endpoint_groups", tag: catalogTag,
		id: func(v *EndpointGroup) *string { return &v.ID },
	}
}

// linkEnds tells whether both ends of a link exist.
func (s *Service) linkEnds(ctx context.Context, tx *store.Tx, l EndpointLink) error {
	if l.EndpointID != "" {
		if _, err := get(ctx, tx, s.store.Endpoints, l.EndpointID); err != nil {
			return err
		}
	}
	if l.GroupID != "" {
		if _, err := get(ctx, tx, s.store.EndpointGroups.Table, l.GroupID); err != nil {
			return err
		}
	}
	if l.ProjectID != "" {
		if _, err := get(ctx, tx, s.store.Projects.Table, l.ProjectID); err != nil {
			return err
		}
	}
	return nil
}

// Link lets a project see an endpoint or a group of them.
func (f *EndpointLinks) Link(ctx context.Context, rule string, l EndpointLink) error {
	return f.s.editLink(ctx, rule, l, func(tx *store.Tx) error { return f.s.store.EndpointGroups.Link(ctx, tx, l) })
}

// Unlink ends that.
func (f *EndpointLinks) Unlink(ctx context.Context, rule string, l EndpointLink) error {
	return f.s.editLink(ctx, rule, l, func(tx *store.Tx) error {
		was, err := f.s.store.EndpointGroups.Unlink(ctx, tx, l)
		if err == nil && !was {
			err = noLink(l)
		}
		return err
	})
}

func noLink(l EndpointLink) error {
	if l.GroupID != "" {
		return errs.New(errs.NotFound, "Could not find Project Endpoint Group: %s.", l.GroupID)
	}
	return errs.New(errs.NotFound, "Endpoint %s not found in project %s.", l.EndpointID, l.ProjectID)
}

func (s *Service) editLink(ctx context.Context, rule string, l EndpointLink, edit func(tx *store.Tx) error) error {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.linkEnds(ctx, tx, l); err != nil {
			return err
		}
		if err := edit(tx); err != nil {
			return err
		}
		return s.changed(ctx, tx, catalogTag)
	})
}

// Check answers whether a project is linked: nil, or NotFound.
func (f *EndpointLinks) Check(ctx context.Context, rule string, l EndpointLink) error {
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Read(ctx, func(tx *store.Tx) error {
		if err := f.s.linkEnds(ctx, tx, l); err != nil {
			return err
		}
		linked, err := f.s.store.EndpointGroups.Linked(ctx, tx, l)
		if err == nil && !linked {
			err = noLink(l)
		}
		return err
	})
}

// Endpoints lists the endpoints that are linked to a project.
func (f *EndpointLinks) Endpoints(ctx context.Context, projectID string) ([]Endpoint, error) {
	if err := f.s.check(ctx, "identity:list_endpoints_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]Endpoint, error) {
		if err := f.s.linkEnds(ctx, tx, EndpointLink{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := f.s.store.EndpointGroups.Links(ctx, tx, EndpointLink{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		all, err := find(ctx, tx, f.s.store.Endpoints)
		if err != nil {
			return nil, err
		}
		return f.s.linkedEndpoints(ctx, tx, all, links)
	})
}

// Projects lists the projects that an endpoint or a group is linked to.
func (f *EndpointLinks) Projects(ctx context.Context, rule string, l EndpointLink) ([]Project, error) {
	if err := f.s.check(ctx, rule, policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]Project, error) {
		if err := f.s.linkEnds(ctx, tx, l); err != nil {
			return nil, err
		}
		links, err := f.s.store.EndpointGroups.Links(ctx, tx, l)
		if err != nil {
			return nil, err
		}
		out := []Project{}
		for _, l := range links {
			p, err := get(ctx, tx, f.s.store.Projects.Table, l.ProjectID)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	})
}

// OfGroup lists the endpoints that a group selects.
func (f *EndpointLinks) OfGroup(ctx context.Context, groupID string) ([]Endpoint, error) {
	if err := f.s.check(ctx, "identity:list_endpoints_associated_with_endpoint_group", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]Endpoint, error) {
		if err := f.s.linkEnds(ctx, tx, EndpointLink{GroupID: groupID}); err != nil {
			return nil, err
		}
		all, err := find(ctx, tx, f.s.store.Endpoints)
		if err != nil {
			return nil, err
		}
		return f.s.linkedEndpoints(ctx, tx, all, []EndpointLink{{GroupID: groupID}})
	})
}

// Groups lists the groups that are linked to a project.
func (f *EndpointLinks) Groups(ctx context.Context, projectID string) ([]EndpointGroup, error) {
	if err := f.s.check(ctx, "identity:list_endpoint_groups_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]EndpointGroup, error) {
		if err := f.s.linkEnds(ctx, tx, EndpointLink{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := f.s.store.EndpointGroups.Links(ctx, tx, EndpointLink{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		out := []EndpointGroup{}
		for _, l := range links {
			if l.GroupID == "" {
				continue
			}
			g, err := get(ctx, tx, f.s.store.EndpointGroups.Table, l.GroupID)
			if err != nil {
				return nil, err
			}
			out = append(out, g)
		}
		return out, nil
	})
}

func (s *Service) policyDocuments() *Family[PolicyDocument] {
	return &Family[PolicyDocument]{
		s: s, table: s.store.Policies, noun: "policy", plural: "policies",
		id: func(v *PolicyDocument) *string { return &v.ID },
	}
}

// associationRule names the policy for a verb on an association.
func associationRule(verb string, a PolicyAssociation) string {
	what := "endpoint"
	if a.ServiceID != "" {
		what = "service"
		if a.RegionID != "" {
			what = "region_and_service"
		}
	}
	return "identity:" + verb + "_policy_association_for_" + what
}

func (s *Service) associationEnds(ctx context.Context, tx *store.Tx, a PolicyAssociation) error {
	if _, err := get(ctx, tx, s.store.Policies, a.PolicyID); err != nil {
		return err
	}
	if a.EndpointID != "" {
		if _, err := get(ctx, tx, s.store.Endpoints, a.EndpointID); err != nil {
			return err
		}
	}
	if a.ServiceID != "" {
		if _, err := get(ctx, tx, s.store.Services, a.ServiceID); err != nil {
			return err
		}
	}
	if a.RegionID != "" {
		if _, err := get(ctx, tx, s.store.Regions, a.RegionID); err != nil {
			return err
		}
	}
	return nil
}

func (a PolicyAssociation) matches() []store.Cond {
	return []store.Cond{store.Eq("policy_id", a.PolicyID), store.Eq("endpoint_id", a.EndpointID), store.Eq("service_id", a.ServiceID), store.Eq("region_id", a.RegionID)}
}

// Create says what a policy document applies to.
func (f *Associations) Create(ctx context.Context, a PolicyAssociation) error {
	if err := f.s.check(ctx, associationRule("create", a), policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		return put(ctx, tx, f.s.store.Associations, &a) // the newest word counts
	})
}

// Check answers whether that is said: nil, or NotFound.
func (f *Associations) Check(ctx context.Context, a PolicyAssociation) error {
	if err := f.s.check(ctx, associationRule("check", a), policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Read(ctx, func(tx *store.Tx) error {
		if err := f.s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		rows, err := find(ctx, tx, f.s.store.Associations, a.matches()...)
		if err == nil && len(rows) == 0 {
			err = errs.New(errs.NotFound, "Could not find policy association.")
		}
		return err
	})
}

// Delete takes that back.
func (f *Associations) Delete(ctx context.Context, a PolicyAssociation) error {
	if err := f.s.check(ctx, associationRule("delete", a), policy.Target{}); err != nil {
		return err
	}
	return f.s.db.Write(ctx, func(tx *store.Tx) error {
		if err := f.s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		_, err := f.s.store.Associations.DeleteWhere(ctx, tx, a.matches()...)
		return err
	})
}

// Endpoints lists the endpoints that a policy document applies to.
func (f *Associations) Endpoints(ctx context.Context, policyID string) ([]Endpoint, error) {
	if err := f.s.check(ctx, "identity:list_endpoints_for_policy", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, f.s, func(tx *store.Tx) ([]Endpoint, error) {
		if _, err := get(ctx, tx, f.s.store.Policies, policyID); err != nil {
			return nil, err
		}
		rows, err := find(ctx, tx, f.s.store.Associations, store.Eq("policy_id", policyID))
		if err != nil {
			return nil, err
		}
		all, err := find(ctx, tx, f.s.store.Endpoints)
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
func (f *Associations) PolicyOf(ctx context.Context, endpointID string) (PolicyDocument, error) {
	if err := f.s.check(ctx, "identity:get_policy_for_endpoint", policy.Target{}); err != nil {
		return PolicyDocument{}, err
	}
	return read(ctx, f.s, func(tx *store.Tx) (PolicyDocument, error) {
		e, err := get(ctx, tx, f.s.store.Endpoints, endpointID)
		if err != nil {
			return PolicyDocument{}, err
		}
		tries := [][]store.Cond{{store.Eq("endpoint_id", e.ID)}}
		for region := e.RegionID; region != ""; {
			tries = append(tries, []store.Cond{store.Eq("service_id", e.ServiceID), store.Eq("region_id", region)})
			r, err := get(ctx, tx, f.s.store.Regions, region)
			if err != nil {
				break
			}
			region = r.ParentID
		}
		tries = append(tries, []store.Cond{store.Eq("service_id", e.ServiceID), store.Eq("region_id", "")})
		for _, where := range tries {
			rows, err := find(ctx, tx, f.s.store.Associations, where...)
			if err != nil {
				return PolicyDocument{}, err
			}
			if len(rows) > 0 {
				return get(ctx, tx, f.s.store.Policies, rows[0].PolicyID)
			}
		}
		return PolicyDocument{}, errs.New(errs.NotFound, "No policy is associated with endpoint %s.", endpointID)
	})
}

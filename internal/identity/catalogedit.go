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

// Regions are the use cases of regions.
func (s *Service) Regions() Simple[Region] {
	return Simple[Region]{
		s: s, table: s.store.Regions, noun: "region", plural: "regions", tag: catalogTag,
		id: func(v Region) string { return v.ID }, valid: s.validRegion, gone: s.removeRegion,
	}
}

func (s *Service) validRegion(ctx context.Context, tx *store.Tx, v, _ *Region) error {
	freshID(&v.ID)
	for parent := v.ParentID; parent != ""; {
		if parent == v.ID {
			return errs.New(errs.Invalid, "Region %s cannot be its own ancestor.", v.ID)
		}
		p, err := s.store.Regions.Get(ctx, tx, parent)
		if err != nil {
			return err
		}
		parent = p.ParentID
	}
	return nil
}

func (s *Service) removeRegion(ctx context.Context, tx *store.Tx, v Region) error {
	children, err := s.store.Regions.List(ctx, tx, Query{Where: []Match{Eq("parent_id", v.ID)}})
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
	used, err := s.store.Endpoints.List(ctx, tx, Query{Where: []Match{Eq("region_id", v.ID)}, Limit: 1})
	if err == nil && len(used) > 0 {
		err = errs.New(errs.Forbidden, "Unable to delete region %s because it or its child regions have associated endpoints.", v.ID)
	}
	return err
}

// CatalogServices are the use cases of the catalogue's services.
func (s *Service) CatalogServices() Simple[CatalogService] {
	return Simple[CatalogService]{
		s: s, table: s.store.Services, noun: "service", plural: "services", tag: catalogTag,
		id: func(v CatalogService) string { return v.ID },
		valid: func(_ context.Context, _ *store.Tx, v, _ *CatalogService) error {
			freshID(&v.ID)
			return nil
		},
		gone: func(ctx context.Context, tx *store.Tx, v CatalogService) error {
			// Its registered limits stay, as in Keystone: whoever made them removes them.
			_, err := s.store.Policies.Dissociate(ctx, tx, Eq("service_id", v.ID))
			return err
		},
	}
}

// Endpoints are the use cases of endpoints.
func (s *Service) Endpoints() Simple[Endpoint] {
	return Simple[Endpoint]{
		s: s, table: s.store.Endpoints, noun: "endpoint", plural: "endpoints", tag: catalogTag, known: true,
		id: func(v Endpoint) string { return v.ID }, valid: s.validEndpoint,
		gone: func(ctx context.Context, tx *store.Tx, v Endpoint) error {
			_, err := s.store.Policies.Dissociate(ctx, tx, Eq("endpoint_id", v.ID))
			return err
		},
	}
}

func (s *Service) validEndpoint(ctx context.Context, tx *store.Tx, v, before *Endpoint) error {
	freshID(&v.ID)
	if _, err := s.store.Services.Get(ctx, tx, v.ServiceID); err != nil {
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
	_, err := s.store.Regions.Get(ctx, tx, v.RegionID)
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
		_, err := s.store.Regions.Get(ctx, tx, id)
		if errs.Is(err, errs.NotFound) {
			err = s.store.Regions.Insert(ctx, tx, Region{ID: id})
		}
		return err
	})
}

// EndpointGroups are the use cases of endpoint groups.
func (s *Service) EndpointGroups() Simple[EndpointGroup] {
	return Simple[EndpointGroup]{
		s: s, table: s.store.EndpointGroups, noun: "endpoint_group", plural: "endpoint_groups", tag: catalogTag,
		id: func(v EndpointGroup) string { return v.ID },
		valid: func(_ context.Context, _ *store.Tx, v, _ *EndpointGroup) error {
			freshID(&v.ID)
			return nil
		},
	}
}

// linkEnds tells whether both ends of a link exist.
func (s *Service) linkEnds(ctx context.Context, tx *store.Tx, l EndpointLink) error {
	if l.EndpointID != "" {
		if _, err := s.store.Endpoints.Get(ctx, tx, l.EndpointID); err != nil {
			return err
		}
	}
	if l.GroupID != "" {
		if _, err := s.store.EndpointGroups.Get(ctx, tx, l.GroupID); err != nil {
			return err
		}
	}
	if l.ProjectID != "" {
		if _, err := s.store.Projects.Get(ctx, tx, l.ProjectID); err != nil {
			return err
		}
	}
	return nil
}

// LinkEndpoint lets a project see an endpoint or a group of them.
func (s *Service) LinkEndpoint(ctx context.Context, rule string, l EndpointLink) error {
	return s.editLink(ctx, rule, l, func(tx *store.Tx) error { return s.store.EndpointGroups.Link(ctx, tx, l) })
}

// UnlinkEndpoint ends that.
func (s *Service) UnlinkEndpoint(ctx context.Context, rule string, l EndpointLink) error {
	return s.editLink(ctx, rule, l, func(tx *store.Tx) error {
		was, err := s.store.EndpointGroups.Unlink(ctx, tx, l)
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

// CheckLink answers whether a project is linked: nil, or NotFound.
func (s *Service) CheckLink(ctx context.Context, rule string, l EndpointLink) error {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return err
	}
	return s.db.Read(ctx, func(tx *store.Tx) error {
		if err := s.linkEnds(ctx, tx, l); err != nil {
			return err
		}
		linked, err := s.store.EndpointGroups.Linked(ctx, tx, l)
		if err == nil && !linked {
			err = noLink(l)
		}
		return err
	})
}

// ProjectEndpoints lists the endpoints that are linked to a project.
func (s *Service) ProjectEndpoints(ctx context.Context, projectID string) ([]Endpoint, error) {
	if err := s.check(ctx, "identity:list_endpoints_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]Endpoint, error) {
		if err := s.linkEnds(ctx, tx, EndpointLink{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := s.store.EndpointGroups.Links(ctx, tx, EndpointLink{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		all, err := s.store.Endpoints.List(ctx, tx, Query{})
		if err != nil {
			return nil, err
		}
		return s.linkedEndpoints(ctx, tx, all, links)
	})
}

// LinkedProjects lists the projects that an endpoint or a group is linked to.
func (s *Service) LinkedProjects(ctx context.Context, rule string, l EndpointLink) ([]Project, error) {
	if err := s.check(ctx, rule, policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]Project, error) {
		if err := s.linkEnds(ctx, tx, l); err != nil {
			return nil, err
		}
		links, err := s.store.EndpointGroups.Links(ctx, tx, l)
		if err != nil {
			return nil, err
		}
		out := []Project{}
		for _, l := range links {
			p, err := s.store.Projects.Get(ctx, tx, l.ProjectID)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
		return out, nil
	})
}

// GroupEndpoints lists the endpoints that a group selects.
func (s *Service) GroupEndpoints(ctx context.Context, groupID string) ([]Endpoint, error) {
	if err := s.check(ctx, "identity:list_endpoints_associated_with_endpoint_group", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]Endpoint, error) {
		if err := s.linkEnds(ctx, tx, EndpointLink{GroupID: groupID}); err != nil {
			return nil, err
		}
		all, err := s.store.Endpoints.List(ctx, tx, Query{})
		if err != nil {
			return nil, err
		}
		return s.linkedEndpoints(ctx, tx, all, []EndpointLink{{GroupID: groupID}})
	})
}

// ProjectEndpointGroups lists the groups that are linked to a project.
func (s *Service) ProjectEndpointGroups(ctx context.Context, projectID string) ([]EndpointGroup, error) {
	if err := s.check(ctx, "identity:list_endpoint_groups_for_project", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]EndpointGroup, error) {
		if err := s.linkEnds(ctx, tx, EndpointLink{ProjectID: projectID}); err != nil {
			return nil, err
		}
		links, err := s.store.EndpointGroups.Links(ctx, tx, EndpointLink{ProjectID: projectID})
		if err != nil {
			return nil, err
		}
		out := []EndpointGroup{}
		for _, l := range links {
			if l.GroupID == "" {
				continue
			}
			g, err := s.store.EndpointGroups.Get(ctx, tx, l.GroupID)
			if err != nil {
				return nil, err
			}
			out = append(out, g)
		}
		return out, nil
	})
}

// PolicyDocuments are the use cases of policy blobs.
func (s *Service) PolicyDocuments() Simple[PolicyDocument] {
	return Simple[PolicyDocument]{
		s: s, table: s.store.Policies, noun: "policy", plural: "policies",
		id: func(v PolicyDocument) string { return v.ID },
		valid: func(_ context.Context, _ *store.Tx, v, _ *PolicyDocument) error {
			freshID(&v.ID)
			return nil
		},
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
	if _, err := s.store.Policies.Get(ctx, tx, a.PolicyID); err != nil {
		return err
	}
	if a.EndpointID != "" {
		if _, err := s.store.Endpoints.Get(ctx, tx, a.EndpointID); err != nil {
			return err
		}
	}
	if a.ServiceID != "" {
		if _, err := s.store.Services.Get(ctx, tx, a.ServiceID); err != nil {
			return err
		}
	}
	if a.RegionID != "" {
		if _, err := s.store.Regions.Get(ctx, tx, a.RegionID); err != nil {
			return err
		}
	}
	return nil
}

func (a PolicyAssociation) matches() []Match {
	return []Match{Eq("policy_id", a.PolicyID), Eq("endpoint_id", a.EndpointID), Eq("service_id", a.ServiceID), Eq("region_id", a.RegionID)}
}

// AssociatePolicy says what a policy document applies to.
func (s *Service) AssociatePolicy(ctx context.Context, a PolicyAssociation) error {
	if err := s.check(ctx, associationRule("create", a), policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		return s.store.Policies.Associate(ctx, tx, a)
	})
}

// CheckPolicyAssociation answers whether that is said: nil, or NotFound.
func (s *Service) CheckPolicyAssociation(ctx context.Context, a PolicyAssociation) error {
	if err := s.check(ctx, associationRule("check", a), policy.Target{}); err != nil {
		return err
	}
	return s.db.Read(ctx, func(tx *store.Tx) error {
		if err := s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		rows, err := s.store.Policies.Associations(ctx, tx, a.matches()...)
		if err == nil && len(rows) == 0 {
			err = errs.New(errs.NotFound, "Could not find policy association.")
		}
		return err
	})
}

// DissociatePolicy takes that back.
func (s *Service) DissociatePolicy(ctx context.Context, a PolicyAssociation) error {
	if err := s.check(ctx, associationRule("delete", a), policy.Target{}); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		if err := s.associationEnds(ctx, tx, a); err != nil {
			return err
		}
		_, err := s.store.Policies.Dissociate(ctx, tx, a.matches()...)
		return err
	})
}

// PolicyEndpoints lists the endpoints that a policy document applies to.
func (s *Service) PolicyEndpoints(ctx context.Context, policyID string) ([]Endpoint, error) {
	if err := s.check(ctx, "identity:list_endpoints_for_policy", policy.Target{}); err != nil {
		return nil, err
	}
	return read(ctx, s, func(tx *store.Tx) ([]Endpoint, error) {
		if _, err := s.store.Policies.Get(ctx, tx, policyID); err != nil {
			return nil, err
		}
		rows, err := s.store.Policies.Associations(ctx, tx, Eq("policy_id", policyID))
		if err != nil {
			return nil, err
		}
		all, err := s.store.Endpoints.List(ctx, tx, Query{})
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

// PolicyOfEndpoint finds the policy document that applies to an endpoint: its
// own, else its service's in its region or one above, else its service's.
func (s *Service) PolicyOfEndpoint(ctx context.Context, endpointID string) (PolicyDocument, error) {
	if err := s.check(ctx, "identity:get_policy_for_endpoint", policy.Target{}); err != nil {
		return PolicyDocument{}, err
	}
	return read(ctx, s, func(tx *store.Tx) (PolicyDocument, error) {
		e, err := s.store.Endpoints.Get(ctx, tx, endpointID)
		if err != nil {
			return PolicyDocument{}, err
		}
		tries := [][]Match{{Eq("endpoint_id", e.ID)}}
		for region := e.RegionID; region != ""; {
			tries = append(tries, []Match{Eq("service_id", e.ServiceID), Eq("region_id", region)})
			r, err := s.store.Regions.Get(ctx, tx, region)
			if err != nil {
				break
			}
			region = r.ParentID
		}
		tries = append(tries, []Match{Eq("service_id", e.ServiceID), Eq("region_id", "")})
		for _, where := range tries {
			rows, err := s.store.Policies.Associations(ctx, tx, where...)
			if err != nil {
				return PolicyDocument{}, err
			}
			if len(rows) > 0 {
				return s.store.Policies.Get(ctx, tx, rows[0].PolicyID)
			}
		}
		return PolicyDocument{}, errs.New(errs.NotFound, "No policy is associated with endpoint %s.", endpointID)
	})
}

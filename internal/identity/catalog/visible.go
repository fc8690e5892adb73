package catalog

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// Item is a service with the endpoints a project sees.
type Item struct {
	Service
	Endpoints []Endpoint
}

// Visible returns what a project sees; "" sees all. URLs are still templates.
func (c *Catalog) Visible(ctx context.Context, tx *store.Tx, project string) ([]Item, error) {
	services, err := family.Find(ctx, tx, c.t.Services, store.Eq("enabled", true))
	if err != nil {
		return nil, err
	}
	endpoints, err := c.visible(ctx, tx, project)
	if err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(services))
	for _, svc := range services {
		item := Item{Service: svc}
		for _, e := range endpoints {
			if e.ServiceID == svc.ID && e.Enabled {
				item.Endpoints = append(item.Endpoints, e)
			}
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b Item) int { return strings.Compare(a.Type+a.Name+a.ID, b.Type+b.Name+b.ID) })
	return items, nil
}

// visibleEndpoints returns all endpoints, or, if any are associated with the
// project, directly or by a group, those alone.
func (c *Catalog) visible(ctx context.Context, tx *store.Tx, project string) ([]Endpoint, error) {
	all, err := family.Find(ctx, tx, c.t.Endpoints)
	if err != nil || project == "" {
		return all, err
	}
	links, err := c.t.Links.Links(ctx, tx, Link{ProjectID: project})
	if err != nil || len(links) == 0 {
		return all, err
	}
	return c.selected(ctx, tx, all, links)
}

func (c *Catalog) selected(ctx context.Context, tx *store.Tx, all []Endpoint, links []Link) ([]Endpoint, error) {
	seen := map[string]bool{}
	for _, l := range links {
		if l.GroupID == "" {
			seen[l.EndpointID] = true
			continue
		}
		g, err := family.Get(ctx, tx, c.t.EndpointGroups, l.GroupID)
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if g.selects(e) {
				seen[e.ID] = true
			}
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(e Endpoint) bool { return !seen[e.ID] }), nil
}

// selects tells whether the group's filters fit an endpoint.
func (g EndpointGroup) selects(e Endpoint) bool {
	for k, v := range g.Filters {
		switch k {
		case "service_id":
			if e.ServiceID != v {
				return false
			}
		case "region_id":
			if e.RegionID != v {
				return false
			}
		case "interface":
			if e.Interface != v {
				return false
			}
		}
	}
	return true
}

// RegionEndpoint returns the URL template of a service's endpoint in a region, for
// services that talk to their kin elsewhere; "" if there is none.
func (c *Catalog) RegionEndpoint(ctx context.Context, tx *store.Tx, serviceType, regionID, iface string) (string, error) {
	services, err := family.Find(ctx, tx, c.t.Services, store.Eq("type", serviceType), store.Eq("enabled", true))
	if err != nil {
		return "", err
	}
	for _, svc := range services {
		endpoints, err := family.Find(ctx, tx, c.t.Endpoints, store.Eq("service_id", svc.ID), store.Eq("region_id", regionID), store.Eq("interface", iface), store.Eq("enabled", true))
		if err != nil {
			return "", err
		}
		if len(endpoints) > 0 {
			return endpoints[0].URL, nil
		}
	}
	return "", nil
}

package identity

import (
	"context"

	"kumoi/internal/kernel/store"
)

// Allowances returns what a project may have of a service's resources, for the
// service that counts them: the project's own limits, else the registered ones.
// A limit of the region comes before one of no region. A resource that nobody
// registered is absent. It reads in the transaction that takes from the limit,
// so that a change of a limit holds at once.
func (s *Service) Allowances(ctx context.Context, tx *store.Tx, serviceType, regionID, projectID string) (map[string]int64, error) {
	services, err := find(ctx, tx, s.store.Services, store.Eq("type", serviceType))
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, svc := range services {
		for _, region := range []string{"", regionID} { // what comes later wins
			where := []store.Cond{store.Eq("service_id", svc.ID), store.Eq("region_id", region)}
			registered, err := find(ctx, tx, s.store.RegisteredLimits, where...)
			if err != nil {
				return nil, err
			}
			for _, r := range registered {
				out[r.ResourceName] = r.DefaultLimit
			}
			own, err := find(ctx, tx, s.store.Limits, append(where, store.Eq("project_id", projectID))...)
			if err != nil {
				return nil, err
			}
			for _, l := range own {
				out[l.ResourceName] = l.ResourceLimit
			}
		}
	}
	return out, nil
}

// RegionEndpoint returns the URL template of a service's endpoint in a region, for
// services that talk to their kin elsewhere; "" if there is none.
func (s *Service) RegionEndpoint(ctx context.Context, tx *store.Tx, serviceType, regionID, iface string) (string, error) {
	services, err := find(ctx, tx, s.store.Services, store.Eq("type", serviceType), store.Eq("enabled", true))
	if err != nil {
		return "", err
	}
	for _, svc := range services {
		endpoints, err := find(ctx, tx, s.store.Endpoints, store.Eq("service_id", svc.ID), store.Eq("region_id", regionID), store.Eq("interface", iface), store.Eq("enabled", true))
		if err != nil {
			return "", err
		}
		if len(endpoints) > 0 {
			return endpoints[0].URL, nil
		}
	}
	return "", nil
}

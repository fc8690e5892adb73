package limit

import (
	"context"

	"kumoi/internal/identity/family"
	"kumoi/internal/kernel/store"
)

// Allowances returns what a project may have of a service's resources, for the
// service that counts them: the project's own limits, else the registered ones.
// A limit of the region comes before one of no region. A resource that nobody
// registered is absent. It reads in the transaction that takes from the limit,
// so that a change of a limit holds at once.
func (s *Service) Allowances(ctx context.Context, tx *store.Tx, serviceType, regionID, projectID string) (map[string]int64, error) {
	services, err := s.d.Services(ctx, tx, serviceType)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, id := range services {
		for _, region := range []string{"", regionID} { // what comes later wins
			where := []store.Cond{store.Eq("service_id", id), store.Eq("region_id", region)}
			registered, err := family.Find(ctx, tx, s.t.Registered, where...)
			if err != nil {
				return nil, err
			}
			for _, r := range registered {
				out[r.ResourceName] = r.DefaultLimit
			}
			own, err := family.Find(ctx, tx, s.t.Limits, append(where, store.Eq("project_id", projectID))...)
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

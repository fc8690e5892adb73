package service

import (
	"context"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
)

// servers tells why servers are where and as they are.
func servers(s *compute.Service) service.Explainer {
	return service.Explainer{
		Noun: "server",
		List: func(ctx context.Context) ([]service.Resource, error) {
			d, err := s.Servers.List(ctx, compute.ListServers{Query: store.Query{Where: []store.Cond{store.Eq("deleted", false)}, Everyone: true}}, false)
			if err != nil {
				return nil, err
			}
			out := make([]service.Resource, len(d.Servers))
			for i, v := range d.Servers {
				out[i] = service.Resource{ID: v.ID, Name: v.Name, Status: v.Status(), Host: v.Host, ProjectID: v.ProjectID}
			}
			return out, nil
		},
		Explain: func(ctx context.Context, id string) (*service.Explanation, error) {
			e, err := s.Explanations.Of(ctx, id)
			if err != nil {
				return nil, err
			}
			return &service.Explanation{Text: e.String(), Reason: e.Reason, Facts: e}, nil
		},
	}
}

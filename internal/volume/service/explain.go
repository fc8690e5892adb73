package service

import (
	"context"

	"kumoi/internal/kernel/service"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume"
)

// volumes tells why volumes are where and as they are.
func volumes(s *volume.Service) service.Explainer {
	return service.Explainer{
		Noun: "volume",
		List: func(ctx context.Context) ([]service.Resource, error) {
			page, err := s.Volumes.List(ctx, store.Query{Everyone: true})
			if err != nil {
				return nil, err
			}
			out := make([]service.Resource, len(page.Rows))
			for i, v := range page.Rows {
				out[i] = service.Resource{ID: v.ID, Name: v.Name, Status: v.Status, Host: v.Host, ProjectID: v.ProjectID}
			}
			return out, nil
		},
		Explain: func(ctx context.Context, id string) (*service.Explanation, error) {
			e, err := s.Volumes.Explain(ctx, id)
			if err != nil {
				return nil, err
			}
			return &service.Explanation{Text: e.String(), Reason: e.Reason(), Facts: e}, nil
		},
	}
}

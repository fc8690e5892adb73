package volume

import (
	"context"

	"kumoi/internal/kernel/saga"
)

// Saga is a kind of saga, for the harness.
func (s *Service) Saga(kind string) saga.Definition[Work] {
	for _, d := range s.definitions() {
		if d.Kind == kind {
			return d
		}
	}
	panic("no saga " + kind)
}

// Kinds are the kinds of sagas.
func (s *Service) Kinds() []string {
	var out []string
	for _, d := range s.definitions() {
		out = append(out, d.Kind)
	}
	return out
}

// PollBackends asks all hosts now.
func (s *Service) PollBackends(ctx context.Context) error {
	_, err := s.pollBackends(ctx)
	return err
}

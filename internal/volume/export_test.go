package volume

import (
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

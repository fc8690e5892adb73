package compute

import "kumoi/internal/kernel/saga"

// Job is the variables of all sagas, for the harness.
type Job = job

// Sagas returns a saga's definition, for the harness.
func (s *Service) Sagas(kind string) saga.Definition[Job] {
	return map[string]func() saga.Definition[job]{
		kindCreate: s.createSaga, kindDelete: s.deleteSaga, kindPower: s.powerSaga, kindSnapshot: s.snapshotSaga,
		kindResize: s.resizeSaga, kindShelve: s.shelveSaga, kindUnshelve: s.unshelveSaga,
	}[kind]()
}

package compute

import (
	"context"

	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Job is the variables of all sagas, for the harness.
type Job = job

// Sagas returns a saga's definition, for the harness.
func (s *Service) Sagas(kind string) saga.Definition[Job] {
	return map[string]func() saga.Definition[job]{
		kindCreate: s.createSaga, kindDelete: s.deleteSaga, kindPower: s.powerSaga, kindSnapshot: s.snapshotSaga,
		kindResize: s.resizeSaga, kindShelve: s.shelveSaga, kindUnshelve: s.unshelveSaga,
		kindConfirm: s.confirmSaga, kindRevert: s.revertSaga, kindInterface: s.interfaceSaga, kindApply: s.applySaga, kindEvacuate: s.evacuateSaga,
	}[kind]()
}

// Generation is a server's, for the harness.
func (s *Service) Generation(ctx context.Context, id string) (n int64, err error) {
	err = s.read(ctx, func(tx *store.Tx) error {
		srv, err := s.servers.Get(ctx, tx, id)
		if err == nil {
			n = srv.Generation
		}
		return err
	})
	return n, err
}

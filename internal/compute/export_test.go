package compute

import (
	"context"

	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// What sagas keep, for the harness.
type (
	Placing      = placing
	Job          = job
	Powering     = powering
	Snapshotting = snapshotting
	Moving       = moving
	Confirmation = confirmation
	Reversal     = reversal
	Shelving     = shelving
	Unshelving   = unshelving
	Plugging     = plugging
	Evacuation   = evacuation
	Attaching    = attaching
)

// The definitions of sagas, for the harness.

func (s *Service) CreateSaga() saga.Definition[Placing]        { return s.builder.createSaga() }
func (s *Service) DeleteSaga() saga.Definition[Job]            { return s.Servers.deleteSaga() }
func (s *Service) PowerSaga() saga.Definition[Powering]        { return s.Power.powerSaga() }
func (s *Service) SnapshotSaga() saga.Definition[Snapshotting] { return s.Snapshots.snapshotSaga() }
func (s *Service) ResizeSaga() saga.Definition[Moving]         { return s.Moves.resizeSaga() }
func (s *Service) ConfirmSaga() saga.Definition[Confirmation]  { return s.Moves.confirmSaga() }
func (s *Service) RevertSaga() saga.Definition[Reversal]       { return s.Moves.revertSaga() }
func (s *Service) ShelveSaga() saga.Definition[Shelving]       { return s.Shelves.shelveSaga() }
func (s *Service) UnshelveSaga() saga.Definition[Unshelving]   { return s.Shelves.unshelveSaga() }
func (s *Service) InterfaceSaga() saga.Definition[Plugging]    { return s.Interfaces.interfaceSaga() }
func (s *Service) ApplySaga() saga.Definition[Job]             { return s.refresh.applySaga() }
func (s *Service) EvacuateSaga() saga.Definition[Evacuation]   { return s.Moves.evacuateSaga() }
func (s *Service) VolumeSaga() saga.Definition[Attaching]      { return s.VolumeAttachments.volumeSaga() }

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

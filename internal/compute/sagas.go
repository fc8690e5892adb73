package compute

import (
	"kumoi/internal/kernel/saga"
)

// The kinds of sagas, as they stand in the database.
const (
	kindCreate    = "server.create"
	kindDelete    = "server.delete"
	kindPower     = "server.power"
	kindSnapshot  = "server.snapshot"
	kindResize    = "server.resize"
	kindConfirm   = "server.resize.confirm"
	kindRevert    = "server.resize.revert"
	kindShelve    = "server.shelve"
	kindUnshelve  = "server.unshelve"
	kindInterface = "server.interface"
	kindApply     = "server.apply"
	kindEvacuate  = "server.evacuate"
	kindVolume    = "server.volume"
)

func (s *Service) registerSagas() {
	saga.Register(s.sagas, s.builder.createSaga())
	saga.Register(s.sagas, s.Servers.deleteSaga())
	saga.Register(s.sagas, s.Power.powerSaga())
	saga.Register(s.sagas, s.Snapshots.snapshotSaga())
	saga.Register(s.sagas, s.Moves.resizeSaga())
	saga.Register(s.sagas, s.Moves.confirmSaga())
	saga.Register(s.sagas, s.Moves.revertSaga())
	saga.Register(s.sagas, s.Shelves.shelveSaga())
	saga.Register(s.sagas, s.Shelves.unshelveSaga())
	saga.Register(s.sagas, s.Interfaces.interfaceSaga())
	saga.Register(s.sagas, s.refresh.applySaga())
	saga.Register(s.sagas, s.Moves.evacuateSaga())
	saga.Register(s.sagas, s.VolumeAttachments.volumeSaga())
}

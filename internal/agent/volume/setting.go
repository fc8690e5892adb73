package volume

import (
	"kumoi/internal/kernel/errs"
)

// Setting is a backend as an operator describes it.
type Setting struct {
	Name   string
	Driver string // file, nfs, rbd
	NFS    NFS
	RBD    RBD
	// ReservedPercent of the room are kept free; a thin backend promises its room
	// OverSubscription times, 0: as often as the cloud has it.
	ReservedPercent  int
	OverSubscription float64
}

// Open opens the backend that a setting describes.
func Open(cfg Config, s Setting) (*Backend, error) {
	cfg.Name, cfg.ReservedPercent, cfg.OverSubscription = s.Name, s.ReservedPercent, s.OverSubscription
	switch s.Driver {
	case "file":
		return New(cfg)
	case "nfs":
		return NewNFS(cfg, s.NFS)
	case "rbd":
		return NewRBD(cfg, s.RBD)
	}
	return nil, errs.New(errs.Invalid, "The host knows no volume backends of the type %q.", s.Driver)
}

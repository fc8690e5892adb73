package fake

import (
	"errors"
	"testing"

	"kumoi/internal/network/fabric"
	"kumoi/internal/network/fabric/fabrictest"
)

type world struct{ *Fabric }

func (w world) Has(k fabric.Key) bool {
	ok := false
	switch k.Kind {
	case fabric.KindNetwork:
		_, ok = w.Network(k.ID)
	case fabric.KindPort:
		_, ok = w.Port(k.ID)
	case fabric.KindGroup:
		_, ok = w.Group(k.ID)
	case fabric.KindAddresses:
		_, ok = w.Addresses(k.ID)
	case fabric.KindRouter:
		_, ok = w.Router(k.ID)
	}
	return ok
}

func (w world) Join(c fabric.Chassis) { w.SetChassis(c) }
func (w world) Plug(_, _ string)      {} // a bound port is plugged at once
func (w world) Unplug(string)         {}
func (w world) Away(away bool) {
	if away {
		w.Fail(errors.New("away"))
		return
	}
	w.Fail(nil)
}

func TestSuite(t *testing.T) {
	fabrictest.Run(t, func(*testing.T) fabrictest.Backend { return world{New()} })
}

package agent_test

import (
	"testing"

	"github.com/google/uuid"
)

// BenchmarkEnsure makes servers on a fake host, over the bus and with real
// files: what the agent itself costs a server.
func BenchmarkEnsure(b *testing.B) {
	h := newFakeHost(b)
	warm := h.spec()
	h.ensure(warm)
	for b.Loop() {
		spec := h.spec()
		spec.NICs[0].PortID, spec.NICs[0].NetworkID = uuid.NewString(), warm.NICs[0].NetworkID
		h.ensure(spec)
	}
}

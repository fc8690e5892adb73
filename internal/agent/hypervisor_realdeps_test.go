//go:build realdeps

package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/hypervisor/hypervisortest"
)

// TestLibvirtIsAHypervisor has the real driver pass what the fake one passes.
func TestLibvirtIsAHypervisor(t *testing.T) {
	h := newRealHost(t)
	deps, err := h.wiring().deps(nil, h.log)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(filepath.Dir(h.dir), "machines")
	if err := os.Mkdir(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	n := h.network("10.5.0.0/24")
	hypervisortest.Run(t, hypervisortest.Env{Hypervisor: deps.Hypervisor, Dir: dir, NIC: func() hypervisor.NIC {
		return deps.VIF.NIC(n.nic())
	}})
	if err := deps.Hypervisor.Close(); err != nil {
		t.Error(err)
	}
}

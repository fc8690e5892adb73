package fake_test

import (
	"testing"

	"github.com/google/uuid"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/agent/hypervisor/fake"
	"kumoi/internal/agent/hypervisor/hypervisortest"
)

func TestFakeIsAHypervisor(t *testing.T) {
	hypervisortest.Run(t, hypervisortest.Env{Hypervisor: fake.New(), Dir: t.TempDir(), NIC: func() hypervisor.NIC {
		id := uuid.NewString()
		return hypervisor.NIC{PortID: id, MAC: "fa:16:3e:" + id[:2] + ":" + id[2:4] + ":" + id[4:6], Target: "tap" + id[:11]}
	}})
}

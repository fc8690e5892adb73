package agent

import (
	"context"
	"net"
	"testing"
	"time"

	"kumoi/internal/agent/metadata"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
)

// slowPlugger has a network of an earlier agent. It says when it begins to
// remove or to serve it, and is held up in the removal.
type slowPlugger struct {
	*vif.Fake
	removing, removed, serving chan struct{}
}

func (p *slowPlugger) Networks(context.Context) ([]string, error) { return []string{"net"}, nil }

func (p *slowPlugger) Remove(ctx context.Context, id string) error {
	close(p.removing)
	<-p.removed
	return p.Fake.Remove(ctx, id)
}

func (p *slowPlugger) Serve(ctx context.Context, n vif.Network) ([]net.Listener, error) {
	close(p.serving)
	return p.Fake.Serve(ctx, n)
}

// A guest that comes while an abandoned network is being removed has it served
// after the removal, not before: its namespace would go with the old one.
func TestGuestComesDuringTheSweep(t *testing.T) {
	p := &slowPlugger{vif.NewFake(), make(chan struct{}), make(chan struct{}), make(chan struct{})}
	service := metadata.New(nil, nil)
	n := newNetworks(p, service)
	t.Cleanup(func() { service.Close() })
	swept, ensured := make(chan error, 1), make(chan error, 1)
	go func() { swept <- n.sweep(t.Context()) }()
	<-p.removing
	spec := &hostapi.ServerSpec{ID: "s", NICs: []hostapi.NIC{{NetworkID: "net", MetadataPort: hostapi.MetadataPort{PortID: "m"}}}}
	go func() { ensured <- n.ensure(t.Context(), spec) }()
	select {
	case <-p.serving:
		t.Error("the network is served while it is being removed")
	case <-time.After(50 * time.Millisecond): // that it does not happen cannot be awaited
	}
	close(p.removed)
	if err := <-swept; err != nil {
		t.Error(err)
	}
	if err := <-ensured; err != nil {
		t.Error(err)
	}
	if p.Address("net") == nil {
		t.Error("the guest's network is not served")
	}
}

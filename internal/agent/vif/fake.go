package vif

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
)

// Fake plugs nothing in. Its metadata listeners are on loopback, one for each
// network, where any address of 127.0.0.0/8 can play a guest's.
type Fake struct {
	mu       sync.Mutex
	networks map[string]net.Addr
	unplug   []string
}

var _ Plugger = (*Fake)(nil)

// NewFake makes a plugger for guests that do not exist.
func NewFake() *Fake { return &Fake{networks: map[string]net.Addr{}} }

// NIC implements Plugger.
func (f *Fake) NIC(nic hostapi.NIC) hypervisor.NIC {
	return hypervisor.NIC{PortID: nic.PortID, MAC: nic.MAC, MTU: nic.MTU, Model: nic.Model, Bridge: "fake", Target: tapName(nic.PortID)}
}

// Unplug implements Plugger.
func (f *Fake) Unplug(_ context.Context, portIDs ...string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unplug = append(f.unplug, portIDs...)
	return nil
}

// Unplugged tells whether a port was unplugged.
func (f *Fake) Unplugged(portID string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.unplug, portID)
}

// Serve implements Plugger.
func (f *Fake) Serve(ctx context.Context, network Network) ([]net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("metadata of network %s: %w", network.ID, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.networks[network.ID] = l.Addr()
	return []net.Listener{l}, nil
}

// Remove implements Plugger.
func (f *Fake) Remove(_ context.Context, networkID string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.networks, networkID)
	return nil
}

// Networks implements Plugger.
func (f *Fake) Networks(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []string
	for id := range f.networks {
		out = append(out, id)
	}
	return out, nil
}

// Address is where the network's metadata service listens.
func (f *Fake) Address(networkID string) net.Addr {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.networks[networkID]
}

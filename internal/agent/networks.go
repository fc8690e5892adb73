package agent

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"sync"

	"kumoi/internal/agent/metadata"
	"kumoi/internal/agent/vif"
	"kumoi/internal/hostapi"
)

// networks keeps the metadata service of each network that has a guest here.
type networks struct {
	vif      vif.Plugger
	metadata *metadata.Service

	mu     sync.Mutex
	served map[string]*servedNetwork
}

type servedNetwork struct {
	mu        sync.Mutex // held while it is set up
	network   string     // as it was set up, to see changes
	listeners []net.Listener
	servers   map[string]bool
}

func newNetworks(plugger vif.Plugger, service *metadata.Service) *networks {
	return &networks{vif: plugger, metadata: service, served: map[string]*servedNetwork{}}
}

// expect counts the server in on its networks before they are served, so that
// nobody takes them for abandoned.
func (n *networks) expect(spec *hostapi.ServerSpec) {
	for _, nic := range spec.NICs {
		if nic.MetadataPort.PortID != "" {
			n.enter(spec.ID, nic.NetworkID)
		}
	}
}

func (n *networks) enter(serverID, networkID string) *servedNetwork {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := n.network(networkID)
	s.servers[serverID] = true
	return s
}

// network finds a network, or makes its place; n.mu is held.
func (n *networks) network(id string) *servedNetwork {
	s := n.served[id]
	if s == nil {
		s = &servedNetwork{servers: map[string]bool{}}
		n.served[id] = s
	}
	return s
}

// ensure makes the metadata service answer on all networks of the server, and
// on none for its sake that it has left.
func (n *networks) ensure(ctx context.Context, spec *hostapi.ServerSpec) error {
	var failures []error
	var want []string
	for _, nic := range spec.NICs {
		if nic.MetadataPort.PortID == "" || slices.Contains(want, nic.NetworkID) {
			continue
		}
		want = append(want, nic.NetworkID)
		network := vif.Network{ID: nic.NetworkID, Port: nic.MetadataPort, MTU: nic.MTU}
		failures = append(failures, n.ensureNetwork(ctx, spec.ID, network))
	}
	failures = append(failures, n.leave(ctx, spec.ID, want...))
	return errors.Join(failures...)
}

func (n *networks) ensureNetwork(ctx context.Context, serverID string, network vif.Network) error {
	s := n.enter(serverID, network.ID)
	s.mu.Lock()
	defer s.mu.Unlock()
	key, err := json.Marshal(network)
	if err != nil {
		return err
	}
	if s.network == string(key) {
		return nil
	}
	closeAll(s.listeners)
	s.listeners, s.network = nil, ""
	if s.listeners, err = n.vif.Serve(ctx, network); err != nil {
		return err
	}
	for _, l := range s.listeners {
		n.metadata.Serve(network.ID, l)
	}
	s.network = string(key)
	return nil
}

// leave ends the service of networks whose last guest the server was, except
// those to keep.
func (n *networks) leave(ctx context.Context, serverID string, keep ...string) error {
	n.mu.Lock()
	var empty []string
	for id, s := range n.served {
		if s.servers[serverID] && !slices.Contains(keep, id) {
			delete(s.servers, serverID)
			if len(s.servers) == 0 {
				empty = append(empty, id)
			}
		}
	}
	n.mu.Unlock()
	var failures []error
	for _, id := range empty {
		failures = append(failures, n.end(ctx, id))
	}
	return errors.Join(failures...)
}

// end removes a network's service if it still has no guest. One that was never
// served here gets its place too: a guest that comes now waits for it.
func (n *networks) end(ctx context.Context, networkID string) error {
	n.mu.Lock()
	s := n.network(networkID)
	n.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	n.mu.Lock()
	if len(s.servers) > 0 { // a guest has come meanwhile
		n.mu.Unlock()
		return nil
	}
	n.mu.Unlock()
	closeAll(s.listeners)
	s.listeners, s.network = nil, ""
	return n.vif.Remove(ctx, networkID)
}

// sweep removes what an earlier agent has left of networks without a guest.
func (n *networks) sweep(ctx context.Context) error {
	made, err := n.vif.Networks(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, id := range made {
		n.mu.Lock()
		s := n.served[id]
		used := s != nil && len(s.servers) > 0
		n.mu.Unlock()
		if !used {
			failures = append(failures, n.end(ctx, id))
		}
	}
	return errors.Join(failures...)
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // it accepts nothing any more, whatever it says
	}
}

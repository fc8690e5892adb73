// Package vif plugs guests and the metadata service into a host's virtual
// switch.
//
// libvirt itself adds a guest's interface to the bridge, under the name that
// NIC gives it; OVN recognises it by its port's id. What is left to do is to
// tidy up after guests, and to give each network with local guests a network
// namespace in which the agent answers 169.254.169.254.
package vif

import (
	"context"
	"net"
	"net/netip"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/hostapi"
)

// MetadataAddress is where guests look for the metadata service.
var MetadataAddress = netip.AddrFrom4([4]byte{169, 254, 169, 254})

// MetadataAddress6 is its IPv6 twin.
var MetadataAddress6 = netip.MustParseAddr("fe80::a9fe:a9fe")

// Network is a network as far as its metadata service is concerned.
type Network struct {
	ID   string
	Port hostapi.MetadataPort
	MTU  int
}

// Plugger connects guests to networks.
type Plugger interface {
	// NIC says how a hypervisor plugs the port in.
	NIC(nic hostapi.NIC) hypervisor.NIC
	// Unplug removes what a guest's end may have left of the port. It is no
	// error if nothing is left.
	Unplug(ctx context.Context, portIDs ...string) error

	// Serve makes the network's namespace, if it is not there yet, and listens
	// in it. Whoever closes the listeners leaves the namespace in place.
	Serve(ctx context.Context, network Network) ([]net.Listener, error)
	// Remove removes the network's namespace and all that is in it.
	Remove(ctx context.Context, networkID string) error
	// Networks lists the networks that have a namespace made by this host.
	Networks(ctx context.Context) ([]string, error)
}

// tapName is the name of a guest's interface on the host, as OpenStack forms it.
func tapName(portID string) string { return "tap" + portID[:min(11, len(portID))] }

// metadataLink is the name of the host's end of a namespace's cable.
func metadataLink(networkID string) string { return "kmd" + networkID[:min(11, len(networkID))] }

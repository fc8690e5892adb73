package network

import (
	"net/netip"

	"kumoi/internal/kernel/errs"
)

// FixedIP is an address of a port.
type FixedIP struct {
	SubnetID string
	IP       netip.Addr
}

// AddressPair is one more address that a port may send from.
type AddressPair struct {
	MAC string
	IP  netip.Prefix
}

// DHCPOption is an extra option of a port's lease.
type DHCPOption struct {
	Name, Value string
	IPVersion   int
}

// Port is a connection to a network: a logical switch port.
type Port struct {
	Standard
	NetworkID      string
	MAC            string
	AdminStateUp   bool
	Status         string
	DeviceID       string
	DeviceOwner    string
	FixedIPs       []FixedIP
	SecurityGroups []string
	AddressPairs   []AddressPair
	DHCPOptions    []DHCPOption
	PortSecurity   bool
	DNSName        string
	DNSDomain      string
	VNICType       string
	Host           string // binding:host_id
	QoSPolicyID    string // "" leaves it to the network's
	Profile        map[string]any
	PropagateUp    bool   // propagate_uplink_status
	Tag            string // device tag that its server's owner gave
	// MadeFor is the server for which compute made the port, to be deleted with it.
	MadeFor string

	// HeldAs and HeldBy say what the port is attached to: HeldByServer or one of the
	// network's owners above, and the id. Only the service that attaches a port
	// writes them, for anybody may write what he likes into DeviceID and DeviceOwner.
	HeldAs string
	HeldBy string

	// Attached orders the ports of a server as they were asked for.
	Attached int64

	// Of the network, read with the port.
	NetworkQoS     string `json:"-"`
	Trunk          *Trunk `json:"-"` // the trunk that it is the parent of
	networkProject string
	networkShared  bool
}

// Bound tells whether a host has been chosen for the port.
func (p *Port) Bound() bool { return p.Host != "" }

// HeldByServer is HeldAs of a server's port.
const HeldByServer = "compute"

// Server is the server that has the port, "" if none has.
func (p *Port) Server() string {
	if p.HeldAs == HeldByServer {
		return p.HeldBy
	}
	return ""
}

// router is the router that has the port, "" if none has.
func (p *Port) router() string {
	if p.HeldAs == OwnerRouterInterface || p.HeldAs == OwnerRouterGateway {
		return p.HeldBy
	}
	return ""
}

// attach records what has the port from now on, and shows it as users expect.
func (p *Port) attach(as, by, owner string) {
	p.HeldAs, p.HeldBy, p.DeviceID, p.DeviceOwner = as, by, by, owner
}

// free refuses a port that something has, or that its owner says something has.
func (p *Port) free() error {
	device := p.HeldBy
	if device == "" {
		device = p.DeviceID
	}
	if device == "" {
		return nil
	}
	return fault(errs.Conflict, "PortInUse", "Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, device)
}

// NetworkOwned tells whether the port belongs to the network's own machinery,
// which security groups do not concern. Users cannot say so of theirs.
func (p *Port) NetworkOwned() bool {
	return len(p.DeviceOwner) > 8 && p.DeviceOwner[:8] == "network:"
}

package network

import (
	"context"
	"net/netip"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// RequestedNetwork is one entry of a server's networks. Exactly one of
// NetworkID and PortID is set; FixedIP and Tag are optional.
type RequestedNetwork struct {
	NetworkID string
	PortID    string
	FixedIP   string
	Tag       string
}

// AllocateRequest asks for the ports of one server.
type AllocateRequest struct {
	ServerID         string
	ProjectID        string
	AvailabilityZone string // "" is "nova"
	Hostname         string // dns_name of the ports
	Networks         []RequestedNetwork
	None             bool     // networks: "none"
	Auto             bool     // networks: "auto"
	SecurityGroups   []string // ids or names in the project; empty: the default group
}

// ServerAddress is an address of a server as server lists show it.
type ServerAddress struct {
	Network  string // name
	MAC      string
	IP       netip.Addr
	Floating bool
}

// HostReport is what the network learns from a host's heartbeat.
type HostReport struct {
	Host     string // name
	AZ       string
	Chassis  string            // OVN's system-id of the host
	Mappings map[string]string // physical network → bridge
	Alive    bool
}

var errNotYet = errs.New(errs.Unavailable, "The network is not ready.")

// AllocatePortsTx makes or claims the server's ports inside the caller's
// transaction, in the order asked. With neither Networks nor None nor Auto it
// takes the project's only network; more than one is a Conflict, none gives no
// ports. Security groups apply to the ports made, not to those given.
func (s *Service) AllocatePortsTx(ctx context.Context, tx *store.Tx, req AllocateRequest) ([]*Port, error) {
	return nil, errNotYet
}

// AttachPortTx makes or claims one more port for the server.
func (s *Service) AttachPortTx(ctx context.Context, tx *store.Tx, req AllocateRequest) (*Port, error) {
	return nil, errNotYet
}

// DetachPortTx gives back one port of the server: deletes it if it was made
// for the server, else frees it.
func (s *Service) DetachPortTx(ctx context.Context, tx *store.Tx, serverID, portID string) error {
	return errNotYet
}

// ReleasePortsTx gives back all ports of the server; repeating it is harmless.
func (s *Service) ReleasePortsTx(ctx context.Context, tx *store.Tx, serverID string) error {
	return errNotYet
}

// ReleasePorts is ReleasePortsTx in a transaction of its own.
func (s *Service) ReleasePorts(ctx context.Context, serverID string) error { return errNotYet }

// BindPorts says on which host the server's ports will be plugged; the ports
// are in the fabric when it returns. Repeating it is harmless.
func (s *Service) BindPorts(ctx context.Context, serverID, host string) error { return errNotYet }

// UnbindPorts forgets the host of the server's ports.
func (s *Service) UnbindPorts(ctx context.Context, serverID string) error { return errNotYet }

// WaitPortsUp returns when all ports of the server are ACTIVE, or with the context's error.
func (s *Service) WaitPortsUp(ctx context.Context, serverID string) error { return errNotYet }

// PortsOfServer returns the server's ports in the order they were made.
func (s *Service) PortsOfServer(ctx context.Context, serverID string) ([]*Port, error) {
	return nil, errNotYet
}

// PortsOfServerTx is PortsOfServer inside the caller's transaction.
func (s *Service) PortsOfServerTx(ctx context.Context, tx *store.Tx, serverID string) ([]*Port, error) {
	return nil, errNotYet
}

// ServerAddresses returns the addresses of many servers, by server id, fixed
// before floating.
func (s *Service) ServerAddresses(ctx context.Context, serverIDs []string) (map[string][]ServerAddress, error) {
	return nil, errNotYet
}

// ServerSecurityGroups returns the groups of many servers' ports, by server id,
// each group once.
func (s *Service) ServerSecurityGroups(ctx context.Context, serverIDs []string) (map[string][]*SecurityGroup, error) {
	return nil, errNotYet
}

// NICSpecs returns the server's network cards as its host must make them.
func (s *Service) NICSpecs(ctx context.Context, serverID string) ([]hostapi.NIC, error) {
	return nil, errNotYet
}

// AddSecurityGroup puts a group (id or name in the caller's project) on all ports of the server.
func (s *Service) AddSecurityGroup(ctx context.Context, serverID, group string) error {
	return errNotYet
}

// RemoveSecurityGroup takes a group off all ports of the server; NotFound if no port has it.
func (s *Service) RemoveSecurityGroup(ctx context.Context, serverID, group string) error {
	return errNotYet
}

// EnsureDefaultSecurityGroupTx makes the project's default group if it has none, and returns it.
func (s *Service) EnsureDefaultSecurityGroupTx(ctx context.Context, tx *store.Tx, projectID string) (*SecurityGroup, error) {
	return nil, errNotYet
}

// HostReport keeps the agents list.
func (s *Service) HostReport(ctx context.Context, r HostReport) error { return errNotYet }

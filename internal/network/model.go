package network

import (
	"net/netip"
	"time"
)

// Standard holds the attributes that every resource has.
type Standard struct {
	ID          string
	ProjectID   string
	Name        string
	Description string
	Tags        []string
	Revision    int64 // grows with every change; If-Match compares it
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// Std returns the standard attributes, for code that works on any resource.
func (s *Standard) Std() *Standard { return s }

// Resource is any of the types of this package.
type Resource interface{ Std() *Standard }

// Status values of networks, ports, routers and floating IPs.
const (
	StatusActive = "ACTIVE"
	StatusDown   = "DOWN"
	StatusNA     = "N/A"
)

// Device owners that mean something to this package.
const (
	OwnerRouterInterface = "network:router_interface"
	OwnerRouterGateway   = "network:router_gateway"
	OwnerFloatingIP      = "network:floatingip"
	OwnerDistributed     = "network:distributed" // the network's metadata port
	OwnerDHCP            = "network:dhcp"
	OwnerComputePrefix   = "compute:"
)

// Network types.
const (
	TypeGeneve = "geneve"
	TypeFlat   = "flat"
	TypeVLAN   = "vlan"
	TypeLocal  = "local"
)

// Network is a broadcast domain: a logical switch.
type Network struct {
	Standard
	AdminStateUp bool
	MTU          int
	Type         string // geneve, flat, vlan, local
	Physical     string // the physical network of a flat or vlan one
	Segment      int    // VLAN id or VNI
	Default      bool   // the default external network
	DNSDomain    string
	AZHints      []string
	PortSecurity bool // default of its ports

	QoSPolicyID string // limits the ports that have no policy of their own

	AutoAllocated bool `json:",omitempty"` // made for a project that asked for any network

	// Read from RBAC policies and subnets, not stored here.
	Shared    bool     `json:"-"`
	External  bool     `json:"-"`
	SubnetIDs []string `json:"-"`
	// The address scopes that its subnets' pools belong to.
	Scope4 string `json:"-"`
	Scope6 string `json:"-"`
	// externalVisible: external for the context's project.
	externalVisible bool
}

// Pool is a range of addresses that ports may be given.
type Pool struct{ Start, End netip.Addr }

// Route is a destination and the next hop to it.
type Route struct {
	Destination netip.Prefix
	NextHop     netip.Addr
}

// Subnet is an address range of a network.
type Subnet struct {
	Standard
	NetworkID    string
	CIDR         netip.Prefix
	Gateway      netip.Addr // zero: none
	Pools        []Pool
	DNS          []netip.Addr
	HostRoutes   []Route
	DHCP         bool
	IPv6RA       string // slaac, dhcpv6-stateful, dhcpv6-stateless, ""
	IPv6Address  string
	SubnetPoolID string
	SegmentID    string
	ServiceTypes []string
	DNSPublish   bool

	// Of the network, read with the subnet.
	Shared         bool `json:"-"`
	External       bool `json:"-"`
	networkProject string
}

// Version is 4 or 6.
func (s *Subnet) Version() int {
	if s.CIDR.Addr().Is4() {
		return 4
	}
	return 6
}

// SLAAC tells whether addresses follow from the MAC and are never allocated.
func (s *Subnet) SLAAC() bool { return s.IPv6Address == "slaac" || s.IPv6Address == "dhcpv6-stateless" }

// SubnetPool is a stock of prefixes that subnets are carved from.
type SubnetPool struct {
	Standard
	Prefixes         []netip.Prefix
	IPVersion        int
	DefaultPrefixLen int
	MinPrefixLen     int
	MaxPrefixLen     int
	DefaultQuota     *int64
	AddressScopeID   string
	Default          bool
	Shared           bool `json:"-"`
}

// AddressScope is a routing domain in which addresses do not overlap.
type AddressScope struct {
	Standard
	IPVersion int
	Shared    bool `json:"-"`
}

// Gateway is a router's connection to an external network.
type Gateway struct {
	NetworkID string
	SNAT      bool
	PortID    string
	FixedIPs  []FixedIP
}

// Router forwards between subnets and to an external network.
type Router struct {
	Standard
	AdminStateUp bool
	Status       string
	Gateway      *Gateway
	Routes       []Route
	AZHints      []string

	AutoAllocated bool `json:",omitempty"` // made with the network of the same mark
}

// FloatingIP is an address of an external network, given to a port inside.
type FloatingIP struct {
	Standard
	NetworkID   string
	Address     netip.Addr
	OutsidePort string // the port that holds the address on the external network
	SubnetID    string
	PortID      string // the port inside; "" while not associated
	FixedIP     netip.Addr
	RouterID    string
	Status      string
	DNSName     string
	DNSDomain   string
}

// PortForwarding sends one protocol port of a floating IP to a port inside.
type PortForwarding struct {
	Standard
	FloatingIPID string
	PortID       string // internal port
	InternalIP   netip.Addr
	InternalPort int
	ExternalPort int
	// The last ports of ranges; 0 where it is one port.
	InternalLast int `json:",omitempty"`
	ExternalLast int `json:",omitempty"`
	Protocol     string
}

// Internal is the range of ports inside.
func (f *PortForwarding) Internal() (first, last int) {
	return f.InternalPort, max(f.InternalPort, f.InternalLast)
}

// External is the range of ports outside.
func (f *PortForwarding) External() (first, last int) {
	return f.ExternalPort, max(f.ExternalPort, f.ExternalLast)
}

// SecurityGroup is a set of rules for ports.
type SecurityGroup struct {
	Standard
	Stateful bool
	Default  bool
	Shared   bool                 `json:"-"`
	Rules    []*SecurityGroupRule `json:"-"`
}

// SecurityGroupRule allows one kind of traffic.
type SecurityGroupRule struct {
	Standard
	GroupID        string
	Direction      string // ingress, egress
	EtherType      string // IPv4, IPv6
	Protocol       string // name, number or ""
	PortMin        *int
	PortMax        *int
	RemotePrefix   string // as given, "" for any
	RemoteGroupID  string
	AddressGroupID string
	// Of a default rule: which groups get a copy.
	InDefaultGroup bool
	InCustomGroup  bool

	groupProject string
	group        *SecurityGroup // of a new one
}

// AddressGroup is a named set of prefixes for rules.
type AddressGroup struct {
	Standard
	Addresses []netip.Prefix
	Shared    bool `json:"-"`
}

// RBACPolicy grants a project (or "*") the use of somebody's resource.
type RBACPolicy struct {
	Standard
	ObjectType    string
	ObjectID      string
	Action        string // access_as_shared, access_as_external
	TargetProject string
}

// Agent is a part of a host as OpenStack's agent list shows it, projected from host reports.
type Agent struct {
	ID             string
	Type           string
	Binary         string
	Host           string
	AZ             string
	Topic          string
	AdminStateUp   bool
	Alive          bool
	Configurations map[string]any
	Description    string
	CreatedAt      time.Time
	StartedAt      time.Time
	HeartbeatAt    time.Time
}

// The directions of QoS rules, as the guest sees them.
const (
	QoSEgress  = "egress"
	QoSIngress = "ingress"
)

// QoSPolicy is a set of rules about how much a port may send and receive.
type QoSPolicy struct {
	Standard
	Default bool // new networks of its project have it

	// Read with the policy.
	Shared bool       `json:"-"`
	Rules  []*QoSRule `json:"-"`
}

// QoSRule is one rule of a policy; which of its values count depends on its kind.
type QoSRule struct {
	Standard
	PolicyID  string
	Kind      string
	Direction string
	MaxKbps   int
	BurstKbps int // the burst allowed beyond MaxKbps
	MinKbps   int
	DSCP      int
}

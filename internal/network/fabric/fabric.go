// Package fabric is what the network service asks of the thing that switches
// and routes packets. The service states complete resources as they should be;
// the fabric makes it so and tells which ports are up. Statements are repeatable,
// and a full one says that there is nothing beside it.
package fabric

import (
	"context"
	"net/netip"
)

// Fabric carries statements out. The implementations are ovn and fake.
type Fabric interface {
	// Start connects and begins to report. The fabric may be away: events tell
	// when it comes. notify must return quickly.
	Start(ctx context.Context, notify func(Event)) error
	Stop()
	// Apply makes the stated resources so, in one transaction of the fabric.
	// Unavailable means that it is away; the statement may be repeated.
	Apply(ctx context.Context, s Statement) error
	// Chassis lists the hosts that take part.
	Chassis(ctx context.Context) ([]Chassis, error)
}

// EventKind says what happened.
type EventKind int

// The events.
const (
	PortUp      EventKind = iota // the port is plugged and its flows are in place
	PortDown                     // it no longer is
	Resync                       // the fabric lost or changed its state: state everything anew
	ChassisNews                  // the list of chassis changed
)

// Event is something that the fabric saw.
type Event struct {
	Kind   EventKind
	PortID string
	Host   string // of PortUp, if known
}

// Chassis is a host as the fabric knows it.
type Chassis struct {
	ID       string // OVN's system-id
	Host     string
	Mappings map[string]string // physical network → bridge
	Encaps   []string
}

// The kinds of resources in statements.
const (
	KindNetwork   = "network"
	KindPort      = "port"
	KindGroup     = "group"
	KindAddresses = "addresses"
	KindRouter    = "router"
)

// Key names a resource.
type Key struct{ Kind, ID string }

// Statement is what should be. Of the kinds of resources each value is
// complete: what the fabric has of that resource beside it goes. Full says the
// same of everything: resources not named go too.
type Statement struct {
	Full      bool
	Networks  []Network
	Ports     []Port
	Groups    []Group
	Addresses []Addresses
	Routers   []Router
	Gone      []Key
}

// Empty tells whether nothing is stated.
func (s *Statement) Empty() bool {
	return !s.Full && len(s.Networks)+len(s.Ports)+len(s.Groups)+len(s.Addresses)+len(s.Routers)+len(s.Gone) == 0
}

// Network is a logical switch with the leases of its subnets.
type Network struct {
	ID, Name, ProjectID string
	MTU                 int
	Physical            string // connected to this physical network, "" for none
	VLAN                int
	External            bool
	AdminUp             bool
	DNSDomain           string
	Subnets             []Subnet
	Revision            int64
}

// Subnet is an address range; with DHCP the fabric answers for it.
type Subnet struct {
	ID, Name string
	CIDR     netip.Prefix
	Gateway  netip.Addr // zero: none
	DNS      []netip.Addr
	Routes   []Route
	DHCP     bool
	IPv6     string     // slaac, dhcpv6-stateful, dhcpv6-stateless
	Metadata netip.Addr // where 169.254.169.254 is answered; zero: nowhere
	Domain   string
	MTU      int
}

// Route is a destination and its next hop.
type Route struct {
	Destination netip.Prefix
	NextHop     netip.Addr
}

// Role says what a port is to the fabric.
type Role string

// The roles.
const (
	RoleGuest    Role = ""         // something is plugged in on one host
	RoleMetadata Role = "metadata" // present on every host
	RoleRouter   Role = "router"   // the switch's side of a router's interface
	RoleReserved Role = "reserved" // an address only, nothing is plugged in
)

// Port is a logical switch port.
type Port struct {
	ID, Name, ProjectID   string
	NetworkID             string
	DeviceID, DeviceOwner string
	MAC                   string
	IPs                   []Address
	AdminUp               bool
	PortSecurity          bool
	Pairs                 []Pair
	Groups                []string
	DHCPOptions           []DHCPOption
	Role                  Role
	Gateway               bool // a router's port on its external network
	Host                  string
	NextHost              string // while the guest moves: takes over when the guest speaks there
	DNSName               string
	DNSDomain             string
	QoS                   *QoS   // nil: no limits
	Parent                string // the port that carries this one's traffic, told apart by Tag
	Tag                   int
	Revision              int64
}

// QoS is what a port may send and receive, as its guest sees it.
type QoS struct {
	Egress, Ingress Bandwidth
	MinKbps         int  // promised to what it sends to a physical network
	DSCP            *int // mark of the packets it sends
}

// Bandwidth is a limit in kbit/s with a burst in kbit; zero is none.
type Bandwidth struct{ Kbps, BurstKbit int }

// Address is an address of a port.
type Address struct {
	IP       netip.Addr
	SubnetID string
}

// Pair is one more address that a port may use.
type Pair struct {
	MAC string
	IP  netip.Prefix
}

// DHCPOption is an extra option of a port's lease, by Neutron's name.
type DHCPOption struct {
	Name, Value string
	IPVersion   int
}

// Group is a security group: what its ports may receive and send.
type Group struct {
	ID, Name, ProjectID string
	Stateful            bool
	Rules               []Rule
	Revision            int64
}

// Rule allows one kind of traffic.
type Rule struct {
	ID              string
	Ingress         bool
	IPv6            bool
	Protocol        string // Neutron's name or a number; "" for any
	PortMin         *int   // of ICMP: type
	PortMax         *int   // of ICMP: code
	RemotePrefix    netip.Prefix
	RemoteGroup     string
	RemoteAddresses string // address group
}

// Addresses is a named set of prefixes.
type Addresses struct {
	ID, Name string
	Prefixes []netip.Prefix
}

// Router is a logical router.
type Router struct {
	ID, Name, ProjectID string
	AdminUp             bool
	Interfaces          []Interface
	NATs                []NAT
	Routes              []Route
	Forwardings         []Forwarding
	Revision            int64
}

// Interface is the router's side of a port.
type Interface struct {
	PortID, NetworkID string
	MAC               string
	Addresses         []netip.Prefix
	MTU               int
	// RA is how IPv6 guests behind it get their addresses: slaac,
	// dhcpv6-stateful, dhcpv6-stateless or "" for no advertisements.
	RA string
	// External interfaces lead outside through Gateways and are placed on a chassis.
	External bool
	Gateways []netip.Addr
	Physical string
}

// NAT translates addresses on the way outside: a whole subnet behind one
// address, or a floating IP for one.
type NAT struct {
	ID       string // of the floating IP; "" for SNAT
	External netip.Addr
	Internal netip.Prefix
	PortID   string // the floating IP's port inside
	MAC      string
}

// Floating tells whether both directions are translated.
func (n NAT) Floating() bool { return n.ID != "" }

// Forwarding sends a port of an outside address to a port inside.
type Forwarding struct {
	FloatingIPID string
	Protocol     string // tcp, udp, sctp
	External     netip.AddrPort
	Internal     netip.AddrPort
}

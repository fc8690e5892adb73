package ovn

import (
	"github.com/ovn-kubernetes/libovsdb/model"
)

// This file names the tables and columns we use, and no others: a row of OVN's
// has many more. Columns that are shared with other resources or programs are
// never written as a whole.

const (
	tableSwitch     = "Logical_Switch"
	tableSwitchPort = "Logical_Switch_Port"
	tableLease      = "DHCP_Options"
	tableDNS        = "DNS"
	tablePortGroup  = "Port_Group"
	tableACL        = "ACL"
	tableQoS        = "QoS"
	tableAddressSet = "Address_Set"
	tableRouter     = "Logical_Router"
	tableRouterPort = "Logical_Router_Port"
	tableRoute      = "Logical_Router_Static_Route"
	tableNAT        = "NAT"
	tableGateway    = "Gateway_Chassis"
	tableBalancer   = "Load_Balancer"
	tableChassis    = "Chassis"
	tableEncap      = "Encap"
	tableBinding    = "Port_Binding"
)

// row is a row of the northbound database.
type row interface {
	table() string
	key() string // UUID
	ids() map[string]string
}

type logicalSwitch struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Ports       []string          `ovsdb:"ports" kumoi:"shared"`
	DNSRecords  []string          `ovsdb:"dns_records" kumoi:"shared"`
	QoSRules    []string          `ovsdb:"qos_rules" kumoi:"shared"`
	ACLs        []string          `ovsdb:"acls"`
	OtherConfig map[string]string `ovsdb:"other_config"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type switchPort struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	Type         string            `ovsdb:"type"`
	Options      map[string]string `ovsdb:"options"`
	ParentName   *string           `ovsdb:"parent_name"`
	Tag          *int              `ovsdb:"tag"`
	Addresses    []string          `ovsdb:"addresses"`
	PortSecurity []string          `ovsdb:"port_security"`
	Enabled      *bool             `ovsdb:"enabled"`
	DHCPv4       *string           `ovsdb:"dhcpv4_options"`
	DHCPv6       *string           `ovsdb:"dhcpv6_options"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

type lease struct {
	UUID        string            `ovsdb:"_uuid"`
	CIDR        string            `ovsdb:"cidr"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type dnsRecords struct {
	UUID        string            `ovsdb:"_uuid"`
	Records     map[string]string `ovsdb:"records"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type portGroup struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Ports       []string          `ovsdb:"ports" kumoi:"shared"`
	ACLs        []string          `ovsdb:"acls"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type acl struct {
	UUID        string            `ovsdb:"_uuid"`
	Priority    int               `ovsdb:"priority"`
	Direction   string            `ovsdb:"direction"`
	Match       string            `ovsdb:"match"`
	Action      string            `ovsdb:"action"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type qosRule struct {
	UUID        string            `ovsdb:"_uuid"`
	Priority    int               `ovsdb:"priority"`
	Direction   string            `ovsdb:"direction"`
	Match       string            `ovsdb:"match"`
	Action      map[string]int    `ovsdb:"action"`
	Bandwidth   map[string]int    `ovsdb:"bandwidth"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type addressSet struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Addresses   []string          `ovsdb:"addresses"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type logicalRouter struct {
	UUID         string            `ovsdb:"_uuid"`
	Name         string            `ovsdb:"name"`
	Enabled      *bool             `ovsdb:"enabled"`
	Ports        []string          `ovsdb:"ports"`
	StaticRoutes []string          `ovsdb:"static_routes"`
	NAT          []string          `ovsdb:"nat"`
	LoadBalancer []string          `ovsdb:"load_balancer"`
	Options      map[string]string `ovsdb:"options"`
	ExternalIDs  map[string]string `ovsdb:"external_ids"`
}

type routerPort struct {
	UUID           string            `ovsdb:"_uuid"`
	Name           string            `ovsdb:"name"`
	MAC            string            `ovsdb:"mac"`
	Networks       []string          `ovsdb:"networks"`
	GatewayChassis []string          `ovsdb:"gateway_chassis"`
	RA             map[string]string `ovsdb:"ipv6_ra_configs"`
	Options        map[string]string `ovsdb:"options"`
	ExternalIDs    map[string]string `ovsdb:"external_ids"`
}

type staticRoute struct {
	UUID        string            `ovsdb:"_uuid"`
	Prefix      string            `ovsdb:"ip_prefix"`
	NextHop     string            `ovsdb:"nexthop"`
	OutputPort  *string           `ovsdb:"output_port"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type natRule struct {
	UUID        string            `ovsdb:"_uuid"`
	Type        string            `ovsdb:"type"`
	ExternalIP  string            `ovsdb:"external_ip"`
	ExternalMAC *string           `ovsdb:"external_mac"`
	LogicalIP   string            `ovsdb:"logical_ip"`
	LogicalPort *string           `ovsdb:"logical_port"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type gatewayChassis struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	ChassisName string            `ovsdb:"chassis_name"`
	Priority    int               `ovsdb:"priority"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

type loadBalancer struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	VIPs        map[string]string `ovsdb:"vips"`
	Protocol    *string           `ovsdb:"protocol"`
	Options     map[string]string `ovsdb:"options"`
	ExternalIDs map[string]string `ovsdb:"external_ids"`
}

func (r *logicalSwitch) table() string  { return tableSwitch }
func (r *switchPort) table() string     { return tableSwitchPort }
func (r *lease) table() string          { return tableLease }
func (r *dnsRecords) table() string     { return tableDNS }
func (r *portGroup) table() string      { return tablePortGroup }
func (r *acl) table() string            { return tableACL }
func (r *qosRule) table() string        { return tableQoS }
func (r *addressSet) table() string     { return tableAddressSet }
func (r *logicalRouter) table() string  { return tableRouter }
func (r *routerPort) table() string     { return tableRouterPort }
func (r *staticRoute) table() string    { return tableRoute }
func (r *natRule) table() string        { return tableNAT }
func (r *gatewayChassis) table() string { return tableGateway }
func (r *loadBalancer) table() string   { return tableBalancer }

func (r *logicalSwitch) key() string  { return r.UUID }
func (r *switchPort) key() string     { return r.UUID }
func (r *lease) key() string          { return r.UUID }
func (r *dnsRecords) key() string     { return r.UUID }
func (r *portGroup) key() string      { return r.UUID }
func (r *acl) key() string            { return r.UUID }
func (r *qosRule) key() string        { return r.UUID }
func (r *addressSet) key() string     { return r.UUID }
func (r *logicalRouter) key() string  { return r.UUID }
func (r *routerPort) key() string     { return r.UUID }
func (r *staticRoute) key() string    { return r.UUID }
func (r *natRule) key() string        { return r.UUID }
func (r *gatewayChassis) key() string { return r.UUID }
func (r *loadBalancer) key() string   { return r.UUID }

func (r *logicalSwitch) ids() map[string]string  { return r.ExternalIDs }
func (r *switchPort) ids() map[string]string     { return r.ExternalIDs }
func (r *lease) ids() map[string]string          { return r.ExternalIDs }
func (r *dnsRecords) ids() map[string]string     { return r.ExternalIDs }
func (r *portGroup) ids() map[string]string      { return r.ExternalIDs }
func (r *acl) ids() map[string]string            { return r.ExternalIDs }
func (r *qosRule) ids() map[string]string        { return r.ExternalIDs }
func (r *addressSet) ids() map[string]string     { return r.ExternalIDs }
func (r *logicalRouter) ids() map[string]string  { return r.ExternalIDs }
func (r *routerPort) ids() map[string]string     { return r.ExternalIDs }
func (r *staticRoute) ids() map[string]string    { return r.ExternalIDs }
func (r *natRule) ids() map[string]string        { return r.ExternalIDs }
func (r *gatewayChassis) ids() map[string]string { return r.ExternalIDs }
func (r *loadBalancer) ids() map[string]string   { return r.ExternalIDs }

// Of the southbound database we only read.

type chassis struct {
	UUID        string            `ovsdb:"_uuid"`
	Name        string            `ovsdb:"name"`
	Hostname    string            `ovsdb:"hostname"`
	Encaps      []string          `ovsdb:"encaps"`
	OtherConfig map[string]string `ovsdb:"other_config"`
}

type encap struct {
	UUID string `ovsdb:"_uuid"`
	Type string `ovsdb:"type"`
	IP   string `ovsdb:"ip"` // part of the table's index
}

type portBinding struct {
	UUID        string  `ovsdb:"_uuid"`
	LogicalPort string  `ovsdb:"logical_port"`
	Type        string  `ovsdb:"type"`
	Chassis     *string `ovsdb:"chassis"`
	Up          *bool   `ovsdb:"up"`
	Datapath    string  `ovsdb:"datapath"` // with the tunnel key an index of the table
	TunnelKey   int     `ovsdb:"tunnel_key"`
}

// ownedTables hold rows that live by themselves or, as switch ports, in a set
// that is shared. Rows of the other tables go when their parent lets them go.
func ownedTables() []string {
	return []string{tableSwitch, tableSwitchPort, tableQoS, tableLease, tableDNS, tablePortGroup, tableAddressSet, tableRouter, tableBalancer}
}

func northbound() (model.ClientDBModel, error) {
	m, err := model.NewClientDBModel("OVN_Northbound", map[string]model.Model{
		tableSwitch: &logicalSwitch{}, tableSwitchPort: &switchPort{}, tableLease: &lease{}, tableDNS: &dnsRecords{},
		tablePortGroup: &portGroup{}, tableACL: &acl{}, tableQoS: &qosRule{}, tableAddressSet: &addressSet{}, tableRouter: &logicalRouter{},
		tableRouterPort: &routerPort{}, tableRoute: &staticRoute{}, tableNAT: &natRule{}, tableGateway: &gatewayChassis{},
		tableBalancer: &loadBalancer{},
	})
	if err != nil {
		return m, err
	}
	indexes := map[string][]model.ClientIndex{}
	for _, t := range ownedTables() {
		indexes[t] = []model.ClientIndex{{Columns: []model.ColumnKey{{Column: "external_ids", Key: idKey}}}}
	}
	m.SetIndexes(indexes)
	return m, nil
}

func southbound() (model.ClientDBModel, error) {
	return model.NewClientDBModel("OVN_Southbound", map[string]model.Model{
		tableChassis: &chassis{}, tableEncap: &encap{}, tableBinding: &portBinding{},
	})
}

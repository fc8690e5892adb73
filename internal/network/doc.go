// Package network is the Neutron of Kumoi: networks, subnets, ports, routers,
// floating IPs, security groups and what belongs to them.
//
// The model lives in this service's tables and nowhere else. A change commits
// there first and marks what it touched; the projector then reads the marked
// resources, states them to the fabric as they should be, and the fabric (OVN)
// changes what differs. Because a statement is complete and repeatable, nothing
// is lost when a process dies in between: at the start, when the fabric
// reconnects and on a timer everything is stated anew.
//
//	request → Service → transaction → commit → projector → fabric.Apply
//	fabric event (port plugged on a host) → port status → waiters
//
// What flows back from the fabric is only whether a port is up, and where.
package network

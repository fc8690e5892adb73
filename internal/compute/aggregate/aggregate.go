// Package aggregate keeps sets of hosts, some of which are availability zones.
package aggregate

import "time"

// Aggregate is a set of hosts with metadata; "availability_zone" among it makes
// the hosts a zone.
type Aggregate struct {
	ID        int64
	UUID      string
	Name      string
	Metadata  map[string]string
	Hosts     []string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Zone is the availability zone that the aggregate makes; "" if none.
func (a *Aggregate) Zone() string { return a.Metadata[zoneKey] }

// zoneKey is what makes an aggregate a zone, among its metadata.
const zoneKey = "availability_zone"

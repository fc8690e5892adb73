// Package servergroup keeps server groups: how servers should lie on hosts
// towards each other. Servers name their group; what it means for the choice of
// a host is the scheduler's.
package servergroup

import "time"

// Group says how its members should lie on hosts towards each other.
type Group struct {
	ID, ProjectID, UserID, Name string
	Policy                      string
	Rules                       map[string]int // max_server_per_host
	Members                     []string       // servers that are not deleted
	CreatedAt                   time.Time
}

// Policies of server groups.
const (
	Affinity         = "affinity"
	AntiAffinity     = "anti-affinity"
	SoftAffinity     = "soft-affinity"
	SoftAntiAffinity = "soft-anti-affinity"
)

// Package flavor keeps flavors, their extra specs, and which projects may use
// private ones. Servers copy their flavor when they are made or resized:
// changing or deleting one touches no server.
package flavor

import "time"

// Flavor is a size of servers.
type Flavor struct {
	ID          string            `json:"id"` // flavorid: any text
	Name        string            `json:"name"`
	Description *string           `json:"description,omitempty"`
	VCPUs       int               `json:"vcpus"`
	RAM         int               `json:"ram"`       // MiB
	Disk        int               `json:"disk"`      // GiB
	Ephemeral   int               `json:"ephemeral"` // GiB
	Swap        int               `json:"swap"`      // MiB
	RxTx        float64           `json:"rxtx_factor"`
	Public      bool              `json:"is_public"`
	Disabled    bool              `json:"disabled,omitempty"`
	ExtraSpecs  map[string]string `json:"extra_specs,omitempty"`
	CreatedAt   time.Time         `json:"-"`
	UpdatedAt   time.Time         `json:"-"`
	// SpecsShown is whether the actor who asked for the flavor may see ExtraSpecs.
	SpecsShown bool `json:"-"`
}

// Access lets a project use a private flavor.
type Access struct{ FlavorID, ProjectID string }

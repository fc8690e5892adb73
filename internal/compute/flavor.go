package compute

import "time"

// Flavor is a size of servers. Servers keep a copy of theirs: changing or
// deleting a flavor touches no server.
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
}

// resources is what a server of this flavor takes from its host.
func (f *Flavor) resources(fromVolume bool) Resources {
	disk := f.Ephemeral + (f.Swap+1023)/1024
	if !fromVolume {
		disk += f.Disk
	}
	return Resources{VCPU: f.VCPUs, MemoryMB: f.RAM, DiskGB: disk}
}

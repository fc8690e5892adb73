package compute

import (
	"context"
)

// What a saga keeps between its steps: for each kind what that kind needs, and
// no more. Sagas in progress outlive an upgrade, so fields keep their names in
// JSON, and fields that are gone are passed over.

// job is what all kinds keep. The sagas "delete" and "apply" need no more.
type job struct {
	Server string `json:"server"`
	Action int64  `json:"action"` // in the history
	Name   string `json:"name"`   // of the action
	Host   string `json:"host,omitempty"`
}

// placing is a job that looks for a host. The saga "create" needs no more.
type placing struct {
	job
	// Tried are hosts that failed, with LastError of the last.
	Tried     []string  `json:"tried,omitempty"`
	LastError string    `json:"last_error,omitempty"`
	Away      int       `json:"away,omitempty"`     // how often the host did not answer
	Decision  *Decision `json:"decision,omitempty"` // why this host
}

type unshelving struct {
	placing
	Image string `json:"image,omitempty"`
}

type evacuation struct {
	placing
	Migration int64 `json:"migration,omitempty"`
}

type powering struct {
	job
	// To is the VM state if all goes well, Back the one if not, and BackPower what
	// the host is told then.
	To        VMState `json:"to,omitempty"`
	Back      VMState `json:"back,omitempty"`
	BackPower string  `json:"back_power,omitempty"`
}

type snapshotting struct {
	job
	Image    string `json:"image,omitempty"`
	Backup   string `json:"backup,omitempty"`   // backup_type
	Rotation int    `json:"rotation,omitempty"` // of backups
}

type shelving struct {
	job
	Back      VMState `json:"back,omitempty"`
	BackPower string  `json:"back_power,omitempty"`
	Image     string  `json:"image,omitempty"`
}

// moving is a resize or a migration.
type moving struct {
	job
	Back      VMState   `json:"back,omitempty"`
	BackPower string    `json:"back_power,omitempty"`
	Decision  *Decision `json:"decision,omitempty"`
	Image     string    `json:"image,omitempty"` // carries the root disk
	Migration int64     `json:"migration,omitempty"`
	OldHost   string    `json:"old_host,omitempty"`
	WasOn     bool      `json:"was_on,omitempty"`
}

// confirmation makes a move stay, reversal takes it back.
type confirmation struct {
	job
	Migration int64  `json:"migration,omitempty"`
	OldHost   string `json:"old_host,omitempty"`
}

type reversal struct {
	job
	Back      VMState `json:"back,omitempty"`
	Migration int64   `json:"migration,omitempty"`
	OldHost   string  `json:"old_host,omitempty"`
	WasOn     bool    `json:"was_on,omitempty"`
}

type plugging struct {
	job
	Port string `json:"port,omitempty"`
}

// attaching is a volume's coming or going.
type attaching struct {
	job
	Device string `json:"device"`
}

func (j *job) common() *job         { return j }
func (p *placing) search() *placing { return p }

// state is a pointer to what any kind keeps; seeking to what a kind that looks
// for a host does.
type (
	state[S any] interface {
		*S
		common() *job
	}
	seeking[S any] interface {
		*S
		search() *placing
	}
)

// each makes a step of any kind from what needs the job alone; at makes one from
// what needs the search for a host.
func each[S any, P state[S]](do func(context.Context, *job) error) func(context.Context, *S) error {
	return func(ctx context.Context, v *S) error { return do(ctx, P(v).common()) }
}

func at[S any, P seeking[S]](do func(context.Context, *placing) error) func(context.Context, *S) error {
	return func(ctx context.Context, v *S) error { return do(ctx, P(v).search()) }
}

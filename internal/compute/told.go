package compute

import (
	"strconv"

	"kumoi/internal/compute/keypair"
	"kumoi/internal/compute/servergroup"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// serverState is a server in events.
type serverState struct {
	Name       string     `json:"name"`
	Status     string     `json:"status"`
	VMState    VMState    `json:"vm_state"`
	TaskState  TaskState  `json:"task_state,omitempty"`
	PowerState PowerState `json:"power_state"`
	Progress   int        `json:"progress,omitempty"`
	Host       string     `json:"host,omitempty"`
	Zone       string     `json:"availability_zone,omitempty"`
	Flavor     string     `json:"flavor,omitempty"`
	Image      string     `json:"image,omitempty"`
	Locked     bool       `json:"locked,omitempty"`
	Fault      string     `json:"fault,omitempty"`
}

// groupState is a server group in events, keypairState a key pair.
type (
	groupState struct {
		Name   string `json:"name"`
		Policy string `json:"policy"`
	}
	keypairState struct {
		Name        string `json:"name"`
		Type        string `json:"type"`
		Fingerprint string `json:"fingerprint"`
		UserID      string `json:"user_id"`
	}
)

// tell has events published of what becomes of the service's resources, where
// their rows are written.
func tell(l *event.Log, db *store.DB, t Tables) {
	event.ObserveAs(l, db, t.Servers.Name(), "compute.server", event.Names{
		Create: "compute.instance.create.start", Update: "compute.instance.update", Delete: "compute.instance.delete.end",
	}, func(s *Server) event.Subject {
		return event.Subject{Resource: s.ID, Project: s.ProjectID, State: stateOf(s), Gone: s.Deleted}
	})
	event.Observe(l, db, t.ServerGroups.Name(), "compute.server_group", "server_group.%s", func(g *servergroup.Group) event.Subject {
		return event.Subject{Resource: g.ID, Project: g.ProjectID, State: groupState{g.Name, g.Policy}}
	})
	event.Observe(l, db, t.Keypairs.Name(), "compute.keypair", "keypair.%s.end", func(k *keypair.Keypair) event.Subject {
		return event.Subject{Resource: strconv.FormatInt(k.ID, 10), State: keypairState{k.Name, k.Type, k.Fingerprint, k.UserID}}
	})
}

func stateOf(s *Server) serverState {
	state := serverState{
		Name: s.Name, Status: s.Status(), VMState: s.VMState, TaskState: s.TaskState, PowerState: s.PowerState, Progress: s.Progress,
		Host: s.Host, Zone: s.AvailabilityZone, Image: s.ImageID, Locked: s.Locked,
	}
	if s.Flavor != nil {
		state.Flavor = s.Flavor.Name
	}
	if s.Fault != nil {
		state.Fault = s.Fault.Message
	}
	return state
}

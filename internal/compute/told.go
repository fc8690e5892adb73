package compute

import (
	"context"
	"strconv"

	"kumoi/internal/compute/keypair"
	"kumoi/internal/kernel/event"
	"kumoi/internal/kernel/store"
)

// told is the table of servers that publishes what becomes of them, where their rows change.
type told struct {
	*store.Table[Server]
	events *event.Log
}

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

// Insert adds a server and tells of it.
func (t told) Insert(ctx context.Context, tx *store.Tx, s *Server) error {
	if err := t.Table.Insert(ctx, tx, s); err != nil {
		return err
	}
	return t.tell(ctx, tx, s, "create", "create.start")
}

// Update writes a server and tells of it.
func (t told) Update(ctx context.Context, tx *store.Tx, s *Server) error {
	if err := t.Table.Update(ctx, tx, s); err != nil {
		return err
	}
	if s.Deleted {
		return t.tell(ctx, tx, s, "delete", "delete.end")
	}
	return t.tell(ctx, tx, s, "update", "update")
}

func (t told) tell(ctx context.Context, tx *store.Tx, s *Server, what, notification string) error {
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
	return t.events.Publish(ctx, tx, event.Event{
		Type: "compute.server." + what, Notification: "compute.instance." + notification, Resource: s.ID, Project: s.ProjectID,
	}, state)
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

// tell has events published of the families that need no more than a table.
func tell(l *event.Log, db *store.DB, t Tables) {
	if l == nil {
		return
	}
	event.Observe(l, db, t.ServerGroups.Name(), "compute.server_group", "server_group.%s", func(g *ServerGroup) event.Subject {
		return event.Subject{Resource: g.ID, Project: g.ProjectID, State: groupState{g.Name, g.Policy}}
	})
	event.Observe(l, db, t.Keypairs.Name(), "compute.keypair", "keypair.%s.end", func(k *keypair.Keypair) event.Subject {
		return event.Subject{Resource: strconv.FormatInt(k.ID, 10), State: keypairState{k.Name, k.Type, k.Fingerprint, k.UserID}}
	})
}

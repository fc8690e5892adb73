package compute

import (
	"time"

	"kumoi/internal/hostapi"
)

// Host is a machine that runs servers, as its last report and its operator say.
type Host struct {
	Name           string
	Number         int64
	ServiceID      string
	HypervisorID   string
	Report         hostapi.HostReport
	Sequence       int64
	Disabled       bool
	DisabledReason string
	ForcedDown     bool
	SeenAt         time.Time
	CreatedAt      time.Time
	UpdatedAt      time.Time
	// Read with the host, not stored.
	Zone string `json:"-"`
	Up   bool   `json:"-"`
}

// Usable tells whether new servers may be placed on the host.
func (h *Host) Usable() bool { return h.Up && !h.Disabled }

// Action is something that was done to a server, as its history shows it.
type Action struct {
	ID                            int64
	ServerID, RequestID, Action   string
	UserID, ProjectID             string
	Message                       string
	StartedAt, EndedAt, UpdatedAt time.Time
	Events                        []*Event
	// EventsShown and DetailsShown are what the actor who asked may see of the events.
	EventsShown, DetailsShown bool
}

// Event is one step of an action.
type Event struct {
	ActionID                               int64
	Name, Host, Result, Details, Traceback string
	StartedAt, EndedAt                     time.Time
}

// Migration is a move of a server between hosts or flavors.
type Migration struct {
	ID                   int64
	UUID, ServerID       string
	ProjectID, UserID    string
	Type, Status         string // migration, resize, live-migration, evacuation
	SourceHost, DestHost string
	OldFlavor, NewFlavor *Flavor
	CreatedAt, UpdatedAt time.Time
}

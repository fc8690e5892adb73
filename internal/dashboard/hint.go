package dashboard

import (
	"encoding/json"
	"strings"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/event"
)

// Hint says that something has changed, and nothing of what it has become.
type Hint struct {
	At      event.Position `json:"seq"`
	Kind    string         `json:"kind"` // "compute.server"
	ID      string         `json:"id"`
	Op      string         `json:"op"` // create, update or delete
	Project string         `json:"project,omitempty"`

	public bool   // everybody may see it
	user   string // its own user's, whoever changed it
}

// A kind's audience, besides those who are told of everything. What is in no list
// is for those alone: a kind that is new, or nobody's, is told to no one else.
var (
	// ofProjects are what belongs to a project and is seen by all of it.
	ofProjects = set("compute.server", "compute.server_group", "image.image",
		"network.network", "network.subnet", "network.port", "network.router", "network.floatingip", "network.port_forwarding",
		"network.security_group", "network.security_group_rule", "network.subnetpool", "network.trunk", "network.policy",
		"network.rbac_policy", "network.address_scope", "network.address_group", "network.server",
		"volume.volume", "volume.snapshot", "volume.backup", "volume.attachment", "volume.transfer", "volume.server")
	// ofPersons are what a user keeps, and only he makes and takes away.
	ofPersons = set("identity.credential", "identity.application_credential", "identity.access_rule", "identity.access_token", "identity.trust")
	// named are those whose id is the user's, project's or domain's own.
	named = set("identity.user", "identity.role_assignment", "identity.project", "identity.domain")
)

func set(kinds ...string) map[string]bool {
	out := map[string]bool{}
	for _, k := range kinds {
		out[k] = true
	}
	return out
}

// hintOf makes an event's hint. The event's state, which may say whose a resource
// is or that everybody sees it, stays here.
func hintOf(e event.Event) Hint {
	dot := max(strings.LastIndexByte(e.Type, '.'), 0)
	h := Hint{At: e.At, Kind: e.Type[:dot], ID: e.Resource, Op: strings.TrimPrefix(e.Type[dot:], "."), Project: e.Project}
	var state struct {
		Visibility string `json:"visibility"`
		Shared     bool   `json:"shared"`
		External   bool   `json:"router:external"`
		UserID     string `json:"user_id"`
	}
	switch {
	case h.Kind == "compute.keypair", h.Kind == "image.image", h.Kind == "network.network":
		if json.Unmarshal(e.State, &state) != nil {
			break // it was too long to be kept: fewer are told
		}
		h.user = state.UserID
		h.public = state.Visibility == "public" || state.Visibility == "community" || state.Shared || state.External
	case ofPersons[h.Kind]:
		h.user = e.User
	}
	if !ofProjects[h.Kind] {
		h.Project = "" // where whoever changed it was at work is nobody's business
	}
	return h
}

// For tells whether an actor is told; all says that he may be told of everything.
func (h Hint) For(a *actor.Actor, all bool) bool {
	switch {
	case all, h.public, h.user != "" && h.user == a.UserID:
		return true
	case ofProjects[h.Kind]:
		return h.Project != "" && h.Project == a.ProjectID
	case named[h.Kind]:
		return h.ID != "" && (h.ID == a.UserID || h.ID == a.ProjectID || h.ID == a.DomainID)
	}
	return false
}

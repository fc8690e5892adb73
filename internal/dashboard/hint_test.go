package dashboard

import (
	"fmt"
	"strings"
	"testing"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/event"
)

// Who is told of what. The letters are those whom a change concerns: M a member of
// the project that has it, U its own user in another project, O a member of another
// project, D a manager of the domain, N somebody without a scope, A who may be told
// of everything. Whoever changed it was at work in O's project.
func TestAudience(t *testing.T) {
	people := []struct {
		letter string
		who    *actor.Actor
		all    bool
	}{
		{"M", &actor.Actor{UserID: "mia", ProjectID: "mine"}, false},
		{"U", &actor.Actor{UserID: "uma", ProjectID: "hers"}, false},
		{"O", &actor.Actor{UserID: "oto", ProjectID: "other"}, false},
		{"D", &actor.Actor{UserID: "dan", DomainID: "domain"}, false},
		{"N", &actor.Actor{UserID: "nil"}, false},
		{"A", &actor.Actor{UserID: "ada", SystemScope: "all"}, true},
	}
	const everybody = "MUODNA"
	of := func(state, user, id string) event.Event {
		return event.Event{Project: "mine", State: []byte(state), User: user, Resource: id}
	}
	told := map[string][]struct {
		e    event.Event
		want string
	}{
		"compute.server": {{of(`{"name":"web"}`, "oto", "s"), "MA"}, {of(`{"shared":true,"visibility":"public","user_id":"uma"}`, "oto", "s"), "MA"}},
		"image.image": {
			{of(`{"visibility":"private"}`, "oto", "i"), "MA"},
			{of(`{"visibility":"shared"}`, "oto", "i"), "MA"},
			{of(`{"visibility":"public"}`, "oto", "i"), everybody},
			{of(`{"visibility":"community"}`, "oto", "i"), everybody},
			{of("", "oto", "i"), "MA"},
		},
		"network.network": {
			{of(`{"shared":false}`, "oto", "n"), "MA"}, {of(`{"shared":true}`, "oto", "n"), everybody}, {of(`{"router:external":true}`, "oto", "n"), everybody},
		},
		// A key pair's project is that of the request, and says nothing.
		"compute.keypair": {{event.Event{Project: "other", User: "oto", State: []byte(`{"user_id":"uma"}`)}, "UA"}, {event.Event{Project: "other", User: "uma"}, "A"}},
		"identity.user":   {{event.Event{Project: "other", Resource: "uma"}, "UA"}},
		"identity.role_assignment": {
			{event.Event{Project: "other", Resource: "uma"}, "UA"}, {event.Event{Project: "other", Resource: "group"}, "A"},
		},
		"identity.project":                {{event.Event{Project: "other", Resource: "mine"}, "MA"}},
		"identity.domain":                 {{event.Event{Project: "other", Resource: "domain"}, "DA"}},
		"identity.credential":             {{event.Event{Project: "other", User: "uma", Resource: "c"}, "UA"}},
		"identity.application_credential": {{event.Event{Project: "other", User: "uma", Resource: "c"}, "UA"}},
		"identity.access_rule":            {{event.Event{Project: "other", User: "uma", Resource: "c"}, "UA"}},
		"identity.access_token":           {{event.Event{Project: "other", User: "uma", Resource: "c"}, "UA"}},
		"identity.trust":                  {{event.Event{Project: "other", User: "uma", Resource: "c"}, "UA"}},
		"identity.role":                   {{event.Event{Project: "mine", User: "mia", Resource: "r"}, "A"}},
		"placement.allocation":            {{event.Event{Project: "mine", User: "mia", Resource: "s"}, "A"}},
		"placement.resource_provider":     {{event.Event{Project: "mine", User: "mia", Resource: "h"}, "A"}},
		// What is new is nobody's until somebody has said whose it is.
		"new.thing": {{event.Event{Project: "mine", User: "mia", Resource: "mia", State: []byte(`{"shared":true,"user_id":"mia"}`)}, "A"}},
		"odd":       {{event.Event{Project: "mine"}, "A"}},
	}
	for kind := range ofProjects {
		if told[kind] == nil {
			told[kind] = append(told[kind], struct {
				e    event.Event
				want string
			}{of(`{"shared":true}`, "oto", "x"), "MA"})
		}
	}
	for kind, cases := range told {
		for _, tc := range cases {
			tc.e.Type = kind + ".update"
			h := hintOf(tc.e)
			var got strings.Builder
			for _, p := range people {
				if h.For(p.who, p.all) {
					got.WriteString(p.letter)
				}
			}
			if got.String() != tc.want {
				t.Errorf("%s %s: told to %s, want %s", kind, tc.e.State, got.String(), tc.want)
			}
			if kind != "odd" && (h.Kind != kind || h.Op != "update" || h.ID != tc.e.Resource) || !ofProjects[kind] && h.Project != "" {
				t.Errorf("%s", fmt.Sprintf("%+v", h))
			}
		}
	}
	// Nothing in common is not the same nothing.
	for kind := range told {
		h := hintOf(event.Event{Type: kind + ".delete"})
		if h.For(&actor.Actor{}, false) {
			t.Errorf("%s: told to nobody in particular", kind)
		}
	}
}

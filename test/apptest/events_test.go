package apptest

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"

	"kumoi/internal/app"
	"kumoi/internal/kernel/event"
)

// What becomes of a server is told in the order in which it happened, with who
// asked for it, and so is what was made around it.
func TestEventsTellWhatHappens(t *testing.T) {
	Each(t, func(t *testing.T, c *Cloud) {
		admin := c.Admin()
		user := c.NewUser(admin, "alice")
		need := Prepare(admin, user)
		id := user.NewServer("first", need)
		user.WaitServer(id, "ACTIVE")
		if err := servers.Delete(user.ctx, user.Compute, id).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		Until(t, "the server to be gone", func() bool {
			_, err := servers.Get(user.ctx, user.Compute, id).Extract()
			return Gone(err)
		})
		all := events(t, c, "/events?after=")
		types := map[string]bool{}
		var states []string
		for _, e := range all {
			types[e.Type] = true
			if e.Resource != id || !strings.HasPrefix(e.Type, "compute.server.") {
				continue
			}
			var state struct{ Status, Name string }
			if err := json.Unmarshal(e.State, &state); err != nil || state.Name != "first" {
				t.Errorf("%v: %s", err, e.State)
			}
			if n := len(states); n == 0 || states[n-1] != state.Status {
				states = append(states, state.Status)
			}
			if e.Project == "" || e.Type == "compute.server.create" && (e.User == "" || e.Request == "" || e.Notification != "compute.instance.create.start") {
				t.Errorf("%+v", e)
			}
		}
		if !slices.Equal(states, []string{"BUILD", "ACTIVE", "DELETED"}) {
			t.Errorf("the server was %v", states)
		}
		for _, want := range []string{
			"identity.user.create", "identity.project.create", "image.image.create", "image.image.update", "compute.server.update", "compute.server.delete",
			"network.port.create", "network.port.delete", "placement.inventory.create", "placement.allocation.create", "placement.allocation.delete",
		} {
			if !types[want] {
				t.Errorf("no event %s", want)
			}
		}
		for _, e := range events(t, c, "/events?type=compute&resource="+id+"&after="+all[0].At.String()) {
			if e.Resource != id {
				t.Errorf("an event of %s", e.Resource)
			}
		}
	})
}

// events asks the cloud for all events that a query selects.
func events(t *testing.T, c *Cloud, query string) []event.Event {
	t.Helper()
	var out []event.Event
	for after := ""; ; {
		var page app.EventPage
		if err := app.AdminClientOf(c.Config.DataDir).Call(t.Context(), "GET", query+after, nil, &page); err != nil {
			t.Fatal(err)
		}
		if page.Next.String() == after {
			return out
		}
		out, after = append(out, page.Events...), page.Next.String()
		if query[len(query)-1] != '=' {
			return out
		}
	}
}

package compute

import (
	"strings"
	"testing"
	"time"

	"kumoi/internal/hostapi"
)

// An explanation reads in the order in which things happened, and leaves out what
// is not known.
func TestExplanationReads(t *testing.T) {
	at := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	step := func(name string, second int, result string) *Event {
		return &Event{Name: name, Result: result, StartedAt: at.Add(time.Duration(second) * time.Second), EndedAt: at.Add(time.Duration(second+1) * time.Second)}
	}
	e := &Explanation{
		Server: &Server{ID: "s", Name: "web", Host: "h1"}, Status: "ACTIVE", Decision: []string{"host h1 fits"},
		Actions: []ExplainedAction{{Took: 3 * time.Second, Action: Action{
			Action: "create", RequestID: "req-1", StartedAt: at,
			Events: []*Event{step("third", 2, "Success"), step("second", 1, "Success"), step("first", 0, "Error")}, // newest first, as stored
		}}},
		Ports: []ExplainedPort{{ID: "p", MAC: "fa:16:3e:00:00:01", NetworkID: "n", Addresses: []string{"10.0.0.3"}, Status: "DOWN"}},
		Guest: &hostapi.ServerReport{Host: "h1", Power: hostapi.PowerRunning, Domain: "kumoi-s"},
	}
	text := e.String()
	rest := text
	for _, want := range []string{
		"Server s (web) is ACTIVE on host h1.", "Why there", "host h1 fits", "Ports", "bound to no host, DOWN",
		"What was done", "create", "3s", "first", "1s", "Error", "second", "third", "The guest, as host h1 sees it: running, libvirt domain kumoi-s",
	} {
		i := strings.Index(rest, want)
		if i < 0 {
			t.Fatalf("%q is missing, or not in its place:\n%s", want, text)
		}
		rest = rest[i+len(want):]
	}
	bare := (&Explanation{Server: &Server{ID: "s"}, Status: "BUILD"}).String()
	if strings.Contains(bare, "Ports") || strings.Contains(bare, "host") {
		t.Errorf("of a server of which nothing is known:\n%s", bare)
	}
}

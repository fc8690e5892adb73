package compute_test

import (
	"encoding/json"
	"reflect"
	"testing"

	"kumoi/internal/compute"
)

// before is a saga as every kind was kept when one struct served them all.
const before = `{
	"server": "s", "action": 7, "name": "migrate", "host": "h2", "to": "resized", "back": "active", "back_power": "running",
	"tried": ["h1"], "last_error": "no", "away": 2, "decision": {"host": "h2", "why": "room"}, "image": "i", "backup": "daily", "rotation": 3,
	"migration": 5, "old_host": "h1", "port": "p", "was_on": true, "offload": true
}`

// A saga that an older kumoi began goes on: what its kind still keeps is read
// from what was kept then, and nothing else is made of it.
func TestSagasOfTheOlderFormat(t *testing.T) {
	t.Parallel()
	var old map[string]any
	if err := json.Unmarshal([]byte(before), &old); err != nil {
		t.Fatal(err)
	}
	placing := []string{"tried", "last_error", "away", "decision"}
	for _, tc := range []struct {
		kind string
		into any
		keys []string
	}{
		{"delete, apply", new(compute.Job), nil},
		{"create", new(compute.Placing), placing},
		{"power", new(compute.Powering), []string{"to", "back", "back_power"}},
		{"snapshot", new(compute.Snapshotting), []string{"image", "backup", "rotation"}},
		{"shelve", new(compute.Shelving), []string{"back", "back_power", "image"}},
		{"unshelve", new(compute.Unshelving), append(placing, "image")},
		{"resize", new(compute.Moving), []string{"back", "back_power", "decision", "image", "migration", "old_host", "was_on"}},
		{"resize.confirm", new(compute.Confirmation), []string{"migration", "old_host"}},
		{"resize.revert", new(compute.Reversal), []string{"back", "migration", "old_host", "was_on"}},
		{"interface", new(compute.Plugging), []string{"port"}},
		{"evacuate", new(compute.Evacuation), append(placing, "migration")},
	} {
		if err := json.Unmarshal([]byte(before), tc.into); err != nil {
			t.Errorf("%s: %v", tc.kind, err)
			continue
		}
		text, err := json.Marshal(tc.into)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{}
		for _, k := range append([]string{"server", "action", "name", "host"}, tc.keys...) {
			want[k] = old[k]
		}
		delete(want, "decision") // its own fields are written even if they are empty
		if d, ok := got["decision"].(map[string]any); ok {
			if d["host"] != "h2" || d["why"] != "room" {
				t.Errorf("%s: decision %v", tc.kind, d)
			}
			delete(got, "decision")
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, want %v", tc.kind, got, want)
		}
	}
}

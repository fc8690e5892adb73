package attack

import (
	"strings"
	"testing"

	"kumoi/internal/kernel/httpx/httpxtest"
)

// request splits "POST network /v2.0/ports BODY".
func request(s string) (what, body string) {
	f := strings.SplitN(s, " ", 4)
	if len(f) < 4 {
		return s, ""
	}
	return strings.Join(f[:3], " "), f[3]
}

// TestUseByID puts the victim's ids into requests of a stranger's own. The same
// request with his own id is the control: it succeeds, so that a refusal is one
// of the id.
func TestUseByID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o, v := w.other, w.victim
	before := w.look(v, "")
	try := func(use string, that *tenant) httpxtest.Answer {
		what, body := request(use)
		return w.asked(what, body, o, that, o.token)
	}
	for _, r := range resources {
		for _, use := range r.uses {
			if a := try(use, v); a.Status/100 != 4 && !w.known(use, "use") || strings.Contains(string(a.Raw), v.mark) {
				t.Errorf("%s with another's: %d %s", use, a.Status, a.Raw)
			}
			idle(w, o)
			if a := try(use, o); a.Status/100 != 2 {
				t.Errorf("the control %s: %d %s", use, a.Status, a.Raw)
			}
		}
		for _, plant := range r.plants {
			a := try(plant, v)
			if list := changes(pick(before, r.name), w.look(v, r.name)); len(list) > 0 && !w.known(plant, "plant") {
				t.Errorf("%s is seen by the victim:\n  %s", plant, strings.Join(list, "\n  "))
			}
			w.unplant(a)
		}
	}
	w.stale(func(_, who string) bool { return who == "use" || who == "plant" })
	for _, c := range changes(before, w.look(v, "")) {
		t.Errorf("the victim's view has changed:\n  %s", c)
	}
}

// unplant takes back what a plant has made or changed.
func (w *world) unplant(a httpxtest.Answer) {
	w.t.Helper()
	if id := a.Text("port.id"); id != "" {
		w.http.As(w.admin).Want(200, "PUT", "/network/v2.0/ports/"+id, object{"port": object{"device_id": "", "device_owner": ""}})
	}
}

// pick is the part of a view that shows one resource.
func pick(v view, name string) view {
	out := view{}
	for _, r := range resources {
		if r.name == name {
			for _, what := range append(r.views[:len(r.views):len(r.views)], r.item) {
				out[what] = v[what]
			}
		}
	}
	return out
}

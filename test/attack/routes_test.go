package attack

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/httpx/httpxtest"
)

// place is a route with the victim's ids in it.
type place struct {
	route
	path string   // "/network/v2.0/networks/…"
	of   []string // the victim's resources that are named, by their names
	body string
}

// places fills the routes that take an id. One that the tables cannot fill fails.
func (w *world) places() []place {
	w.t.Helper()
	under := map[string]string{}
	for _, r := range resources {
		for _, u := range r.under {
			under[u] = r.name
		}
	}
	var out []place
	used := map[string]bool{}
	for _, r := range w.routes {
		if !strings.Contains(r.path, "{") {
			continue
		}
		p := place{route: r}
		words := strings.Split(r.path, "/")
		segments := slices.Clone(words)
		ok := true
		for i, s := range words {
			if !strings.HasPrefix(s, "{") {
				continue
			}
			key := r.service + " " + s
			if i > 0 && !strings.HasPrefix(words[i-1], "{") {
				key = r.service + " " + words[i-1]
			}
			if _, special := under[r.service+" "+s]; special {
				key = r.service + " " + s
			}
			used[key] = true
			if name, mine := under[key]; mine {
				segments[i] = w.victim.ids[name]
				p.of = append(p.of, name)
				ok = ok && segments[i] != ""
			} else if text, known := nobodys[key]; known {
				segments[i] = w.fill(text, w.victim, w.victim)
			} else {
				ok = false
			}
			if !ok {
				w.t.Errorf("%s: the table of resources does not say what %q is: add a resource with it under, or a word to nobodys", r, key)
				break
			}
		}
		if ok {
			p.path = "/" + r.service + strings.Join(segments, "/")
			p.body = w.bodyFor(r, p)
			out = append(out, p)
		}
	}
	for key := range nobodys {
		if !used[key] {
			w.t.Errorf("no route has %q any more: take it out of nobodys", key)
		}
	}
	return out
}

// bodyFor is a body that would do something if the victim sent it.
func (w *world) bodyFor(r route, p place) string {
	w.t.Helper()
	if r.method == "GET" || r.method == "HEAD" || r.method == "DELETE" {
		return ""
	}
	text, ok := bodies[r.key()]
	switch {
	case r.action != "" && actions[r.action] != "":
		text = `{"` + r.action + `":` + actions[r.action] + `}`
	case ok:
	case r.action != "" && strings.HasSuffix(r.path, "/action"):
		text = `{"` + r.action + `":null}`
	case strings.HasSuffix(r.path, "/tags"):
		text = `{"tags":["red"]}`
	default:
		for _, res := range resources {
			if res.update != "" && len(p.of) == 1 && p.of[0] == res.name && strings.HasSuffix(r.path, "}") && r.method == res.method {
				text = res.update
			}
		}
		text = cmp.Or(text, "{}")
	}
	return w.fill(text, w.victim, w.victim)
}

// TestCrossTenant tries every route that takes an id with the victim's.
func TestCrossTenant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	places := w.places()
	whole := w.look(w.victim, "")
	trials := 0
	for i := range places {
		p := places[i]
		safe := p.method == http.MethodGet || p.method == http.MethodHead
		if len(p.of) == 0 && safe {
			continue // words and the operator's lists, which tests of their own hold
		}
		name := ""
		if len(p.of) > 0 {
			name = p.of[len(p.of)-1]
		}
		before := w.look(w.victim, name)
		if safe && !p.public() {
			a := w.send(p, persona{token: w.victim.token})
			if a.Status == http.StatusForbidden {
				a = w.send(p, persona{token: w.admin})
			}
			if a.Status/100 != 2 && a.Status != http.StatusGone && !empty[p.key()] {
				t.Errorf("the control: %s by its owner: %d %.200s", p.route, a.Status, a.Raw)
			}
		}
		for _, who := range w.people {
			if p.public() && who.token == "" {
				continue
			}
			trials++
			a := w.send(p, who)
			why := w.wrong(p, who, a)
			if why == "" {
				continue
			}
			if !w.known(p.route.String(), who.name) {
				t.Errorf("%s as %s: %d, %s: %.200s", p.route, who.name, a.Status, why, a.Raw)
			}
			if name != "" && !safe {
				// What has been done is told once.
				if w.rescue(name) {
					places = w.places()
					p = places[i]
				}
				before = w.look(w.victim, name)
				maps.Copy(whole, before)
			}
		}
		if name != "" && !safe {
			for _, c := range changes(before, w.look(w.victim, name)) {
				t.Errorf("%s changed what is the victim's:\n  %s", p.route, c)
			}
		}
	}
	for _, c := range changes(whole, w.look(w.victim, "")) {
		t.Errorf("after all of it:\n  %s", c)
	}
	w.stale(byPersona(true))
	t.Logf("%d routes, %d trials", len(places), trials)
}

// rescue makes a resource again that an attack has destroyed, so that the
// attempts after it mean something.
func (w *world) rescue(name string) bool {
	w.t.Helper()
	for _, r := range resources {
		if r.name == name && strings.HasSuffix(w.look(w.victim, name)[r.item], gone) {
			w.make(r, w.victim)
			return true
		}
	}
	return false
}

func (p place) public() bool { return public[p.key()] }

// key is the route as the tables of bodies_test.go write it.
func (r route) key() string { return r.method + " " + r.service + " " + r.plain() }

func (w *world) send(p place, who persona) httpxtest.Answer {
	w.t.Helper()
	c := w.http.As(who.token).At(p.version)
	if p.body == "" {
		return c.Do(p.method, p.path, nil)
	}
	if strings.HasPrefix(p.body, "[") {
		return c.Do(p.method, p.path, p.body, "Content-Type", "application/openstack-images-v2.1-json-patch")
	}
	if strings.HasSuffix(p.path, "/file") || strings.HasSuffix(p.path, "/stage") {
		return c.Do(p.method, p.path, []byte("other bytes"))
	}
	return c.Do(p.method, p.path, p.body)
}

// wrong says what is wrong about an answer; "" if nothing is.
func (w *world) wrong(p place, who persona, a httpxtest.Answer) string {
	safe := p.method == http.MethodGet || p.method == http.MethodHead
	told := string(a.Raw)
	for _, v := range a.Header {
		told += strings.Join(v, " ")
	}
	switch {
	case a.Status >= 500 && a.Status != http.StatusNotImplemented:
		return "a fault of the cloud's"
	case strings.Contains(told, w.victim.mark+"-secret"):
		return "a secret is told"
	case !who.inside && strings.Contains(told, w.victim.mark):
		return "a name is told"
	case who.inside && (safe || shows[p.action]):
		return ""
	case who.token == "" || strings.HasPrefix(who.name, "a forged"):
		if a.Status != 401 && !p.public() {
			return "want 401"
		}
		return ""
	case strings.HasSuffix(who.name, "access rules") && a.Status == 401:
		return ""
	case slices.Contains([]int{403, 404, 405, 410}, a.Status):
		return ""
	case p.public():
		return ""
	}
	return "want a refusal"
}

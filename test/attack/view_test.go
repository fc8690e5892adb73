package attack

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// view is what there is of a tenant's resources, as the operator sees it, by
// the request that shows it.
type view map[string]string

// look takes the view of one resource, or of all: name is "".
func (w *world) look(t *tenant, name string) view {
	w.t.Helper()
	v := view{}
	for _, r := range resources {
		if name != "" && r.name != name {
			continue
		}
		for _, what := range append(slices.Clone(r.views), r.item) {
			if what == "" {
				continue
			}
			token := w.admin
			if what != r.item || r.name == "keypair" || strings.Contains(what, "application_credentials") {
				token = t.token // of the user, not of the cloud
			}
			a := w.asked("GET "+what, "", t, t, token)
			v[what] = a.Request + ": " + stable(a.Body)
			if a.Status != 200 {
				v[what] = a.Request + gone
			}
		}
	}
	return v
}

const gone = ": it is gone"

// stable is a body without what changes by itself.
func stable(body any) string {
	var strip func(v any) any
	strip = func(v any) any {
		switch x := v.(type) {
		case object:
			x = maps.Clone(x)
			for k, y := range x {
				if k == "updated" || k == "updated_at" || k == "status" || k == "generation" || strings.HasPrefix(k, "OS-EXT-STS") || k == "progress" {
					delete(x, k)
					continue
				}
				x[k] = strip(y)
			}
			return x
		case []any:
			out := make([]any, len(x))
			for i := range x {
				out[i] = strip(x[i])
			}
			return out
		}
		return v
	}
	text, _ := json.Marshal(strip(body))
	return string(text)
}

// changes lists what differs between two views.
func changes(before, after view) []string {
	var out []string
	for what, was := range before {
		if is := after[what]; is != was {
			out = append(out, "was "+was+"\n   is "+is)
		}
	}
	slices.Sort(out)
	return out
}

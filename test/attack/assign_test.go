package attack

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"kumoi/internal/kernel/httpx/httpxtest"
)

// foreign are attributes that an ordinary user does not set, each with a value
// that gives it away. IDs in them are the victim's.
func (w *world) foreign() map[string]any {
	v := w.victim
	return map[string]any{
		"id": "11111111-2222-4333-8444-555555555555", "project_id": v.ids["project"], "tenant_id": v.ids["project"], "owner": v.ids["project"],
		"user_id": v.ids["user"], "domain_id": v.domain, "default_project_id": v.ids["project"], "owner_id": v.ids["user"],
		"status": "xsentinel", "created_at": "2001-01-01T00:00:00Z", "updated_at": "2001-01-01T00:00:00Z", "revision_number": 9999,
		"host": "xsentinel", "hypervisor_hostname": "xsentinel", "OS-EXT-SRV-ATTR:host": "xsentinel", "hostId": "xsentinel",
		"OS-EXT-STS:vm_state": "xsentinel", "OS-EXT-AZ:availability_zone": "xsentinel", "locked": true, "fault": "xsentinel", "key_pair_owner": "xsentinel",
		"router:external": true, "shared": true, "is_default": true, "is_public": true, "public": true, "visibility": "public",
		"provider:network_type": "flat", "provider:physical_network": "outside", "provider:segmentation_id": 77,
		"binding:host_id": "xsentinel", "binding:profile": object{"xsentinel": "xsentinel"}, "binding:vif_type": "xsentinel",
		"device_owner": "network:dhcp", "floating_ip_address": "203.0.113.77", "router_id": v.ids["router"],
		"ha": true, "distributed": true, "service_types": []string{"xsentinel"}, "standard_attr_id": 9999,
		"links": object{"self": "xsentinel"}, "self": "xsentinel", "file": "xsentinel", "schema": "xsentinel", "direct_url": "xsentinel", "locations": []object{{"url": "xsentinel"}},
		"checksum": "xsentinel", "os_hash_value": "xsentinel", "size": 9999, "password_hash": "xsentinel", "trust_id": "xsentinel", "access": "xsentinel",
		"app_cred_id": "xsentinel", "roles": []object{{"name": "admin"}}, "trustor_user_id": v.ids["user"], "redelegated_trust_id": "xsentinel", "members": []string{v.ids["server"]},
	}
}

// TestMassAssignment sets each of them in every body that a tenant may send.
// It is refused, or what is made does not have it.
func TestMassAssignment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.other
	before := w.look(w.victim, "")
	attrs := w.foreign()
	trials := 0
	tried := map[string]bool{}
	for _, r := range resources {
		if r.create == "" || r.byAdmin || r.item == "" || tried[r.create] {
			continue
		}
		tried[r.create] = true
		plain := w.asked("GET "+strings.ReplaceAll(r.item, "$that", "$own"), "", o, o, o.token).Body
		for _, name := range slices.Sorted(maps.Keys(attrs)) {
			if _, has := find(plain, name); slices.Contains(r.maySet, name) || slices.Contains(r.maySet, "*") && !has {
				continue
			}
			trials++
			if a := w.asked(r.create, with(t, w.fill(r.body, o, o), name, attrs[name]), o, o, o.token); w.taken(r, a, name, attrs[name], "POST") {
				w.drop(r, a)
			}
			if r.update != "" {
				trials++
				what := r.method + " " + strings.ReplaceAll(r.item, "$that", "$own")
				w.taken(r, w.asked(what, with(t, w.fill(r.update, o, o), name, attrs[name]), o, o, o.token), name, attrs[name], r.method)
			}
		}
	}
	for _, c := range changes(before, w.look(w.victim, "")) {
		t.Errorf("the victim's view has changed:\n  %s", c)
	}
	w.stale(func(_, who string) bool { return who == "assign" })
	t.Logf("%d trials", trials)
}

// with puts an attribute into a body.
func with(t *testing.T, body, name string, value any) string {
	t.Helper()
	if strings.HasPrefix(body, "[") {
		text, _ := json.Marshal([]object{{"op": "add", "path": "/" + name, "value": value}})
		return string(text)
	}
	b := object{}
	if err := json.Unmarshal([]byte(body), &b); err != nil {
		t.Fatal(body, err)
	}
	in := b
	for _, v := range b {
		if m, ok := v.(object); ok && len(b) == 1 {
			in = m
		}
	}
	if _, there := in[name]; there && name != "roles" {
		in[name+"_"] = nil // it is its user's to set: try nothing
		name = "xsentinel"
	}
	in[name] = value
	text, _ := json.Marshal(b)
	return string(text)
}

// taken judges an answer; it tells whether something was made.
func (w *world) taken(r resource, a httpxtest.Answer, name string, value any, method string) bool {
	w.t.Helper()
	switch {
	case a.Status >= 500:
		w.t.Errorf("%s with %s=%v: %d %s", a.Request, name, value, a.Status, a.Raw)
	case a.Status/100 != 2:
		return false
	}
	got, there := find(a.Body, name)
	if there && same(got, value) && !w.known(method+" "+r.name+" "+name, "assign") {
		w.t.Errorf("%s takes %s=%v: %.300s", a.Request, name, value, a.Raw)
	}
	return true
}

// find looks for an attribute in a resource's body.
func find(body any, name string) (any, bool) {
	m, _ := body.(object)
	if v, ok := m[name]; ok {
		return v, true
	}
	for _, v := range m {
		if in, ok := v.(object); ok {
			if v, ok := in[name]; ok {
				return v, true
			}
		}
	}
	return nil, false
}

func same(a, b any) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return reflect.DeepEqual(x, y)
}

// drop deletes what a trial has made.
func (w *world) drop(r resource, a httpxtest.Answer) {
	w.t.Helper()
	id := a.Text(r.id)
	if n, ok := a.Get(r.id).(float64); ok {
		id = fmt.Sprint(int64(n))
	}
	mine := &tenant{mark: w.other.mark, ids: maps.Clone(w.other.ids)}
	if id == mine.ids[r.name] {
		return
	}
	mine.ids[r.name] = id
	w.asked("DELETE "+r.item, "", mine, mine, w.other.token)
}

package attack

import (
	"fmt"

	"kumoi/test/apptest"
)

// resource is one kind of thing that a tenant has. Bodies are templates: see fill.
type resource struct {
	name    string
	create  string // "POST network /v2.0/networks"; "": the tenant has it anyway
	body    string
	byAdmin bool   // only the operator makes them; the tenant owns the outcome
	id      string // where the answer has the id
	then    func(w *world, t *tenant)
	// under lists, with its service, each path segment that the id follows: "network networks".
	under []string
	item  string // "network /v2.0/networks/$that.network": where to see and delete it
	// update is what its owner may change: method and body.
	method, update string
	// uses are requests that a tenant may make with his own of these, and with
	// nobody else's: "POST network /v2.0/ports BODY".
	uses []string
	// plants are requests that name one of these and may succeed; its owner's view
	// of it must not change by them.
	plants []string
	views  []string // what its owner sees of it besides the item
	// maySet lists attributes that a user of this resource may set; "*" are all
	// that it does not have by itself.
	maySet []string
}

// resources are in the order in which they need each other.
var resources = slicesOf(identityResources, imageResources, networkResources, volumeResources, computeResources)

func slicesOf(lists ...[]resource) (all []resource) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// nobodys are the placeholders that stand for no tenant's thing: the operator's
// objects, words of a small set, and what this cloud never has.
var nobodys = map[string]string{
	"identity {option}": "url", "identity config": "ldap", "identity roles": "$reader", "identity implies": "$reader",
	"identity tags": "red", "identity endpoints": none, "identity endpoint_groups": none, "identity services": none,
	"identity regions": "RegionOne", "identity policies": none, "identity registered_limits": none, "identity consumers": "$consumer",
	"identity identity_providers": "none", "identity protocols": "none", "identity mappings": "none", "identity service_providers": "none",
	"identity websso": "none", "identity authorize": none,

	"ui ": "p", // any place within the web page

	"image tags": "red", "image stores": "file", "image tasks": none, "image objects": "none", "image properties": "none",
	"image resource_types": "none",

	"network tags": "red", "network agents": none, "network default-security-group-rules": none, "network extensions": "qos",
	"network rule-types": "dscp_marking",

	"compute extensions": "none", "compute os-extra_specs": "k", "compute metadata": "k", "compute tags": "red", "compute os-agents": "1",
	"compute os-aggregates": "1", "compute os-assisted-volume-snapshots": none, "compute os-baremetal-nodes": none, "compute os-cells": "none",
	"compute os-console-auth-tokens": none, "compute os-fixed-ips": "10.9.0.9", "compute os-floating-ip-dns": "none", "compute entries": "none",
	"compute os-floating-ips-bulk": "none", "compute os-hosts": "testhost", "compute os-hypervisors": "1",
	"compute os-instance_usage_audit_log": "2026-01-01", "compute os-quota-class-sets": "default", "compute os-security-group-default-rules": none,
	"compute os-services": none, "compute os-snapshots": none, "compute os-volumes": none, "compute consoles": "1", "compute ips": "label",
	"compute migrations": "1", "compute os-instance-actions": "req-" + none, "compute os-volume_attachments": none, "compute shares": none,
	"compute versions": "v2.1",

	"volume metadata": "k", "volume encryption": "cipher", "volume types": none, "volume extra_specs": "k", "volume qos-specs": none,
	"volume os-quota-class-sets": "default", "volume messages": none, "volume groups": none, "volume group_snapshots": none,
	"volume group_types": none, "volume group_specs": "k", "volume clusters": "none", "volume os-hosts": "none", "volume capabilities": "none",

	"placement resource_classes": "CUSTOM_GOLD", "placement resource_providers": none, "placement inventories": "VCPU", "placement traits": "CUSTOM_GOLD",

	"console files": "none",
}

const none = "00000000-0000-4000-8000-000000000000"

// share makes what is nobody's.
func (w *world) share() {
	w.t.Helper()
	c := w.http.As(w.admin)
	w.shared["reader"] = w.roles["reader"]
	w.shared["friend"] = c.Want(201, "POST", "/identity/v3/projects", object{"project": object{"name": "friend"}}).Text("project.id")
	w.shared["outside"] = c.Want(201, "POST", "/network/v2.0/networks", object{"network": object{
		"name": "outside", "router:external": true, "provider:network_type": "flat", "provider:physical_network": "outside",
	}}).Text("network.id")
	c.Want(201, "POST", "/network/v2.0/subnets", object{"subnet": object{
		"network_id": w.shared["outside"], "cidr": "203.0.113.0/24", "ip_version": 4, "enable_dhcp": false,
	}})
	w.shared["flavor"] = c.Want(200, "POST", "/compute/v2.1/flavors", object{"flavor": object{"name": "small", "vcpus": 1, "ram": 64, "disk": 1}}).Text("flavor.id")
	w.shared["service"] = c.Want(200, "GET", "/identity/v3/services?type=image", nil).Text("services.0.id")
	c.Want(201, "POST", "/identity/v3/registered_limits", object{"registered_limits": []object{
		{"service_id": w.shared["service"], "resource_name": "image_count_total", "default_limit": 100},
	}})
	c.Want(200, "PUT", "/volume/v3/os-quota-class-sets/default", object{"quota_class_set": object{"volumes": 1000, "snapshots": 1000, "backups": 1000}})
	c.Want(200, "PUT", "/network/v2.0/quotas/"+w.shared["friend"], object{"quota": object{"network": 100}})
}

// waitServer waits until a tenant's server runs.
func waitServer(w *world, t *tenant) {
	c := w.http.As(t.token)
	apptest.Until(w.t, "the server of "+t.mark, func() bool {
		a := c.Want(200, "GET", "/compute/v2.1/servers/"+t.ids["server"], nil)
		if a.Text("server.status") == "ERROR" {
			w.t.Fatalf("%s", a.Raw)
		}
		return a.Text("server.status") == "ACTIVE"
	})
}

// idle waits until nothing is done to a tenant's server.
func idle(w *world, t *tenant) {
	c := w.http.As(t.token)
	apptest.Until(w.t, "the server of "+t.mark+" to be idle", func() bool {
		return c.Want(200, "GET", "/compute/v2.1/servers/"+t.ids["server"], nil).Get("server.OS-EXT-STS:task_state") == nil
	})
}

func upload(w *world, t *tenant) {
	w.http.As(t.token).Want(204, "PUT", "/image/v2/images/"+t.ids["image"]+"/file", []byte(fmt.Sprintf("%s is what the disk says", t.mark)))
}

package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

func isUUID(s string) bool { return ids.IsUUID(s) }

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil { // documents hold nothing that does not marshal
		panic(err)
	}
	return string(b)
}

const computeBinary = "nova-compute"

func serviceDoc(r *httpx.Request, h *compute.Host) object {
	doc := object{
		"id": any(h.Number), "binary": computeBinary, "host": h.Name, "zone": h.Zone, "status": "enabled", "state": "down",
		"updated_at": rest.Micros.OrNull(h.SeenAt), "disabled_reason": any(nil),
	}
	if r.AtLeast(2, 53) {
		doc["id"] = h.ServiceID
	}
	if r.AtLeast(2, 11) {
		doc["forced_down"] = h.ForcedDown
	}
	if h.Up {
		doc["state"] = "up"
	}
	if h.Disabled {
		doc["status"] = "disabled"
	}
	if h.DisabledReason != "" {
		doc["disabled_reason"] = h.DisabledReason
	}
	return doc
}

func (a *services) list(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if r.AtLeast(2, 75) {
		if err := onlyKnown(r, "host", "binary"); err != nil {
			return nil, err
		}
	}
	hosts, err := a.svc.Hosts.List(ctx, "os-services:list")
	if err != nil {
		return nil, err
	}
	docs := []object{}
	for _, h := range hosts {
		if b := r.Query.Get("binary"); b != "" && b != computeBinary {
			continue
		}
		if n := r.Query.Get("host"); n != "" && n != h.Name {
			continue
		}
		docs = append(docs, serviceDoc(r, h))
	}
	return httpx.JSON(http.StatusOK, object{"services": docs}), nil
}

// serviceChange is what an operator says about a host.
type serviceChange struct {
	Host       string                     `json:"host"`
	Binary     string                     `json:"binary"`
	Status     string                     `json:"status"`
	Reason     string                     `json:"disabled_reason"`
	ForcedDown change.Optional[rest.Bool] `json:"forced_down"`
}

func (c *serviceChange) patch() compute.HostPatch {
	p := compute.HostPatch{ForcedDown: change.Optional[bool]{Set: c.ForcedDown.Set, Value: bool(c.ForcedDown.Value)}}
	switch c.Status {
	case "enabled":
		p.Disabled = change.Of(false)
	case "disabled":
		p.Disabled, p.Reason = change.Of(true), c.Reason
	}
	return p
}

var (
	binaryType        = object{"type": "string", "minLength": 1, "maxLength": 255}
	oldServiceSchemas = map[string]*rest.Schema{
		"enable":             fixed(strict(list{"host", "binary"}, object{"host": hostType, "binary": binaryType})),
		"disable":            fixed(strict(list{"host", "binary"}, object{"host": hostType, "binary": binaryType})),
		"disable-log-reason": fixed(strict(list{"host", "binary", "disabled_reason"}, object{"host": hostType, "binary": binaryType, "disabled_reason": nameType})),
		"force-down":         fixed(strict(list{"host", "binary"}, object{"host": hostType, "binary": binaryType, "forced_down": boolType})),
	}
)

func (a *services) oldUpdate(what string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		c, err := rest.Body[serviceChange](r, oldServiceSchemas[what])
		if err != nil {
			return nil, err
		}
		c.Status = map[string]string{"enable": "enabled", "disable": "disabled", "disable-log-reason": "disabled"}[what]
		by := store.Eq("name", c.Host)
		if c.Binary != computeBinary {
			by = store.In("name", []string{})
		}
		h, err := a.svc.Hosts.Change(ctx, "os-services:update", by, errs.New(errs.NotFound, "Could not find binary %s on host %s.", c.Binary, c.Host), c.patch())
		if err != nil {
			return nil, err
		}
		doc := object{"host": h.Name, "binary": computeBinary}
		switch what {
		case "force-down":
			doc["forced_down"] = h.ForcedDown
		case "disable-log-reason":
			doc["status"], doc["disabled_reason"] = c.Status, c.Reason
		default:
			doc["status"] = c.Status
		}
		return httpx.JSON(http.StatusOK, object{"service": doc}), nil
	}
}

var updateServiceSchema = fixed(merged(strict(nil, object{
	"status": object{"type": "string", "enum": list{"enabled", "disabled"}}, "disabled_reason": nameType, "forced_down": boolType,
}), object{"minProperties": 1}))

func (a *services) update(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id := r.Var("service_id")
	if !isUUID(id) {
		return nil, bad("Invalid uuid %s", id)
	}
	c, err := rest.Body[serviceChange](r, updateServiceSchema)
	if err != nil {
		return nil, err
	}
	if c.Reason != "" && c.Status != "disabled" {
		return nil, bad("Specifying disabled_reason requires that status is disabled.")
	}
	h, err := a.svc.Hosts.Change(ctx, "os-services:update", store.Eq("service_id", id), errs.New(errs.NotFound, "Service %s could not be found.", id), c.patch())
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"service": serviceDoc(r, h)}), nil
}

func (a *services) delete(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	id := r.Var("service_id")
	by := store.Eq("service_id", id)
	if !r.AtLeast(2, 53) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return nil, bad("Invalid service id %s", id)
		}
		by = store.Eq("number", n)
	} else if !isUUID(id) {
		return nil, bad("Invalid service id %s", id)
	}
	if err := a.svc.Hosts.Delete(ctx, by, errs.New(errs.NotFound, "Service %s could not be found.", id)); err != nil {
		return nil, err
	}
	return httpx.NoContent(), nil
}

// listHosts and its kin are the hosts API that ended with 2.42.
func (a *services) listHosts(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	hosts, err := a.svc.Hosts.List(ctx, "os-hosts:list")
	if err != nil {
		return nil, err
	}
	docs := []object{}
	for _, h := range hosts {
		if z := r.Query.Get("zone"); z == "" || z == h.Zone {
			docs = append(docs, object{"host_name": h.Name, "service": "compute", "zone": h.Zone})
		}
	}
	return httpx.JSON(http.StatusOK, object{"hosts": docs}), nil
}

func (a *services) showHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	hosts, err := a.svc.Hosts.Loads(ctx, "os-hosts:show", true)
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if h.Host.Name != r.Var("host_name") {
			continue
		}
		row := func(project string, cpu, mem, disk int) object {
			return object{"resource": object{"host": h.Host.Name, "project": project, "cpu": cpu, "memory_mb": mem, "disk_gb": disk}}
		}
		rep := h.Host.Report
		rows := []object{
			row("(total)", rep.VCPUs, rep.MemoryMiB, rep.DiskGiB),
			row("(used_now)", h.Used.VCPU, h.Used.MemoryMB+h.Reserved.MemoryMB, h.Used.DiskGB),
			row("(used_max)", h.Used.VCPU, h.Used.MemoryMB, h.Used.DiskGB),
		}
		by := map[string]compute.Resources{}
		for _, s := range h.Servers {
			u := by[s.ProjectID]
			u.VCPU, u.MemoryMB, u.DiskGB = u.VCPU+s.Flavor.VCPUs, u.MemoryMB+s.Flavor.RAM, u.DiskGB+s.Flavor.Disk+s.Flavor.Ephemeral
			by[s.ProjectID] = u
		}
		for _, p := range sorted(by) {
			rows = append(rows, row(p, by[p].VCPU, by[p].MemoryMB, by[p].DiskGB))
		}
		return httpx.JSON(http.StatusOK, object{"host": rows}), nil
	}
	return nil, errs.New(errs.NotFound, "Compute host %s could not be found.", r.Var("host_name"))
}

var updateHostSchema = fixed(object{
	"type": "object", "minProperties": 1, "additionalProperties": false, "properties": object{
		"status":           object{"type": "string", "enum": list{"enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"}},
		"maintenance_mode": object{"type": "string", "enum": list{"enable", "disable", "Enable", "Disable", "ENABLE", "DISABLE"}},
	},
})

func (a *services) updateHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct {
		Status      string `json:"status"`
		Maintenance string `json:"maintenance_mode"`
	}](r, updateHostSchema)
	if err != nil {
		return nil, err
	}
	name := r.Var("host_name")
	p := compute.HostPatch{Maintenance: b.Maintenance != ""}
	if b.Status != "" {
		p.Disabled = change.Of(strings.EqualFold(b.Status, "disable"))
	}
	h, err := a.svc.Hosts.Change(ctx, "os-hosts:update", store.Eq("name", name), errs.New(errs.NotFound, "Compute host %s could not be found.", name), p)
	if err != nil {
		return nil, err
	}
	status := "enabled"
	if h.Disabled {
		status = "disabled"
	}
	return httpx.JSON(http.StatusOK, object{"host": name, "status": status}), nil
}

func (a *services) hostPower(rule string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		hosts, err := a.svc.Hosts.List(ctx, rule)
		if err != nil {
			return nil, err
		}
		for _, h := range hosts {
			if h.Name == r.Var("host_name") {
				return nil, errs.New(errs.Unsupported, "Virt driver does not implement host power management.")
			}
		}
		return nil, errs.New(errs.NotFound, "Compute host %s could not be found.", r.Var("host_name"))
	}
}

func ownProject(ctx context.Context) string { return actor.From(ctx).ProjectID }

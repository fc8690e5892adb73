package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
)

// hypervisorID is a number, since 2.53 a UUID.
func hypervisorID(r *httpx.Request, h *compute.Host) any {
	if r.AtLeast(2, 53) {
		return h.HypervisorID
	}
	return h.Number
}

func briefHypervisor(r *httpx.Request, h *compute.Host) object {
	doc := object{"id": hypervisorID(r, h), "hypervisor_hostname": h.Name, "state": "down", "status": "enabled"}
	if h.Up {
		doc["state"] = "up"
	}
	if h.Disabled {
		doc["status"] = "disabled"
	}
	return doc
}

func (a *hypervisors) doc(r *httpx.Request, h *compute.HostLoad) object {
	doc := briefHypervisor(r, h.Host)
	rep := h.Host.Report
	doc["hypervisor_type"], doc["hypervisor_version"], doc["host_ip"] = rep.HypervisorType, rep.HypervisorVer, rep.Address
	service := object{"id": any(h.Host.Number), "host": h.Host.Name, "disabled_reason": any(nil)}
	if r.AtLeast(2, 53) {
		service["id"] = h.Host.ServiceID
	}
	if h.Host.DisabledReason != "" {
		service["disabled_reason"] = h.Host.DisabledReason
	}
	doc["service"] = service
	if r.AtLeast(2, 88) {
		doc["uptime"] = any(nil)
		if h.Host.Up {
			doc["uptime"] = uptimeText(h.Host)
		}
		return doc
	}
	addLoad(doc, h)
	cpu := object{
		"arch": rep.Arch, "model": rep.CPUModel, "vendor": rep.CPUVendor, "features": orEmpty(rep.CPUFeatures),
		"topology": object{"sockets": rep.CPUSockets, "cores": rep.CPUCores, "threads": rep.CPUThreads},
	}
	doc["cpu_info"] = cpu
	if !r.AtLeast(2, 28) {
		doc["cpu_info"] = jsonText(cpu)
	}
	return doc
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func addLoad(doc object, h *compute.HostLoad) {
	rep := h.Host.Report
	doc["vcpus"], doc["vcpus_used"] = rep.VCPUs, h.Used.VCPU
	doc["memory_mb"], doc["memory_mb_used"], doc["free_ram_mb"] = rep.MemoryMiB, h.Used.MemoryMB+h.Reserved.MemoryMB, rep.MemoryMiB-h.Used.MemoryMB-h.Reserved.MemoryMB
	doc["local_gb"], doc["local_gb_used"], doc["free_disk_gb"] = rep.DiskGiB, h.Used.DiskGB, rep.DiskGiB-h.Used.DiskGB
	doc["disk_available_least"] = rep.DiskFreeGiB
	doc["running_vms"], doc["current_workload"] = h.Count.Servers, h.Count.Busy
}

// uptimeText is what uptime(1) would say on the host.
func uptimeText(h *compute.Host) string {
	up := time.Duration(h.Report.UptimeSeconds) * time.Second
	days := int(math.Floor(up.Hours() / 24))
	return fmt.Sprintf(" %s up %d days, %2d:%02d,  1 user,  load average: %s",
		h.SeenAt.Format("15:04:05"), days, int(up.Hours())%24, int(up.Minutes())%60, h.Report.Load)
}

func (a *hypervisors) list(detail bool) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		rule := "os-hypervisors:list"
		if detail {
			rule = "os-hypervisors:list-detail"
		}
		withServers, err := wantsServers(r)
		if err != nil {
			return nil, err
		}
		hosts, err := a.svc.Hosts.Loads(ctx, rule, withServers)
		if err != nil {
			return nil, err
		}
		if r.AtLeast(2, 53) {
			if hosts, err = filterHypervisors(r, hosts); err != nil {
				return nil, err
			}
		}
		more := false
		if r.AtLeast(2, 33) {
			if hosts, more, err = page(r, hosts, func(h *compute.HostLoad) string { return text(hypervisorID(r, h.Host)) }); err != nil {
				return nil, err
			}
		}
		docs := []object{}
		for _, h := range hosts {
			doc := briefHypervisor(r, h.Host)
			if detail {
				doc = a.doc(r, h)
			}
			if withServers {
				addServers(r, doc, h)
			}
			docs = append(docs, doc)
		}
		out := object{"hypervisors": docs}
		if more {
			out["hypervisors_links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": text(hypervisorID(r, hosts[len(hosts)-1].Host))})}}
		}
		return httpx.JSON(http.StatusOK, out), nil
	}
}

// wantsServers reads the with_servers of 2.53.
func wantsServers(r *httpx.Request) (bool, error) {
	if !r.AtLeast(2, 53) {
		return false, nil
	}
	return r.Bool("with_servers", false)
}

// filterHypervisors reads the pattern of 2.53.
func filterHypervisors(r *httpx.Request, hosts []*compute.HostLoad) ([]*compute.HostLoad, error) {
	if err := onlyKnown(r, "limit", "marker", "hypervisor_hostname_pattern", "with_servers"); err != nil {
		return nil, err
	}
	pattern := r.Query.Get("hypervisor_hostname_pattern")
	if pattern == "" {
		return hosts, nil
	}
	if r.Query.Has("limit") || r.Query.Has("marker") {
		return nil, bad("Paging over hypervisors with the hypervisor_hostname_pattern query parameter is not supported.")
	}
	var kept []*compute.HostLoad
	for _, h := range hosts {
		if strings.Contains(strings.ToLower(h.Host.Name), strings.ToLower(pattern)) {
			kept = append(kept, h)
		}
	}
	if len(kept) == 0 {
		return nil, errs.New(errs.NotFound, "No hypervisor matching '%s' could be found.", pattern)
	}
	return kept, nil
}

func addServers(r *httpx.Request, doc object, h *compute.HostLoad) {
	servers := []object{}
	for _, s := range h.Servers {
		servers = append(servers, object{"uuid": s.ID, "name": s.InstanceName()})
	}
	if len(servers) > 0 || r.AtLeast(2, 75) {
		doc["servers"] = servers
	}
}

func (a *hypervisors) find(ctx context.Context, r *httpx.Request, rule string, withServers bool) (*compute.HostLoad, error) {
	hosts, err := a.svc.Hosts.Loads(ctx, rule, withServers)
	if err != nil {
		return nil, err
	}
	id := r.Var("hypervisor_id")
	for _, h := range hosts {
		if text(hypervisorID(r, h.Host)) == id {
			return h, nil
		}
	}
	if _, err := strconv.Atoi(id); r.AtLeast(2, 53) && !isUUID(id) {
		return nil, bad("Invalid uuid %s", id)
	} else if !r.AtLeast(2, 53) && err != nil {
		return nil, errs.New(errs.NotFound, "Hypervisor with ID '%s' could not be found.", id)
	}
	return nil, errs.New(errs.NotFound, "Hypervisor with ID '%s' could not be found.", id)
}

func (a *hypervisors) show(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	withServers, err := wantsServers(r)
	if err != nil {
		return nil, err
	}
	h, err := a.find(ctx, r, "os-hypervisors:show", withServers)
	if err != nil {
		return nil, err
	}
	doc := a.doc(r, h)
	if withServers {
		addServers(r, doc, h)
	}
	return httpx.JSON(http.StatusOK, object{"hypervisor": doc}), nil
}

func (a *hypervisors) uptime(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	h, err := a.find(ctx, r, "os-hypervisors:uptime", false)
	if err != nil {
		return nil, err
	}
	if !h.Host.Up {
		return nil, bad("Service is unavailable at this time.")
	}
	doc := briefHypervisor(r, h.Host)
	doc["uptime"] = uptimeText(h.Host)
	return httpx.JSON(http.StatusOK, object{"hypervisor": doc}), nil
}

func (a *hypervisors) search(what string) httpx.Handler {
	return func(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
		hosts, err := a.svc.Hosts.Loads(ctx, "os-hypervisors:"+what, what == "servers")
		if err != nil {
			return nil, err
		}
		pattern := r.Var("hypervisor_pattern")
		docs := []object{}
		for _, h := range hosts {
			if !strings.Contains(strings.ToLower(h.Host.Name), strings.ToLower(pattern)) {
				continue
			}
			doc := briefHypervisor(r, h.Host)
			if what == "servers" {
				addServers(r, doc, h)
			}
			docs = append(docs, doc)
		}
		if len(docs) == 0 {
			return nil, errs.New(errs.NotFound, "No hypervisor matching '%s' could be found.", pattern)
		}
		return httpx.JSON(http.StatusOK, object{"hypervisors": docs}), nil
	}
}

func (a *hypervisors) statistics(ctx context.Context, _ *httpx.Request) (*httpx.Response, error) {
	hosts, err := a.svc.Hosts.Loads(ctx, "os-hypervisors:statistics", false)
	if err != nil {
		return nil, err
	}
	sum := object{}
	keys := []string{
		"vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "free_ram_mb", "local_gb", "local_gb_used", "free_disk_gb",
		"disk_available_least", "running_vms", "current_workload",
	}
	total := map[string]int{"count": 0}
	for _, h := range hosts {
		if h.Host.Disabled {
			continue
		}
		one := object{}
		addLoad(one, h)
		for _, k := range keys {
			total[k] += one[k].(int)
		}
		total["count"]++
	}
	for _, k := range append(keys, "count") {
		sum[k] = total[k]
	}
	return httpx.JSON(http.StatusOK, object{"hypervisor_statistics": sum}), nil
}

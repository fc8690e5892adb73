package api

import (
	"context"
	"net/http"
	"strconv"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
)

// actionDoc is an action of a server's history.
func actionDoc(r *httpx.Request, act *compute.Action) object {
	doc := object{
		"instance_uuid": act.ServerID, "request_id": act.RequestID, "action": act.Action,
		"user_id": act.UserID, "project_id": act.ProjectID, "start_time": rest.Micros.Of(act.StartedAt), "message": any(nil),
	}
	if act.Message != "" {
		doc["message"] = act.Message
	}
	if r.AtLeast(2, 58) {
		doc["updated_at"] = rest.Micros.Of(act.UpdatedAt)
	}
	return doc
}

func (a *api) listActions(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	actions, err := a.svc.Actions(ctx, r.Var("server_id"), r.AtLeast(2, 21))
	if err != nil {
		return nil, err
	}
	more := false
	if r.AtLeast(2, 58) {
		if actions, more, err = pageActions(r, actions); err != nil {
			return nil, err
		}
	}
	docs := make([]object, len(actions))
	for i, act := range actions {
		docs[i] = actionDoc(r, act)
	}
	out := object{"instanceActions": docs}
	if more {
		out["links"] = []object{{"rel": "next", "href": r.PageURL(map[string]string{"marker": actions[len(actions)-1].RequestID})}}
	}
	return httpx.JSON(http.StatusOK, out), nil
}

// pageActions cuts a history by time, marker and limit.
func pageActions(r *httpx.Request, actions []*compute.Action) ([]*compute.Action, bool, error) {
	known := []string{"limit", "marker", "changes-since"}
	if r.AtLeast(2, 66) {
		known = append(known, "changes-before")
	}
	if err := onlyKnown(r, known...); err != nil {
		return nil, false, err
	}
	since, before, err := readChanges(r.Query)
	if err != nil {
		return nil, false, err
	}
	var kept []*compute.Action
	for _, act := range actions {
		if within(act.UpdatedAt, since, before) {
			kept = append(kept, act)
		}
	}
	return page(r, kept, func(act *compute.Action) string { return act.RequestID })
}

// page cuts a list in memory behind ?marker= and to ?limit=.
func page[T any](r *httpx.Request, items []T, id func(T) string) ([]T, bool, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, false, err
	}
	if marker := r.Query.Get("marker"); marker != "" {
		found := false
		for i, it := range items {
			if id(it) == marker {
				items, found = items[i+1:], true
				break
			}
		}
		if !found {
			return nil, false, bad("marker [%s] not found", marker)
		}
	}
	if len(items) > limit {
		return items[:limit], limit > 0, nil
	}
	return items, false, nil
}

// offsetPage cuts a list in memory behind ?offset= items and to ?limit=.
func offsetPage[T any](r *httpx.Request, items []T) ([]T, error) {
	limit, err := pageLimit(r)
	if err != nil {
		return nil, err
	}
	if v := r.Query.Get("offset"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, bad("Invalid input for query parameters offset. Value: %s. It is not a non-negative integer", v)
		}
		items = items[min(n, len(items)):]
	}
	return items[:min(limit, len(items))], nil
}

// onlyKnown refuses other query parameters than these.
func onlyKnown(r *httpx.Request, known ...string) error {
	for _, k := range sorted(r.Query) {
		if !contains(known, k) {
			return bad("Invalid input for query parameters. Additional properties are not allowed ('%s' was unexpected)", k)
		}
	}
	return nil
}

func (a *api) showAction(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	act, err := a.svc.Action(ctx, r.Var("server_id"), r.Var("request_id"), r.AtLeast(2, 21))
	if err != nil {
		return nil, err
	}
	doc := actionDoc(r, act)
	privileged := a.svc.Allowed(ctx, "os-instance-actions:events")
	if privileged || r.AtLeast(2, 51) {
		events := make([]object, len(act.Events))
		for i, e := range act.Events {
			ev := object{
				"event": e.Name, "start_time": rest.Micros.Of(e.StartedAt), "finish_time": rest.Micros.OrNull(e.EndedAt), "result": e.Result,
			}
			if privileged || !r.AtLeast(2, 51) {
				ev["traceback"] = any(nil)
				if e.Traceback != "" {
					ev["traceback"] = e.Traceback
				}
			}
			if r.AtLeast(2, 62) {
				ev["hostId"] = hostID(act.ProjectID, e.Host)
				if privileged {
					ev["host"] = e.Host
				}
			}
			if r.AtLeast(2, 84) && a.svc.Allowed(ctx, "os-instance-actions:events:details") {
				ev["details"] = any(nil)
				if e.Details != "" {
					ev["details"] = e.Details
				}
			}
			events[i] = ev
		}
		doc["events"] = events
	}
	return httpx.JSON(http.StatusOK, object{"instanceAction": doc}), nil
}

func (a *api) diagnostics(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	d, s, err := a.svc.Diagnostics(ctx, r.Var("server_id"))
	if err != nil {
		return nil, err
	}
	if !r.AtLeast(2, 48) {
		return httpx.JSON(http.StatusOK, oldDiagnostics(d)), nil
	}
	cpus := []object{}
	for i, ns := range d.CPUTimeNs {
		cpus = append(cpus, object{"id": i, "time": ns, "utilisation": any(nil)})
	}
	nics := []object{}
	for _, n := range d.NICs {
		nics = append(nics, object{
			"mac_address": n.MAC, "rx_octets": n.RxBytes, "rx_errors": n.RxErrors, "rx_drop": n.RxDrop, "rx_packets": n.RxPackets,
			"rx_rate": any(nil), "tx_octets": n.TxBytes, "tx_errors": n.TxErrors, "tx_drop": n.TxDrop, "tx_packets": n.TxPackets, "tx_rate": any(nil),
		})
	}
	disks := []object{}
	for _, dk := range d.Disks {
		disks = append(disks, object{
			"read_bytes": dk.ReadBytes, "read_requests": dk.ReadRequests, "write_bytes": dk.WriteBytes,
			"write_requests": dk.WriteReqs, "errors_count": dk.Errors,
		})
	}
	return httpx.JSON(http.StatusOK, object{
		"state": string(d.Power), "driver": d.Driver, "hypervisor": d.Hypervisor, "hypervisor_os": "linux", "uptime": d.UptimeSec,
		"config_drive": s.ConfigDrive, "num_cpus": len(cpus), "num_disks": len(disks), "num_nics": len(nics),
		"memory_details": object{"maximum": d.MemoryMiB, "used": d.MemoryUsed}, "cpu_details": cpus, "nic_details": nics, "disk_details": disks,
	}), nil
}

func (a *api) topology(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	if _, err := a.svc.Server(ctx, r.Var("server_id"), "server-topology:index"); err != nil {
		return nil, err
	}
	// Guests have no NUMA topology of their own here.
	doc := object{"nodes": []object{}}
	if a.svc.Allowed(ctx, "server-topology:host:index") {
		doc["pagesize_kb"] = any(nil)
	}
	return httpx.JSON(http.StatusOK, doc), nil
}

func notHere(what, id string) error {
	return errs.New(errs.NotFound, "%s %s could not be found.", what, id)
}

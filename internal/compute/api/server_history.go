package api

import (
	"context"
	"net/http"

	"kumoi/internal/compute"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/kernel/store"
)

// historyRoutes are a server's /os-instance-actions.
func (a *serverParts) historyRoutes() []httpx.Route {
	c := rest.Resource[compute.Action, struct{}, struct{}]{
		Path: "/v2.1/servers/{server_id}/os-instance-actions", Item: "request_id", One: "instanceAction", Many: "instanceActions",
		Rule: func(verb string) string { return "os_compute_api:os-instance-actions:" + verb }, Verbs: "list show",
		Bind: func(c *rest.Resource[compute.Action, struct{}, struct{}], r *httpx.Request) {
			h := a.svc.Histories.Of(r.Var("server_id"), r.AtLeast(2, 21))
			c.List, c.Show = h.List, h.Show
		},
		Query: historyList, View: viewAction, ID: func(act *compute.Action) string { return act.RequestID },
	}
	return c.Routes()
}

// historyList is what a history can be asked; there are pages and times since 2.58.
var historyList = &rest.List{
	Dialect: func() *rest.Dialect {
		d := *strictSince(58)
		d.Links = func(w *rest.Writer, r *httpx.Request, _ string, p rest.Part) {
			if p.More {
				w.List("links", func() { w.Link("next", r.PageURL(map[string]string{"marker": p.Last})) })
			}
		}
		return &d
	}(),
	Paged:  func(r *httpx.Request) bool { return r.AtLeast(2, 58) },
	Sort:   []store.Sort{{Field: "id", Desc: true}},
	Fields: changeFields(58, 66), More: changes(58),
}

// viewAction shows an action, and its events if it was asked for by itself.
func viewAction(_ context.Context, r *httpx.Request, _ []*compute.Action) (func(*rest.Writer, *compute.Action), error) {
	return func(w *rest.Writer, act *compute.Action) {
		w.Text("instance_uuid", act.ServerID)
		w.Text("request_id", act.RequestID)
		w.Text("action", act.Action)
		w.Text("user_id", act.UserID)
		w.Text("project_id", act.ProjectID)
		w.Time("start_time", act.StartedAt, rest.Micros)
		w.TextOrNull("message", act.Message)
		if r.AtLeast(2, 58) {
			w.Time("updated_at", act.UpdatedAt, rest.Micros)
		}
		if r.Var("request_id") == "" || !act.EventsShown && !r.AtLeast(2, 51) {
			return
		}
		w.List("events", func() {
			for _, e := range act.Events {
				w.Object("", func() { viewEvent(w, r, act, e) })
			}
		})
	}, nil
}

func viewEvent(w *rest.Writer, r *httpx.Request, act *compute.Action, e *compute.Event) {
	w.Text("event", e.Name)
	w.Time("start_time", e.StartedAt, rest.Micros)
	w.Time("finish_time", e.EndedAt, rest.Micros)
	w.Text("result", e.Result)
	if act.EventsShown || !r.AtLeast(2, 51) {
		w.TextOrNull("traceback", e.Traceback)
	}
	if r.AtLeast(2, 62) {
		w.Text("hostId", hostID(act.ProjectID, e.Host))
		if act.EventsShown {
			w.Text("host", e.Host)
		}
	}
	if act.DetailsShown && r.AtLeast(2, 84) {
		w.TextOrNull("details", e.Details)
	}
}

func (a *serverParts) diagnostics(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	d, s, err := a.svc.Servers.Diagnostics(ctx, r.Var("server_id"))
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

func (a *serverParts) topology(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	t, err := a.svc.Servers.Topology(ctx, r.Var("server_id"))
	if err != nil {
		return nil, err
	}
	// Guests have no NUMA topology of their own here.
	doc := object{"nodes": []object{}}
	if t.HostShown {
		doc["pagesize_kb"] = any(nil)
	}
	return httpx.JSON(http.StatusOK, doc), nil
}

func notHere(what, id string) error {
	return errs.New(errs.NotFound, "%s %s could not be found.", what, id)
}

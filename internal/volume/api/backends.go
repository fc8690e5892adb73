package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/volume"
	"kumoi/internal/volume/schedule"
)

// backendRoutes are hosts and what their backends have and can do.
func (a *api) backendRoutes() []httpx.Route {
	const hosts = "volume_extension:hosts"
	return []httpx.Route{
		route("GET", "/v3/scheduler-stats/get_pools", "scheduler_extension:scheduler_stats:get_pools", a.listPools),
		route("GET", "/v3/capabilities/{hostname}", "volume_extension:capabilities", a.showCapabilities),
		route("GET", "/v3/os-hosts", hosts, a.listHosts),
		route("GET", "/v3/os-hosts/{host_name}", hosts, a.showHost),
		route("PUT", "/v3/os-hosts/{host_name}", hosts, a.updateHost),
	}
}

func (a *api) listPools(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	detail, err := r.Bool("detail", false)
	if err != nil {
		return nil, err
	}
	name, typeName := "", ""
	if r.AtLeast(3, 28) {
		name = r.Query.Get("name")
	}
	if r.AtLeast(3, 35) {
		typeName = r.Query.Get("volume_type")
	}
	if r.AtLeast(3, 31) {
		for k := range r.Query {
			if k != "name" && k != "volume_type" && k != "detail" {
				return nil, bad("Invalid filters %s are found in query options.", k)
			}
		}
	}
	pools, err := a.svc.Operator.Pools(ctx, name, typeName)
	if err != nil {
		return nil, err
	}
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("pools", func() {
				for _, p := range pools {
					w.Object("", func() {
						if w.Text("name", p.Name); detail {
							w.Object("capabilities", func() { writePool(w, p) })
						}
					})
				}
			})
		})
	}), nil
}

func writePool(w *rest.Writer, p schedule.Pool) {
	_, pool, _ := strings.Cut(p.Name, "#")
	w.Text("volume_backend_name", p.Backend)
	w.Text("pool_name", pool)
	w.Text("vendor_name", schedule.Vendor)
	w.Text("driver_version", "1")
	w.Text("storage_protocol", schedule.Protocol(p.Driver))
	w.Int("total_capacity_gb", int64(p.TotalGiB))
	w.Int("free_capacity_gb", int64(p.FreeGiB))
	w.Int("allocated_capacity_gb", int64(p.AllocatedGiB))
	w.Int("provisioned_capacity_gb", int64(p.AllocatedGiB))
	w.Int("reserved_percentage", int64(p.Reserved))
	w.Text("max_over_subscription_ratio", strconv.FormatFloat(p.OverSubscription, 'f', 1, 64))
	w.Bool("thin_provisioning_support", p.Thin)
	w.Bool("thick_provisioning_support", p.Thick)
	w.Bool("QoS_support", true)
	w.Bool("multiattach", true)
	w.Int("total_volumes", int64(p.Volumes))
	w.Text("backend_state", word(p.Out == "", "up", "down"))
	w.Null("filter_function")
	w.Null("goodness_function")
	w.Null("location_info")
}

func (a *api) showCapabilities(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := a.svc.Operator.Capabilities(ctx, r.Var("hostname"))
	if err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{
		"namespace": "OS::Storage::Capabilities::" + b.Host + "@" + b.Name, "vendor_name": schedule.Vendor, "volume_backend_name": b.Name,
		"pool_name": b.Report.Pool, "driver_version": "1", "storage_protocol": schedule.Protocol(b.Report.Driver), "display_name": b.Name,
		"description": "Volumes of the driver " + b.Report.Driver + " on " + b.Host, "visibility": "public", "replication_targets": list{},
		"properties": object{
			"thin_provisioning": property("Thin Provisioning", "Volumes take room as they are written."), "compression": property("Compression", "Never."),
			"qos": property("QoS", "Limits of QoS specs are kept."), "replication": property("Replication", "Never."),
		},
	}), nil
}

func property(title, description string) object {
	return object{"title": title, "description": description, "type": "boolean"}
}

func (a *api) listHosts(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	hosts, err := a.svc.Operator.Hosts(ctx)
	if err != nil {
		return nil, err
	}
	zone := r.Query.Get("zone")
	return rest.Answer(http.StatusOK, func(w *rest.Writer) {
		w.Object("", func() {
			w.List("hosts", func() {
				for _, h := range hosts {
					if zone == "" || zone == h.Zone {
						w.Object("", func() { writeHost(w, h) })
					}
				}
			})
		})
	}), nil
}

func writeHost(w *rest.Writer, h volume.ServiceState) {
	w.Text("host_name", h.Host)
	w.Text("service", h.Binary)
	w.Text("zone", h.Zone)
	w.Text("service-status", word(h.Up, "available", "unavailable"))
	w.Text("service-state", word(h.Disabled, "disabled", "enabled"))
	w.Time("last-update", h.UpdatedAt, rest.Micros)
}

func (a *api) showHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	host := r.Var("host_name")
	uses, err := a.svc.Operator.HostUse(ctx, host)
	if err != nil {
		return nil, err
	}
	out := make(list, len(uses))
	for i, u := range uses {
		out[i] = object{"resource": object{
			"host": host, "project": u.Project, "volume_count": strconv.Itoa(u.Volumes), "total_volume_gb": strconv.Itoa(u.VolumeGiB),
			"snapshot_count": strconv.Itoa(u.Snapshots), "total_snapshot_gb": strconv.Itoa(u.SnapshotsGiB),
		}}
	}
	return httpx.JSON(http.StatusOK, object{"host": out}), nil
}

var hostPatch = fixed(closed(list{"status"}, object{"status": object{"type": "string"}}))

func (a *api) updateHost(ctx context.Context, r *httpx.Request) (*httpx.Response, error) {
	b, err := rest.Body[struct{ Status string }](r, hostPatch)
	if err != nil {
		return nil, err
	}
	status := strings.ToLower(strings.TrimSpace(b.Status))
	if status != "enable" && status != "disable" {
		return nil, bad("Invalid status: '%.40s'", b.Status)
	}
	if err := a.svc.Operator.EnableHost(ctx, r.Var("host_name"), status == "enable"); err != nil {
		return nil, err
	}
	return httpx.JSON(http.StatusOK, object{"host": r.Var("host_name"), "status": status + "d"}), nil
}

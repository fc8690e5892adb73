package api

import (
	"encoding/json"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/httpx"
	"kumoi/internal/kernel/rest"
	"kumoi/internal/network"
)

// ipAvailabilities is /v2.0/network-ip-availabilities.
func (a *api) ipAvailabilities() []httpx.Route {
	type A = network.IPAvailability
	text := func(name, field string, of func(*A) string) rest.Attribute[A, A] {
		return rest.ReadOnly[A](name, func(w *rest.Writer, key string, v *A) { w.Text(key, of(v)) }).By(field)
	}
	return collection(a, &rest.Resource[A, change.Patch[A], change.Patch[A]]{
		Path: "/v2.0/network-ip-availabilities", One: "network_ip_availability", Many: "network_ip_availabilities",
		ID: func(v *A) string { return v.Network.ID }, List: a.svc.IPAvailabilities.List, Show: a.svc.IPAvailabilities.Show,
	}, rest.NewAttributes(
		text("network_id", "id", func(v *A) string { return v.Network.ID }),
		text("network_name", "name", func(v *A) string { return v.Network.Name }),
		text("project_id", "project_id", func(v *A) string { return v.Network.ProjectID }),
		text("tenant_id", "project_id", func(v *A) string { return v.Network.ProjectID }),
		rest.ReadOnly[A]("total_ips", func(w *rest.Writer, key string, v *A) { w.Any(key, json.Number(v.Total.String())) }),
		rest.ReadOnly[A]("used_ips", func(w *rest.Writer, key string, v *A) { w.Int(key, v.Used) }),
		rest.ReadOnly[A]("ip_version", func(w *rest.Writer, key string, v *A) { w.Texts(key, versions(v)) }).Filtered(containing("ip_versions", nil)),
		rest.ReadOnly[A]("subnet_ip_availability", writeSubnetAvailability),
	))
}

// versions are the IP versions of a network's subnets.
func versions(a *network.IPAvailability) []string {
	out := []string{}
	for _, c := range a.Subnets {
		out = append(out, map[int]string{4: "4", 6: "6"}[c.Subnet.Version()])
	}
	return out
}

func writeSubnetAvailability(w *rest.Writer, key string, a *network.IPAvailability) {
	w.List(key, func() {
		for _, c := range a.Subnets {
			w.Object("", func() {
				w.Text("subnet_id", c.Subnet.ID)
				w.Text("subnet_name", c.Subnet.Name)
				w.Text("cidr", c.Subnet.CIDR.String())
				w.Int("ip_version", int64(c.Subnet.Version()))
				w.Any("total_ips", json.Number(c.Total.String()))
				w.Int("used_ips", c.Used)
			})
		}
	})
}

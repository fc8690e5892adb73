package sqlstore

import (
	"context"
	"fmt"
	"io/fs"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// before is the schema's history up to a number.
func before(t *testing.T, number string) store.Migrations {
	t.Helper()
	old := fstest.MapFS{}
	names, err := fs.Glob(files, "migrations/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if strings.TrimPrefix(n, "migrations/") < number {
			text, err := fs.ReadFile(files, n)
			if err != nil {
				t.Fatal(err)
			}
			old[n] = &fstest.MapFile{Data: text}
		}
	}
	return store.Migrations{Service: "network", FS: old}
}

// moves runs the history up to a number, adds old rows, runs the rest and looks at what became of them.
func moves(t *testing.T, number string, old []string, check func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if err := db.Migrate(ctx, before(t, number)); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			for _, text := range old {
				if _, err := tx.Exec(ctx, text); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, Migrations()); err != nil {
			t.Fatal(err)
		}
		if err := db.Read(ctx, func(tx *store.Tx) error { return check(ctx, tx) }); err != nil {
			t.Fatal(err)
		}
	})
}

// stamps are the standard attributes of an old document, without a brace at the end.
const stamps = `{"ID":"a","ProjectID":"p","Name":"n","Description":"d","Tags":["x"],"Revision":3,"CreatedAt":"2026-01-02T03:04:05.5Z","UpdatedAt":"2026-01-02T03:04:06Z"`

// moved compares what stamps said.
func moved(t *testing.T, s *network.Standard) {
	t.Helper()
	at := time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
	if s.ID != "a" || s.ProjectID != "p" || s.Revision != 3 || len(s.Tags) != 1 || s.CreatedAt.Sub(at).Abs() > time.Millisecond || s.UpdatedAt.Before(s.CreatedAt) {
		t.Errorf("moved: %+v", s)
	}
}

func TestAddressGroupsMoveIntoColumns(t *testing.T) {
	t.Parallel()
	moves(t, "0020", []string{"INSERT INTO address_group (id, project_id, name, doc) VALUES ('a', 'p', 'n', '" + stamps + `,"Addresses":["10.0.0.0/8"]}')`},
		func(ctx context.Context, tx *store.Tx) error {
			g, err := addressGroups().Get(ctx, tx, "a")
			if err != nil {
				return err
			}
			if moved(t, &g.Standard); g.Name != "n" || g.Description != "d" || len(g.Addresses) != 1 {
				t.Errorf("moved: %+v", g)
			}
			return nil
		})
}

func TestAddressScopesMoveIntoColumns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if err := db.Migrate(ctx, before(t, "0007")); err != nil {
			t.Fatal(err)
		}
		if err := db.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, "INSERT INTO address_scope (id, project_id, name, doc) VALUES ('a', 'p', 'n', ?)",
				`{"ID":"a","ProjectID":"p","Name":"n","Tags":["x"],"Revision":3,"IPVersion":6,"CreatedAt":"2026-01-02T03:04:05.5Z","UpdatedAt":"2026-01-02T03:04:06Z"}`)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(ctx, Migrations()); err != nil {
			t.Fatal(err)
		}
		if err := db.Read(ctx, func(tx *store.Tx) error {
			a, err := addressScopes().Get(ctx, tx, "a")
			if err != nil {
				return err
			}
			at := time.Date(2026, 1, 2, 3, 4, 5, 500_000_000, time.UTC)
			if a.Name != "n" || a.IPVersion != 6 || a.Revision != 3 || len(a.Tags) != 1 || a.CreatedAt.Sub(at).Abs() > time.Millisecond {
				t.Errorf("moved: %+v", a)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestSecurityGroupsMoveIntoColumns(t *testing.T) {
	t.Parallel()
	const rule = stamps + `,"GroupID":"a","Direction":"ingress","EtherType":"IPv4","Protocol":"tcp","PortMin":22,"PortMax":22,"RemotePrefix":"10.0.0.0/8"`
	moves(t, "0021", []string{
		"INSERT INTO security_group (id, project_id, name, is_default, doc) VALUES ('a', 'p', 'n', TRUE, '" + stamps + `,"Stateful":false,"Default":true}')`,
		"INSERT INTO security_group_rule (id, project_id, group_id, remote_group_id, address_group_id, doc) VALUES ('a', 'p', 'a', '', '', '" + rule + `}')`,
		"INSERT INTO default_rule (id, doc) VALUES ('a', '" + rule + `,"RemoteGroupID":"PARENT","InCustomGroup":true}')`,
		`INSERT INTO default_rule (id, doc) VALUES ('own', '{"ID":"own"}')`,
	}, func(ctx context.Context, tx *store.Tx) error {
		g, err := securityGroups().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		if moved(t, &g.Standard); g.Name != "n" || g.Stateful || !g.Default {
			t.Errorf("moved: %+v", g)
		}
		rules, err := securityGroupRules().All(ctx, tx, store.Eq("group_id", "a"))
		if err != nil {
			return err
		}
		defaults, err := defaultRules().All(ctx, tx)
		if err != nil {
			return err
		}
		if len(rules) != 1 || len(defaults) != 1 || defaults[0].RemoteGroupID != "PARENT" || !defaults[0].InCustomGroup || defaults[0].InDefaultGroup {
			t.Fatalf("moved: %+v %+v", rules, defaults)
		}
		for _, r := range append(rules, defaults...) {
			if moved(t, &r.Standard); r.Direction != "ingress" || r.Protocol != "tcp" || r.PortMin == nil || *r.PortMin != 22 || r.RemotePrefix != "10.0.0.0/8" {
				t.Errorf("moved: %+v", r)
			}
		}
		return nil
	})
}

func TestQoSMovesIntoColumns(t *testing.T) {
	t.Parallel()
	moves(t, "0022", []string{
		"INSERT INTO qos_policy (id, project_id, name, is_default, doc) VALUES ('a', 'p', 'n', TRUE, '" + stamps + `,"Default":true}')`,
		"INSERT INTO qos_rule (id, project_id, policy_id, kind, doc) VALUES ('a', 'p', 'a', 'bandwidth_limit', '" + stamps + `,"PolicyID":"a","Kind":"bandwidth_limit","Direction":"ingress","MaxKbps":7,"BurstKbps":3}')`,
		"INSERT INTO qos_binding (object_id, object_type, policy_id) VALUES ('o', 'port', 'a')",
	}, func(ctx context.Context, tx *store.Tx) error {
		p, err := qosPolicies().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		moved(t, &p.Standard)
		r, err := qosRules().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		if moved(t, &r.Standard); !p.Default || p.Description != "d" || r.PolicyID != "a" || r.Kind != "bandwidth_limit" || r.Direction != "ingress" || r.MaxKbps != 7 || r.BurstKbps != 3 {
			t.Errorf("moved: %+v %+v", p, r)
		}
		b, err := qosBindings().Get(ctx, tx, "o")
		if err == nil && (b.ObjectType != "port" || b.PolicyID != "a") {
			t.Errorf("moved: %+v", b)
		}
		return err
	})
}

func TestAgentsMoveIntoColumns(t *testing.T) {
	t.Parallel()
	moves(t, "0023", []string{
		`INSERT INTO network_agent (id, host, agent_type, doc) VALUES ('a', 'h', 'OVN', '{"ID":"a","Type":"OVN","Binary":"b","Host":"h","AZ":"z","AdminStateUp":true,` +
			`"Configurations":{"chassis_name":"c"},"CreatedAt":"2026-01-02T03:04:05.5Z","StartedAt":"2026-01-02T03:04:05.5Z","HeartbeatAt":"0001-01-01T00:00:00Z"}')`,
	}, func(ctx context.Context, tx *store.Tx) error {
		a, err := agents().Get(ctx, tx, "a")
		if err == nil && (a.Type != "OVN" || a.Binary != "b" || a.AZ != "z" || !a.AdminStateUp || a.Configurations["chassis_name"] != "c" || a.CreatedAt.Year() != 2026 || !a.HeartbeatAt.IsZero()) {
			t.Errorf("moved: %+v", a)
		}
		return err
	})
}

func TestRBACPoliciesMoveIntoColumns(t *testing.T) {
	t.Parallel()
	moves(t, "0025", []string{
		"INSERT INTO rbac_policy (id, project_id, object_type, object_id, action, target, doc) VALUES ('a', 'p', 'network', 'n', 'access_as_shared', 'q', '" +
			stamps + `,"ObjectType":"network","ObjectID":"n","Action":"access_as_shared","TargetProject":"q"}')`,
	}, func(ctx context.Context, tx *store.Tx) error {
		r, err := rbacPolicies().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		if moved(t, &r.Standard); r.ObjectType != "network" || r.ObjectID != "n" || r.Action != network.ActionShared || r.TargetProject != "q" {
			t.Errorf("moved: %+v", r)
		}
		return nil
	})
}

func TestTrunksMoveIntoColumns(t *testing.T) {
	t.Parallel()
	port := func(id, host, status string) string {
		return "INSERT INTO network_port (id, project_id, name, network_id, mac, device_id, device_owner, host, doc) VALUES ('" +
			id + "', 'p', '', 'n', '" + id + "', '', '', '" + host + `', '{"ID":"` + id + `","Status":"` + status + `"}')`
	}
	trunk := func(id, port string, up bool) string {
		return fmt.Sprintf("INSERT INTO trunk (id, project_id, name, port_id, doc) VALUES ('%s', 'p', 'n', '%s', '%s,\"PortID\":\"%s\",\"AdminStateUp\":%t}')", id, port, stamps, port, up)
	}
	moves(t, "0026", []string{
		"INSERT INTO network (id, project_id, name, net_type, physical, doc) VALUES ('n', 'p', '', 'flat', '', '{}')",
		port("up", "h", "ACTIVE"), port("busy", "h", "ACTIVE"), port("off", "h", "ACTIVE"), port("alone", "", "DOWN"), port("sub", "", "DOWN"), port("on", "h", "ACTIVE"),
		trunk("a", "up", true), trunk("b", "busy", true), trunk("c", "off", false), trunk("d", "alone", true),
		"INSERT INTO trunk_subport (port_id, trunk_id, segment, position) VALUES ('sub', 'b', 7, 2)",
		"INSERT INTO trunk_subport (port_id, trunk_id, segment, position) VALUES ('on', 'a', 7, 1)",
	}, func(ctx context.Context, tx *store.Tx) error {
		v, err := trunks().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		if moved(t, &v.Standard); v.PortID != "up" || !v.AdminStateUp || v.Description != "d" {
			t.Errorf("moved: %+v", v)
		}
		sub, err := subPorts().Get(ctx, tx, "sub")
		if err == nil && (sub.TrunkID != "b" || sub.Segment != 7 || sub.Position != 2) {
			t.Errorf("moved: %+v", sub)
		}
		for status, want := range map[string]string{network.StatusActive: "[a]", network.StatusBuild: "[b]", network.StatusDown: "[c d]"} {
			ts, err := trunks().All(ctx, tx, store.Eq("status", status))
			if err != nil {
				return err
			}
			var ids []string
			for _, v := range ts {
				ids = append(ids, v.ID)
			}
			if fmt.Sprint(ids) != want {
				t.Errorf("%s: %v, want %s", status, ids, want)
			}
		}
		return err
	})
}

func TestPortsMoveIntoColumns(t *testing.T) {
	t.Parallel()
	port := func(id, doc string) string {
		return "INSERT INTO network_port (id, project_id, name, network_id, mac, device_id, device_owner, host, created_at, updated_at, revision, held_as, held_by, attached, doc) VALUES ('" +
			id + "', 'p', 'n', 'n', 'm-" + id + "', 'd', 'compute:nova', 'h', 1767323045500000, 1767323046000000, 3, 'compute', 'd', 7, '" + doc + "')"
	}
	moves(t, "0028", []string{
		"INSERT INTO network (id, project_id, name, net_type, physical, doc) VALUES ('n', 'p', '', 'flat', '', '{}')",
		port("a", stamps+`,"NetworkID":"n","MAC":"m-a","AdminStateUp":true,"Status":"ACTIVE","DeviceID":"d","DeviceOwner":"compute:nova","FixedIPs":[{"SubnetID":"s","IP":"10.0.0.5"}],`+
			`"SecurityGroups":["g"],"AddressPairs":[{"MAC":"m","IP":"10.1.0.0/16"}],"DHCPOptions":[{"Name":"mtu","Value":"9000","IPVersion":4}],"PortSecurity":true,"DNSName":"dns","DNSDomain":"dom",`+
			`"VNICType":"normal","Host":"h","QoSPolicyID":"q","Profile":{"k":"v"},"PropagateUp":true,"Tag":"t","MadeFor":"d","HeldAs":"compute","HeldBy":"d","Attached":7}`),
		port("b", `{"ID":"b","FixedIPs":null,"SecurityGroups":null,"Profile":null,"AdminStateUp":false}`),
	}, func(ctx context.Context, tx *store.Tx) error {
		p, err := ports().Get(ctx, tx, "a")
		if err != nil {
			return err
		}
		moved(t, &p.Standard)
		p.Standard = network.Standard{Name: p.Name, Description: p.Description}
		want := &network.Port{
			Standard: network.Standard{Name: "n", Description: "d"}, NetworkID: "n", MAC: "m-a", AdminStateUp: true, Status: network.StatusActive,
			DeviceID: "d", DeviceOwner: "compute:nova", FixedIPs: []network.FixedIP{{SubnetID: "s", IP: netip.MustParseAddr("10.0.0.5")}}, SecurityGroups: []string{"g"},
			AddressPairs: []network.AddressPair{{MAC: "m", IP: netip.MustParsePrefix("10.1.0.0/16")}}, DHCPOptions: []network.DHCPOption{{Name: "mtu", Value: "9000", IPVersion: 4}},
			PortSecurity: true, DNSName: "dns", DNSDomain: "dom", VNICType: "normal", Host: "h", QoSPolicyID: "q", Profile: map[string]any{"k": "v"}, PropagateUp: true,
			Tag: "t", MadeFor: "d", HeldAs: "compute", HeldBy: "d", Attached: 7,
		}
		if !reflect.DeepEqual(p, want) {
			t.Errorf("moved: %+v\nwant: %+v", p, want)
		}
		p, err = ports().Get(ctx, tx, "b")
		if err == nil && (p.FixedIPs != nil || p.SecurityGroups != nil || p.Profile != nil || p.AdminStateUp || p.PortSecurity) {
			t.Errorf("moved: %+v", p)
		}
		for want, cond := range map[int]store.Cond{
			0: store.Eq("addresses", 2), 1: {Field: "fixed_address", Op: store.HasAny, Value: []string{"10.0.0.5"}}, 2: store.Eq("network_id", "n"),
		} {
			if n, err := ports().Count(ctx, tx, cond); err != nil || n != int64(want) {
				t.Errorf("%s: %d, %v, want %d", cond.Field, n, err, want)
			}
		}
		return err
	})
}

func TestLimitsMoveToTheirLayer(t *testing.T) {
	t.Parallel()
	moves(t, "0027", []string{"INSERT INTO network_quota (project_id, resource, max_count) VALUES ('p', 'port', 7)"}, func(ctx context.Context, tx *store.Tx) error {
		l, err := Tables().Quotas.Get(ctx, tx, "project", "p", "port")
		if err == nil && l.Hard != 7 {
			t.Errorf("moved: %+v", l)
		}
		return err
	})
}

package ovn

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kumoi/internal/network/fabric"
	"kumoi/internal/network/fabric/fabrictest"
)

// world is OVN with real databases, in which the test plays northd and the hosts.
type world struct {
	*Fabric
	db *databases
}

func newWorld(t *testing.T) *world {
	t.Helper()
	db := startDatabases(t)
	f, err := New(Config{NB: db.socket(), SB: db.socket(), Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	return &world{Fabric: f, db: db}
}

func (w *world) Has(k fabric.Key) bool {
	table := map[string]string{
		fabric.KindNetwork: tableSwitch, fabric.KindPort: tableSwitchPort, fabric.KindGroup: tablePortGroup,
		fabric.KindAddresses: tableAddressSet, fabric.KindRouter: tableRouter,
	}[k.Kind]
	found := w.db.nbctl("--bare", "--columns=_uuid", "find", table, fmt.Sprintf("external_ids:%q=%q", kindKey, k.Kind), fmt.Sprintf("external_ids:%q=%q", idKey, k.ID))
	return strings.TrimSpace(found) != ""
}

func (w *world) Join(c fabric.Chassis) {
	mappings := ""
	for physical, bridge := range c.Mappings {
		mappings = physical + ":" + bridge
	}
	w.db.transact(fmt.Sprintf(`["OVN_Southbound",
		{"op":"insert","table":"Encap","uuid-name":"e","row":{"type":"geneve","ip":"127.0.0.1","chassis_name":%q}},
		{"op":"insert","table":"Chassis","row":{"name":%q,"hostname":%q,"encaps":["named-uuid","e"],
			"other_config":["map",[["ovn-bridge-mappings",%q]]]}}]`, c.ID, c.ID, c.Host, mappings))
}

func (w *world) Plug(port, host string) {
	hosts, err := w.Chassis(w.db.t.Context())
	if err != nil || len(hosts) == 0 {
		w.db.t.Fatal(err, hosts)
	}
	w.db.transact(fmt.Sprintf(`["OVN_Southbound",
		{"op":"insert","table":"Datapath_Binding","uuid-name":"d","row":{"tunnel_key":1}},
		{"op":"insert","table":"Port_Binding","row":{"logical_port":%q,"datapath":["named-uuid","d"],"tunnel_key":1,"up":false}}]`, port))
	w.db.transact(fmt.Sprintf(`["OVN_Southbound",{"op":"update","table":"Port_Binding","where":[["logical_port","==",%q]],
		"row":{"up":true,"chassis":["uuid",%q]}}]`, port, w.chassisUUID(host)))
}

func (w *world) chassisUUID(host string) string {
	for id, m := range w.sb.current().Cache().Table(tableChassis).Rows() {
		if c, ok := m.(*chassis); ok && c.Hostname == host {
			return id
		}
	}
	w.db.t.Fatalf("no chassis on %s", host)
	return ""
}

func (w *world) Unplug(port string) {
	w.db.transact(fmt.Sprintf(`["OVN_Southbound",{"op":"update","table":"Port_Binding","where":[["logical_port","==",%q]],
		"row":{"up":false,"chassis":["set",[]]}}]`, port))
}

func (w *world) Forget() { w.db.forget() }

func (w *world) Away(away bool) {
	if away {
		w.db.stop()
	} else {
		w.db.start()
	}
}

func TestSuite(t *testing.T) {
	fabrictest.Run(t, func(t *testing.T) fabrictest.Backend { return newWorld(t) })
}

package ovn

import (
	"fmt"
	"testing"

	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"kumoi/internal/network/fabric"
)

// One update of the database tells of many rows. A row that changed where we do
// not look must not cost us the others.
func TestChangesInForeignColumnsLoseNothing(t *testing.T) {
	w := startWorld(t)
	w.Join(fabric.Chassis{ID: "one", Host: "host1"})
	w.await(func() bool {
		hosts, err := w.Chassis(t.Context())
		return err == nil && len(hosts) == 1
	})
	w.Plug("port0", "host1")
	bound := func(port string) bool {
		_, m, err := w.sb.current().Cache().Table(tableBinding).RowByModel(&portBinding{LogicalPort: port})
		return err == nil && m != nil
	}
	// The order in which an update's rows are read differs each time.
	for i := 1; i <= 30; i++ {
		port := fmt.Sprintf("port%d", i)
		w.db.transact(fmt.Sprintf(`["OVN_Southbound",
			{"op":"update","table":"Chassis","where":[],"row":{"nb_cfg":%d}},
			{"op":"update","table":"Port_Binding","where":[],"row":{"options":["map",[["turn","%d"]]]}},
			{"op":"insert","table":"Datapath_Binding","uuid-name":"d","row":{"tunnel_key":%d}},
			{"op":"insert","table":"Port_Binding","row":{"logical_port":%q,"datapath":["named-uuid","d"],"tunnel_key":%d}}]`, i, i, i+1, port, i+1))
		w.await(func() bool { return bound(port) })
	}
}

// A copy that an update does not fit is made anew.
func TestWrongCopyIsMadeAnew(t *testing.T) {
	w := startWorld(t)
	w.Join(fabric.Chassis{ID: "one", Host: "host1"})
	w.await(func() bool {
		hosts, err := w.Chassis(t.Context())
		return err == nil && len(hosts) == 1
	})
	before := w.sb.current()
	// By the way that updates take, which reads and writes the copy under its lock.
	gone := ovsdb.TableUpdates2{tableChassis: {w.chassisUUID("host1"): {Delete: &ovsdb.Row{}}}}
	if err := before.Cache().Populate2(gone); err != nil {
		t.Fatal(err)
	}
	w.db.transact(`["OVN_Southbound",{"op":"update","table":"Chassis","where":[],"row":{"hostname":"host2"}}]`)
	w.await(func() bool {
		hosts, err := w.Chassis(t.Context())
		return err == nil && len(hosts) == 1 && hosts[0].Host == "host2"
	})
	if w.sb.current() == before {
		t.Error("the same connection goes on")
	}
}

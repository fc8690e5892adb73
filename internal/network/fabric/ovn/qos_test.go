package ovn

import (
	"testing"

	"kumoi/internal/network/fabric"
)

func TestQoSRows(t *testing.T) {
	mark := 46
	port := fabric.Port{ID: "11111111-1111-4111-8111-111111111111", NetworkID: "n"}
	for name, c := range map[string]struct {
		qos  *fabric.QoS
		want map[string][4]int // direction → rate, burst, rules with a mark, mark
	}{
		"none":        {nil, map[string][4]int{}},
		"empty":       {&fabric.QoS{}, map[string][4]int{}},
		"egress":      {&fabric.QoS{Egress: fabric.Bandwidth{Kbps: 1000, BurstKbit: 800}}, map[string][4]int{"from-lport": {1000, 800, 0, 0}}},
		"both ways":   {&fabric.QoS{Egress: fabric.Bandwidth{Kbps: 1}, Ingress: fabric.Bandwidth{Kbps: 2}}, map[string][4]int{"from-lport": {1, 0, 0, 0}, "to-lport": {2, 0, 0, 0}}},
		"mark, limit": {&fabric.QoS{Egress: fabric.Bandwidth{Kbps: 5}, DSCP: &mark}, map[string][4]int{"from-lport": {5, 0, 1, 46}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := port
			p.QoS = c.qos
			rows := qosRows(p)
			if len(rows) != len(c.want) {
				t.Fatalf("%d rows, want %d", len(rows), len(c.want))
			}
			for _, r := range rows {
				q, ok := r.(*qosRule)
				if !ok {
					t.Fatalf("a %T", r)
				}
				want := c.want[q.Direction]
				if q.Bandwidth["rate"] != want[0] || q.Bandwidth["burst"] != want[1] || len(q.Action) != want[2] || q.Action["dscp"] != want[3] {
					t.Errorf("%s: %+v, want %v", q.Direction, q, want)
				}
			}
		})
	}
}

// A port's limits enter its switch with it, change, and leave it again.
func TestQoSInOVN(t *testing.T) {
	w := newWorld(t)
	if err := w.Start(t.Context(), func(fabric.Event) {}); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	network := fabric.Network{ID: "22222222-2222-4222-8222-222222222222", AdminUp: true}
	port := fabric.Port{ID: "11111111-1111-4111-8111-111111111111", NetworkID: network.ID, MAC: "fa:16:3e:00:00:01", AdminUp: true}
	apply := func(s fabric.Statement) {
		t.Helper()
		for {
			err := w.Apply(t.Context(), s)
			if err == nil {
				return
			}
			if t.Context().Err() != nil {
				t.Fatal(err)
			}
		}
	}
	rates := func(want string) {
		t.Helper()
		if got := w.db.nbctl("--bare", "--columns=bandwidth", "list", "QoS"); got != want {
			t.Errorf("in OVN: %q, want %q", got, want)
		}
	}
	port.QoS = &fabric.QoS{Egress: fabric.Bandwidth{Kbps: 1000, BurstKbit: 100}}
	apply(fabric.Statement{Networks: []fabric.Network{network}, Ports: []fabric.Port{port}})
	rates("burst=100 rate=1000\n")
	port.QoS = &fabric.QoS{Egress: fabric.Bandwidth{Kbps: 2000}}
	apply(fabric.Statement{Ports: []fabric.Port{port}})
	rates("rate=2000\n")
	apply(fabric.Statement{Networks: []fabric.Network{network}}) // says nothing of ports
	rates("rate=2000\n")
	port.QoS = nil
	apply(fabric.Statement{Ports: []fabric.Port{port}})
	rates("")
	port.QoS = &fabric.QoS{Ingress: fabric.Bandwidth{Kbps: 1}}
	apply(fabric.Statement{Full: true, Networks: []fabric.Network{network}, Ports: []fabric.Port{port}})
	rates("rate=1\n")
	apply(fabric.Statement{Gone: []fabric.Key{{Kind: fabric.KindPort, ID: port.ID}}})
	rates("")
}

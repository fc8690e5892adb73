package network_test

import (
	"testing"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// What limits a port reaches the fabric: its own policy before its network's,
// every change of a rule, and nothing for the network's own ports.
func TestQoSInForce(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	policy := func(kbps int) (id, rule string) {
		p, err := c.QoSPolicies.Create(admin(t), change.New(func(p *network.QoSPolicy) { p.Shared = true }))
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.QoSPolicies.Of(p.ID, network.QoSBandwidth).Create(admin(t), change.New(func(r *network.QoSRule) { r.MaxKbps = kbps }))
		if err != nil {
			t.Fatal(err)
		}
		return p.ID, r.ID
	}
	ofNetwork, rule := policy(100)
	ofPort, _ := policy(200)
	n := c.network(ctx, network.Network{QoSPolicyID: ofNetwork})
	c.subnet(ctx, n.ID, "10.0.0.0/24")
	p := c.port(ctx, n.ID)
	limit := func(want int) {
		t.Helper()
		eventually(t, "the limit", func() bool {
			f, _ := c.fabric.Port(p.ID)
			got := 0
			if f.QoS != nil {
				got = f.QoS.Egress.Kbps
			}
			return got == want
		})
	}
	update := func(policy string) {
		if _, err := c.Ports.Update(ctx, p.ID, change.New(func(p *network.NewPort) { p.QoSPolicyID = policy })); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	all, err := c.Ports.List(admin(t), store.Query{})
	if err != nil || len(all.Rows) != 2 {
		t.Fatalf("ports %v %v", all, err)
	}
	for _, own := range all.Rows {
		if f, _ := c.fabric.Port(own.ID); own.NetworkOwned() && f.QoS != nil {
			t.Errorf("the network's own port is limited: %+v", f)
		}
	}
	rules := c.QoSPolicies.Of(ofNetwork, network.QoSBandwidth)
	if _, err := rules.Update(admin(t), rule, change.New(func(r *network.QoSRule) { r.MaxKbps = 150 })); err != nil {
		t.Fatal(err)
	}
	limit(150)
	update(ofPort)
	limit(200)
	update("")
	limit(150)
	if err := rules.Delete(admin(t), rule); err != nil {
		t.Fatal(err)
	}
	limit(0)
}

package network_test

import (
	"testing"

	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
	"kumoi/internal/network"
)

// What limits a port reaches the fabric: its own policy before its network's,
// every change of a rule, and nothing for the network's own ports.
func TestQoSInForce(t *testing.T) {
	c, ctx := newCloud(t, storetest.SQLite(t)), as(t, "p")
	policy := func(kbps int) (id, rule string) {
		p := &network.QoSPolicy{Shared: true}
		c.write(admin(t), func(tx *store.Tx) error {
			*p = network.QoSPolicy{Shared: true}
			if err := c.CreateQoSPolicy(admin(t), tx, p, network.Change{}); err != nil {
				return err
			}
			r := &network.QoSRule{PolicyID: p.ID, Kind: network.QoSBandwidth, Direction: network.QoSEgress, MaxKbps: kbps}
			err := c.CreateQoSRule(admin(t), tx, r, network.Change{})
			rule = r.ID
			return err
		})
		return p.ID, rule
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
		c.write(ctx, func(tx *store.Tx) error {
			_, err := c.UpdatePort(ctx, tx, p.ID, network.Change{Attrs: []string{"qos_policy_id"}}, network.PortUpdate{Apply: func(p *network.Port) error {
				p.QoSPolicyID = policy
				return nil
			}})
			return err
		})
	}
	limit(100)
	all, err := c.Ports(admin(t), network.Filter{})
	if err != nil || len(all) != 2 {
		t.Fatalf("ports %v %v", all, err)
	}
	for _, own := range all {
		if f, _ := c.fabric.Port(own.ID); own.NetworkOwned() && f.QoS != nil {
			t.Errorf("the network's own port is limited: %+v", f)
		}
	}
	c.write(admin(t), func(tx *store.Tx) error {
		_, err := c.UpdateQoSRule(admin(t), tx, ofNetwork, network.QoSBandwidth, rule, func(r *network.QoSRule) error { r.MaxKbps = 150; return nil })
		return err
	})
	limit(150)
	update(ofPort)
	limit(200)
	update("")
	limit(150)
	c.write(admin(t), func(tx *store.Tx) error {
		return c.DeleteQoSRule(admin(t), tx, ofNetwork, network.QoSBandwidth, rule)
	})
	limit(0)
}

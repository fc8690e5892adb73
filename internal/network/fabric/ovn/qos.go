package ovn

import (
	"fmt"

	"kumoi/internal/network/fabric"
)

// priorityQoS is that of the rules of a port; no two are about the same packets.
const priorityQoS = 2002

// qosRows are the rules of a port's switch that limit and mark what the port
// sends and receives. A limit is an OpenFlow meter on the guest's own host.
func qosRows(p fabric.Port) []row {
	if p.QoS == nil {
		return nil
	}
	var out []row
	rule := func(direction, match string, b fabric.Bandwidth, dscp *int) {
		r := &qosRule{
			UUID: partOf(fabric.KindPort, p.ID, "qos", direction), Direction: direction, Priority: priorityQoS,
			Match: fmt.Sprintf("%s == %q", match, p.ID), Action: map[string]int{}, Bandwidth: map[string]int{},
			ExternalIDs: owner(fabric.KindPort, p.ID, networkKey, p.NetworkID),
		}
		if b.Kbps > 0 {
			r.Bandwidth["rate"] = b.Kbps
			if b.BurstKbit > 0 {
				r.Bandwidth["burst"] = b.BurstKbit
			}
		}
		if dscp != nil {
			r.Action["dscp"] = *dscp
		}
		if len(r.Bandwidth)+len(r.Action) > 0 {
			out = append(out, r)
		}
	}
	rule("from-lport", "inport", p.QoS.Egress, p.QoS.DSCP)
	rule("to-lport", "outport", p.QoS.Ingress, nil)
	return out
}

package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// geneveOverhead is what OVN's encapsulation takes of a packet.
const geneveOverhead = 58

// Segment is what a network takes of the fabric.
type Segment struct {
	NetworkID, Type, Physical string
	ID                        *int64 // nil: flat and local networks have none
}

// chooseType gives a network that names no provider its type: an external one
// is the outside network while nobody has that, so that it leads somewhere.
func (f *Networks) chooseType(ctx context.Context, tx *store.Tx, n *Network) error {
	n.Type = TypeGeneve
	if !n.External || f.s.cfg.ExternalPhysical == "" {
		return nil
	}
	taken, err := f.segments.Any(ctx, tx, store.Eq("net_type", TypeFlat), store.Eq("physical", f.s.cfg.ExternalPhysical))
	if err == nil && !taken {
		n.Type, n.Physical = TypeFlat, f.s.cfg.ExternalPhysical
	}
	return err
}

// placeSegment checks what the request says of the provider network, or chooses.
func (f *Networks) placeSegment(ctx context.Context, tx *store.Tx, n *Network) error {
	if n.Type == "" {
		if n.Physical != "" || n.Segment != 0 {
			return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: network_type required.")
		}
		if err := f.chooseType(ctx, tx, n); err != nil {
			return err
		}
	}
	bad := func(format string, args ...any) error {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: "+format+".", args...)
	}
	bounds := f.s.cfg.VNIs
	switch n.Type {
	case TypeGeneve, "vxlan", "gre":
		if n.Physical != "" {
			return bad("provider:physical_network specified for %s network", n.Type)
		}
		if n.Segment < 0 || n.Segment > 1<<24-1 {
			return bad("segmentation_id %d is not between 1 and %d", n.Segment, 1<<24-1)
		}
		n.Type = TypeGeneve
	case TypeVLAN:
		bounds = f.s.cfg.VLANs
		if n.Physical == "" {
			return bad("physical_network required for vlan provider network")
		}
		if n.Segment < 0 || n.Segment > 4094 {
			return bad("segmentation_id out of range (1 through 4094)")
		}
	case TypeFlat, TypeLocal:
		if n.Segment != 0 {
			return bad("segmentation_id specified for %s network", n.Type)
		}
		if n.Type == TypeLocal {
			return nil
		}
		if n.Physical == "" {
			return bad("physical_network required for flat provider network")
		}
		taken, err := f.segments.Any(ctx, tx, store.Eq("net_type", TypeFlat), store.Eq("physical", n.Physical), store.Ne("id", n.ID))
		if err == nil && taken {
			return fault(errs.Conflict, "FlatNetworkInUse", "Unable to create the flat network. Physical network %s is in use.", n.Physical)
		}
		return err
	default:
		return bad("network_type value '%s' not supported", n.Type)
	}
	used, err := f.usedSegments(ctx, tx, n)
	if err != nil {
		return err
	}
	if n.Segment != 0 {
		if _, found := slices.BinarySearch(used, int64(n.Segment)); !found {
			return nil
		}
		if n.Type == TypeVLAN {
			return fault(errs.Conflict, "VlanIdInUse", "Unable to create the network. The VLAN %d on physical network %s is in use.", n.Segment, n.Physical)
		}
		return fault(errs.Conflict, "TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", n.Segment)
	}
	next := int64(bounds[0])
	for _, u := range used {
		if u == next {
			next++
		}
	}
	if next > int64(bounds[1]) {
		return fault(errs.Conflict, "NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
	}
	n.Segment = int(next)
	return nil
}

// usedSegments are those that others of the network's type have, in order.
func (f *Networks) usedSegments(ctx context.Context, tx *store.Tx, n *Network) ([]int64, error) {
	taken, err := f.segments.All(ctx, tx, store.Eq("net_type", n.Type), store.Eq("physical", n.Physical), store.Ne("segment", nil), store.Ne("id", n.ID))
	out := make([]int64, len(taken))
	for i, t := range taken {
		out[i] = *t.ID
	}
	slices.Sort(out)
	return out, err
}

// maxMTU is what a network of this type can carry.
func (f *Networks) maxMTU(n *Network) int {
	if n.Type == TypeGeneve {
		return f.s.cfg.MTU - geneveOverhead
	}
	return f.s.cfg.MTU
}

func (f *Networks) setMTU(n *Network) error {
	top := f.maxMTU(n)
	if n.MTU == 0 {
		n.MTU = top
	}
	if n.MTU > top {
		return fault(errs.Invalid, "InvalidInput", "Invalid input for operation: Requested MTU is too big, maximum is %d.", top)
	}
	return nil
}

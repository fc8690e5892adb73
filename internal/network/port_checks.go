package network

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// setMAC checks the port's MAC address or makes one.
func (f *Ports) setMAC(ctx context.Context, tx *store.Tx, p *Port) (err error) {
	if p.MAC == "" {
		p.MAC, err = f.s.ipam.freeMAC(ctx, tx, p.NetworkID)
		return err
	}
	if p.MAC, err = ParseMAC(p.MAC); err != nil {
		return invalid("Invalid input for mac_address. Reason: %s.", err)
	}
	used, err := f.table.Any(ctx, tx, store.Eq("network_id", p.NetworkID), store.Eq("mac", p.MAC), store.Ne("id", p.ID))
	if err == nil && used {
		err = fault(errs.Conflict, "MacAddressInUse", "Unable to complete operation for network %s. The mac address %s is in use.", p.NetworkID, p.MAC)
	}
	return err
}

// setGroups checks the port's security groups or gives it the default one.
func (f *Ports) setGroups(ctx context.Context, tx *store.Tx, p *Port, given bool) error {
	if !given {
		p.SecurityGroups = []string{}
		g, err := f.s.SecurityGroups.EnsureDefaultTx(ctx, tx, p.ProjectID)
		if err != nil {
			return err
		}
		if p.PortSecurity {
			p.SecurityGroups = []string{g.ID}
		}
		return nil
	}
	seen := map[string]bool{}
	p.SecurityGroups = slices.DeleteFunc(slices.Clone(p.SecurityGroups), func(id string) bool {
		dup := seen[id]
		seen[id] = true
		return dup
	})
	for _, id := range p.SecurityGroups {
		g, err := f.s.SecurityGroups.load(ctx, tx, id)
		if err != nil {
			return err
		}
		if g.ProjectID != p.ProjectID && !g.Shared && !f.s.Access.isAdmin(ctx) {
			return f.s.SecurityGroups.notFound(id)
		}
	}
	return nil
}

// maxPairs bounds the allowed address pairs of a port.
const maxPairs = 10

func validatePort(p *Port) error {
	if !p.PortSecurity && len(p.SecurityGroups) > 0 {
		return fault(errs.Invalid, "PortSecurityAndIPRequiredForSecurityGroups",
			"Port security must be enabled and port must have an IP address in order to use security groups.")
	}
	if !p.PortSecurity && len(p.AddressPairs) > 0 {
		return fault(errs.Conflict, "AddressPairAndPortSecurityRequired",
			"Port Security must be enabled in order to have allowed address pairs on a port.")
	}
	if len(p.AddressPairs) > maxPairs {
		return fault(errs.Invalid, "AllowedAddressPairExhausted", "The number of allowed address pairs exceeds the maximum %d.", maxPairs)
	}
	seen := map[AddressPair]bool{}
	for i, a := range p.AddressPairs {
		if a.MAC == "" {
			p.AddressPairs[i].MAC = p.MAC
			a.MAC = p.MAC
		}
		if seen[a] {
			return fault(errs.Invalid, "DuplicateAddressPairInRequest", "Request contains duplicate address pair: mac_address %s ip_address %s.", a.MAC, a.IP)
		}
		seen[a] = true
	}
	return nil
}

// linkGroups writes down which security groups a port has.
func (f *Ports) linkGroups(ctx context.Context, tx *store.Tx, p *Port) error {
	if _, err := f.s.portGroups.DeleteWhere(ctx, tx, store.Eq("port_id", p.ID)); err != nil {
		return err
	}
	for _, g := range p.SecurityGroups {
		if err := f.s.portGroups.Insert(ctx, tx, &PortGroup{p.ID, g}); err != nil {
			return err
		}
	}
	return nil
}

package compute

import (
	"context"
	"net/netip"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
)

// ServerOfPort finds the server of the actor's project that a port belongs to; "" if none does.
func (s *Proxies) ServerOfPort(ctx context.Context, portID string) (string, error) {
	if s.networkProxy == nil || portID == "" {
		return "", nil
	}
	port, err := s.networkProxy.Ports.Show(ctx, portID)
	if errs.Is(err, errs.NotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return port.Server(), nil
}

// AddFloatingIP gives a server's port a floating IP, as compute once did itself.
func (s *Proxies) AddFloatingIP(ctx context.Context, id, address, fixed string) error {
	return s.floating(ctx, id, "os-floating-ips:add", address, func(tx *store.Tx, p *network.Service, f *network.FloatingIP) error {
		ports, err := s.network.PortsOfServerTx(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, port := range ports {
			for _, ip := range port.FixedIPs {
				if fixed != "" && ip.IP.String() != fixed || fixed == "" && !ip.IP.Is4() {
					continue
				}
				_, err := p.FloatingIPs.UpdateTx(ctx, tx, f.ID, change.Patch[network.NewFloatingIP]{Named: []string{"port_id"}, Apply: func(f *network.NewFloatingIP) error {
					f.Associate, f.PortID, f.FixedIP = true, port.ID, ip.IP
					return nil
				}})
				return err
			}
		}
		return errs.New(errs.Invalid, "No fixed IPs associated to instance")
	})
}

// RemoveFloatingIP takes a floating IP off a server's port.
func (s *Proxies) RemoveFloatingIP(ctx context.Context, id, address string) error {
	return s.floating(ctx, id, "os-floating-ips:remove", address, func(tx *store.Tx, p *network.Service, f *network.FloatingIP) error {
		ports, err := s.network.PortsOfServerTx(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, port := range ports {
			if port.ID == f.PortID {
				_, err := p.FloatingIPs.UpdateTx(ctx, tx, f.ID, change.Patch[network.NewFloatingIP]{Named: []string{"port_id"}, Apply: func(f *network.NewFloatingIP) error {
					f.Associate, f.PortID, f.FixedIP = true, "", netip.Addr{}
					return nil
				}})
				return err
			}
		}
		return errs.New(errs.Conflict, "Floating IP %s is not associated with instance %s.", address, id)
	})
}

func (s *Proxies) floating(ctx context.Context, id, rule, address string, f func(tx *store.Tx, p *network.Service, f *network.FloatingIP) error) error {
	srv, err := s.Servers.Show(ctx, id, rule)
	if err != nil {
		return err
	}
	if err := s.check(ctx, rule, policy.Target{"project_id": srv.ProjectID}); err != nil {
		return err
	}
	if s.networkProxy == nil {
		return noProxy()
	}
	list, err := s.networkProxy.FloatingIPs.List(ctx, store.Query{})
	if err != nil {
		return err
	}
	for _, fip := range list.Rows {
		if fip.Address.String() == address {
			err := s.write(ctx, func(tx *store.Tx) error { return f(tx, s.networkProxy, fip) })
			if e := errs.As(err); err != nil && e.Kind == errs.Conflict && e.Code != "" { // the network's, which compute worded as a bad request
				return errs.New(errs.Invalid, "Error. Unable to associate floating IP: %s", e.Msg)
			}
			return err
		}
	}
	return errs.New(errs.NotFound, "floating IP not found")
}

package compute

import (
	"context"
	"net/netip"

	"kumoi/internal/kernel/change"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/policy"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/volume"
)

// GroupProxy gives the API the network's security groups, if the rule allows it.
func (s *Service) GroupProxy(ctx context.Context, rule string) (*network.SecurityGroups, *network.SecurityGroupRules, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, nil, err
	}
	if s.networkProxy == nil {
		return nil, nil, noProxy()
	}
	return s.networkProxy.SecurityGroups, s.networkProxy.SecurityGroupRules, nil
}

// Proxy gives the API the network behind compute, if the rule allows it.
func (s *Service) Proxy(ctx context.Context, rule string) (*network.Service, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	if s.networkProxy == nil {
		return nil, noProxy()
	}
	return s.networkProxy, nil
}

// WithProxy runs f on the network behind compute in one transaction.
func (s *Service) WithProxy(ctx context.Context, rule string, f func(tx *store.Tx, p *network.Service) error) error {
	p, err := s.Proxy(ctx, rule)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error { return f(tx, p) })
}

// AddFloatingIP gives a server's port a floating IP, as compute once did itself.
func (s *Service) AddFloatingIP(ctx context.Context, id, address, fixed string) error {
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
func (s *Service) RemoveFloatingIP(ctx context.Context, id, address string) error {
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

func (s *Service) floating(ctx context.Context, id, rule, address string, f func(tx *store.Tx, p *network.Service, f *network.FloatingIP) error) error {
	srv, err := s.Server(ctx, id, rule)
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

// noProxy is said of what compute showed as its own where nobody is behind it.
func noProxy() error { return errs.New(errs.NotFound, "The resource could not be found.") }

// ImageProxy gives the API the image service behind compute.
func (s *Service) ImageProxy() (ImageProxy, error) {
	if s.imageProxy == nil {
		return nil, noProxy()
	}
	return s.imageProxy, nil
}

// Extensions tells whether the actor may list the API's extensions.
func (s *Service) Extensions(ctx context.Context) error { return s.Check(ctx, "extensions") }

// AssistSnapshot is what volume drivers on shared files ask of compute; this
// cloud has no such drivers.
func (s *Service) AssistSnapshot(ctx context.Context, rule string) error {
	if err := s.Check(ctx, rule); err != nil {
		return err
	}
	return errs.New(errs.Invalid, "This cloud's volumes do not need compute to make or delete their snapshots.")
}

// VolumeProxy gives the API the volume service behind compute, if the rule allows it.
func (s *Service) VolumeProxy(ctx context.Context, rule string) (*volume.Service, error) {
	if err := s.Check(ctx, rule); err != nil {
		return nil, err
	}
	if s.volumeProxy == nil {
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	return s.volumeProxy, nil
}

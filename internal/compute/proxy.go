package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/network"
	"kumoi/internal/volume"
)

// Groups gives the API the network's security groups, if the rule allows it.
func (s *Proxies) Groups(ctx context.Context, rule string) (*network.SecurityGroups, *network.SecurityGroupRules, error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, nil, err
	}
	if s.networkProxy == nil {
		return nil, nil, noProxy()
	}
	return s.networkProxy.SecurityGroups, s.networkProxy.SecurityGroupRules, nil
}

// Network gives the API the network behind compute, if the rule allows it.
func (s *Proxies) Network(ctx context.Context, rule string) (*network.Service, error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	if s.networkProxy == nil {
		return nil, noProxy()
	}
	return s.networkProxy, nil
}

// With runs f on the network behind compute in one transaction.
func (s *Proxies) With(ctx context.Context, rule string, f func(tx *store.Tx, p *network.Service) error) error {
	p, err := s.Network(ctx, rule)
	if err != nil {
		return err
	}
	return s.write(ctx, func(tx *store.Tx) error { return f(tx, p) })
}

// noProxy is said of what compute showed as its own where nobody is behind it.
func noProxy() error { return errs.New(errs.NotFound, "The resource could not be found.") }

// Images gives the API the image service behind compute.
func (s *Proxies) Images() (ImageProxy, error) {
	if s.imageProxy == nil {
		return nil, noProxy()
	}
	return s.imageProxy, nil
}

// Extensions tells whether the actor may list the API's extensions.
func (s *Proxies) Extensions(ctx context.Context) error { return s.checkOwn(ctx, "extensions") }

// Assist is what volume drivers on shared files ask of compute; this
// cloud has no such drivers.
func (s *Proxies) Assist(ctx context.Context, rule string) error {
	if err := s.checkOwn(ctx, rule); err != nil {
		return err
	}
	return errs.New(errs.Invalid, "This cloud's volumes do not need compute to make or delete their snapshots.")
}

// Volumes gives the API the volume service behind compute, if the rule allows it.
func (s *Proxies) Volumes(ctx context.Context, rule string) (*volume.Service, error) {
	if err := s.checkOwn(ctx, rule); err != nil {
		return nil, err
	}
	if s.volumeProxy == nil {
		return nil, errs.New(errs.NotFound, "The resource could not be found.")
	}
	return s.volumeProxy, nil
}

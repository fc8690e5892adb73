package compute

import (
	"context"

	"kumoi/internal/network"
)

// Add puts a group on all ports of a server.
func (s *SecurityGroups) Add(ctx context.Context, id, group string) error {
	if _, err := s.Servers.Show(ctx, id, "os-security-groups:add"); err != nil {
		return err
	}
	if err := s.network.AddSecurityGroup(ctx, id, group); err != nil {
		return err
	}
	return s.refresh.server(ctx, id)
}

// Remove takes a group off all ports of a server.
func (s *SecurityGroups) Remove(ctx context.Context, id, group string) error {
	if _, err := s.Servers.Show(ctx, id, "os-security-groups:remove"); err != nil {
		return err
	}
	if err := s.network.RemoveSecurityGroup(ctx, id, group); err != nil {
		return err
	}
	return s.refresh.server(ctx, id)
}

// List lists the groups of a server's ports.
func (s *SecurityGroups) List(ctx context.Context, id string) ([]*network.SecurityGroup, error) {
	if _, err := s.Servers.Show(ctx, id, "os-security-groups:list"); err != nil {
		return nil, err
	}
	m, err := s.network.ServerSecurityGroups(ctx, []string{id})
	return m[id], err
}

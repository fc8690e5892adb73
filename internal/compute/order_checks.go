package compute

import (
	"context"
	"slices"
	"strings"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/ids"
	"kumoi/internal/kernel/store"
)

// allowed asks the policies that the request touches.
func (s *orders) allowed(ctx context.Context, r *CreateServer) error {
	if err := s.checkOwn(ctx, "servers:create"); err != nil {
		return err
	}
	if len(r.Networks) > 0 {
		if err := s.checkOwn(ctx, "servers:create:attach_network"); err != nil {
			return err
		}
	}
	if len(r.Devices) > 0 {
		if err := s.checkOwn(ctx, "servers:create:attach_volume"); err != nil {
			return err
		}
	}
	zone, host, node := splitZone(r.Zone)
	if host != "" || node != "" {
		if err := s.checkOwn(ctx, "servers:create:forced_host"); err != nil {
			return err
		}
		r.Zone, r.Host = zone, host
		if host == "" {
			r.Host = node
		}
	} else if r.Host != "" || r.Node != "" {
		if err := s.policy.Check(ctx, "os_compute_api:servers:create:forced_host", own(ctx)); err != nil {
			return errs.New(errs.Forbidden, "Policy doesn't allow compute:servers:create:requested_destination to be performed.")
		}
		if r.Host == "" {
			r.Host = r.Node
		}
	}
	if r.Min == 0 {
		r.Min = 1
	}
	if r.Max == 0 {
		r.Max = r.Min
	}
	if r.Min > r.Max {
		return errs.New(errs.Invalid, "min_count must be <= max_count")
	}
	if r.Max > 1 {
		for _, n := range r.Networks {
			switch {
			case n.PortID != "":
				return errs.New(errs.Invalid, "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.")
			case n.FixedIP != "":
				return errs.New(errs.Invalid, "Invalid fixed IP Address %s: it cannot be used for several instances.", n.FixedIP)
			}
		}
	}
	return nil
}

// splitZone cuts "zone:host:node".
func splitZone(text string) (zone, host, node string) {
	parts := strings.SplitN(text, ":", 3)
	zone = parts[0]
	if len(parts) > 1 {
		host = parts[1]
	}
	if len(parts) > 2 {
		node = parts[2]
	}
	return zone, host, node
}

// checkTarget refuses a zone or a host that does not exist.
func (s *orders) checkTarget(ctx context.Context, tx *store.Tx, r CreateServer) error {
	if r.Zone == "" && r.Host == "" {
		return nil
	}
	hosts, err := s.Hosts.all(ctx, tx)
	if err != nil {
		return err
	}
	if r.Host != "" && !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Name == r.Host }) {
		if r.Zone == "" || r.Zone == s.cfg.DefaultZone || slices.ContainsFunc(hosts, func(h *Host) bool { return h.Zone == r.Zone }) {
			return errs.New(errs.Invalid, "Compute host %s could not be found.", r.Host)
		}
	}
	if r.Zone != "" && !slices.ContainsFunc(hosts, func(h *Host) bool { return h.Zone == r.Zone }) && !(len(hosts) == 0 && r.Zone == s.cfg.DefaultZone) {
		return errs.New(errs.Invalid, "The requested availability zone is not available")
	}
	return nil
}

// checkLimits checks quotas that are not counted in servers.
func (s *orders) checkLimits(ctx context.Context, tx *store.Tx, r CreateServer, srv *Server, n int) error {
	if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "metadata_items", len(r.Metadata),
		"Quota exceeded, too many metadata items in request: Maximum number of metadata items exceeded"); err != nil {
		return err
	}
	if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "injected_files", len(r.Files), "Quota exceeded, too many personality items"); err != nil {
		return err
	}
	for _, f := range r.Files {
		if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "injected_file_path_bytes", len(f.Path), "Personality file path exceeds maximum length"); err != nil {
			return err
		}
		if err := s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "injected_file_content_bytes", len(f.Content), "Personality file content exceeds maximum length"); err != nil {
			return err
		}
	}
	if srv.GroupID == "" {
		return nil
	}
	g, err := s.ServerGroups.Get(ctx, tx, srv.GroupID)
	if err != nil {
		return err
	}
	return s.Quotas.checkLimit(ctx, tx, srv.ProjectID, "server_group_members", len(g.Members)+n, "Quota exceeded, too many servers in group")
}

// groupHint finds the server group that a scheduler hint names.
func (s *orders) groupHint(ctx context.Context, tx *store.Tx, hints map[string][]string) (string, error) {
	named := hints["group"]
	if len(named) == 0 {
		return "", nil
	}
	if !ids.IsUUID(named[0]) {
		return "", errs.New(errs.Invalid, "Server group scheduler hint must be a UUID.")
	}
	g, err := s.ServerGroups.Visible(ctx, tx, named[0])
	if err != nil {
		return "", invalidIfMissing(err, "Instance group %s could not be found.", named[0])
	}
	return g.ID, nil
}

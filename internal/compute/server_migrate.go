package compute

import (
	"context"
	"slices"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// MigrateLive would move a running guest.
func (s *Moves) MigrateLive(ctx context.Context, id, host string) error {
	if host != "" {
		var hosts []*Host
		if _, err := s.Servers.Show(ctx, id, policyOf("live-migration")); err != nil {
			return err
		}
		err := s.read(ctx, func(tx *store.Tx) (err error) {
			hosts, err = s.Hosts.all(ctx, tx)
			return err
		})
		if err != nil {
			return err
		}
		known := false
		for _, h := range hosts {
			known = known || h.Name == host
		}
		if !known {
			return errs.New(errs.Invalid, "Compute host %s could not be found.", host)
		}
	}
	return s.Servers.refuse(ctx, id, "live-migration", errs.New(errs.Invalid,
		"Live migration is not offered by this cloud's hosts yet; use migrate, which stops the server for the move."))
}

// Migrate moves a server to another host; the owner's operator confirms or reverts.
func (s *Moves) Migrate(ctx context.Context, id, host string) error {
	return s.write(ctx, func(tx *store.Tx) error {
		srv, err := s.load(ctx, tx, id, policyOf("migrate"))
		if err != nil {
			return err
		}
		if host != "" {
			if err := s.checkServer(ctx, srv, "os-migrate-server:migrate:host"); err != nil {
				return err
			}
		}
		if err := s.permit(ctx, srv, "migrate"); err != nil {
			return err
		}
		hosts, err := s.Hosts.all(ctx, tx)
		if err != nil {
			return err
		}
		others := slices.DeleteFunc(hosts, func(h *Host) bool { return h.Name == srv.Host || !h.Usable() })
		switch {
		case host != "" && host == srv.Host:
			return errs.New(errs.Invalid, "The target host can't be the same one.")
		case host != "" && !slices.ContainsFunc(others, func(h *Host) bool { return h.Name == host }):
			return errs.New(errs.Invalid, "Compute host %s could not be found.", host)
		case len(others) == 0:
			return errs.New(errs.Invalid, "No valid host was found. The server is on the only host that is up and enabled, so there is none to migrate it to.")
		}
		return s.begin(ctx, tx, srv, "migration", host, srv.Flavor)
	})
}

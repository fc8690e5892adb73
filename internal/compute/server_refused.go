package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
)

// Restore brings back a softly deleted server; deletion is never soft here.
func (s *Service) Restore(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "restore", errs.New(errs.Conflict, "Instance %s was not deleted softly.", id))
}

// TriggerCrashDump would send the guest an interrupt that makes it dump its memory.
func (s *Service) TriggerCrashDump(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "trigger_crash_dump", errs.New(errs.Invalid, "This cloud's hosts cannot trigger a crash dump in a guest."))
}

// ChangePassword would need an agent inside the guest.
func (s *Service) ChangePassword(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "set_admin_password", errs.New(errs.Conflict,
		"The password of instance %s cannot be changed: that needs a guest agent, which this cloud does not use. Use a key pair or user data.", id))
}

// InjectNetworkInfo is a left-over of hypervisors that wrote into guests.
func (s *Service) InjectNetworkInfo(ctx context.Context, id string) error {
	_, err := s.Server(ctx, id, "os-admin-actions:inject_network_info")
	return err
}

// MigrateLive would move a running guest.
func (s *Service) MigrateLive(ctx context.Context, id, host string) error {
	if host != "" {
		var hosts []*Host
		if _, err := s.Server(ctx, id, policyOf("live-migration")); err != nil {
			return err
		}
		err := s.read(ctx, func(tx *store.Tx) (err error) {
			hosts, err = s.hostsTx(ctx, tx)
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
	return s.refuse(ctx, id, "live-migration", errs.New(errs.Invalid,
		"Live migration is not offered by this cloud's hosts yet; use migrate, which stops the server for the move."))
}

// refuse checks that the action were allowed, and then says why it is not offered.
func (s *Service) refuse(ctx context.Context, id, action string, reason error) error {
	srv, err := s.Server(ctx, id, policyOf(action))
	if err != nil {
		return err
	}
	if err := s.permit(ctx, srv, action); err != nil {
		return err
	}
	return reason
}

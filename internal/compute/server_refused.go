package compute

import (
	"context"

	"kumoi/internal/kernel/errs"
)

// Restore brings back a softly deleted server; deletion is never soft here.
func (s *Servers) Restore(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "restore", errs.New(errs.Conflict, "Instance %s was not deleted softly.", id))
}

// TriggerCrashDump would send the guest an interrupt that makes it dump its memory.
func (s *Servers) TriggerCrashDump(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "trigger_crash_dump", errs.New(errs.Invalid, "This cloud's hosts cannot trigger a crash dump in a guest."))
}

// ChangePassword would need an agent inside the guest.
func (s *Servers) ChangePassword(ctx context.Context, id string) error {
	return s.refuse(ctx, id, "set_admin_password", errs.New(errs.Conflict,
		"The password of instance %s cannot be changed: that needs a guest agent, which this cloud does not use. Use a key pair or user data.", id))
}

// InjectNetworkInfo is a left-over of hypervisors that wrote into guests.
func (s *Servers) InjectNetworkInfo(ctx context.Context, id string) error {
	_, err := s.Show(ctx, id, "os-admin-actions:inject_network_info")
	return err
}

// refuse checks that the action were allowed, and then says why it is not offered.
func (s *Servers) refuse(ctx context.Context, id, action string, reason error) error {
	srv, err := s.Show(ctx, id, policyOf(action))
	if err != nil {
		return err
	}
	if err := s.permit(ctx, srv, action); err != nil {
		return err
	}
	return reason
}

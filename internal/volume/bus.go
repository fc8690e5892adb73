package volume

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/bus"
)

// listen hears what hosts say of their backends, and answers those that send
// backups and ask for them.
func (s *Service) listen() error {
	if s.bus == nil {
		return nil
	}
	handle := func(verb string, h func(ctx context.Context, host string, m *bus.Msg) (any, error)) error {
		sub, err := s.bus.Handle(bus.AnyControl(verb), "volume", func(ctx context.Context, m *bus.Msg) (any, error) {
			return h(actor.AsSystem(ctx, "host"), bus.HostOf(m.Subject), m)
		})
		if err == nil {
			s.subs = append(s.subs, sub)
		}
		return err
	}
	reports, err := s.bus.Subscribe(bus.AnyReport(hostapi.ReportVolumes), "volume", func(ctx context.Context, m *bus.Msg) {
		var r hostapi.VolumeReport
		host := bus.HostOf(m.Subject)
		err := m.Decode(&r)
		if err == nil {
			err = s.Backends.TakeReport(actor.AsSystem(ctx, "host"), host, r)
		}
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "report not taken", "host", host, "error", err)
		}
	})
	if err != nil {
		return err
	}
	s.subs = append(s.subs, reports)
	return errors.Join(
		handle(hostapi.ControlWriteBackup, func(ctx context.Context, host string, m *bus.Msg) (any, error) {
			var w hostapi.BackupWrite
			if err := m.Decode(&w); err != nil {
				return nil, err
			}
			if err := s.Backups.mayWrite(ctx, host, w.BackupID); err != nil {
				return nil, err
			}
			return struct{}{}, s.Backups.Write(ctx, w)
		}),
		handle(hostapi.ControlReadBackup, func(ctx context.Context, host string, m *bus.Msg) (any, error) {
			var r hostapi.BackupRead
			if err := m.Decode(&r); err != nil {
				return nil, err
			}
			if err := s.Backups.mayRead(ctx, host, r.BackupID); err != nil {
				return nil, err
			}
			return s.Backups.Read(ctx, r)
		}),
	)
}

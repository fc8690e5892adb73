package volume

import (
	"context"
	"slices"
	"strings"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/store"
	"kumoi/internal/volume/schedule"
)

// Operator is what those who run the cloud ask of backends and services.
type Operator struct{ s *Service }

// The services that Cinder has, of which only the one of volumes is several.
const (
	BinaryVolume    = "cinder-volume"
	BinaryScheduler = "cinder-scheduler"
	BinaryBackup    = "cinder-backup"
)

// ServiceState is one of Cinder's services, as this cloud has it: a backend, or
// the control plane's own work, which is there whenever somebody can ask.
type ServiceState struct {
	Binary, Host, Zone string
	Disabled, Up       bool
	Reason, Fault      string
	Frozen             bool
	UpdatedAt          time.Time
}

// Services lists them.
func (o *Operator) Services(ctx context.Context) ([]ServiceState, error) {
	if err := o.s.Check(ctx, "volume_extension:services:index"); err != nil {
		return nil, err
	}
	return o.services(ctx)
}

func (o *Operator) services(ctx context.Context) ([]ServiceState, error) {
	list, err := o.s.Backends.States(ctx)
	if err != nil {
		return nil, err
	}
	self, now := "kumoi", o.s.now()
	if len(list) > 0 {
		self = list[0].Host
	}
	out := []ServiceState{
		{Binary: BinaryBackup, Host: self, Zone: o.s.cfg.Zone, Up: true, UpdatedAt: now},
		{Binary: BinaryScheduler, Host: self, Zone: o.s.cfg.Zone, Up: true, UpdatedAt: now},
	}
	for _, b := range list {
		out = append(out, ServiceState{
			Binary: BinaryVolume, Host: b.Host + "@" + b.Name, Zone: o.s.cfg.Zone, Disabled: b.Disabled, Reason: b.Reason, Frozen: b.Frozen,
			Up: now.Sub(b.SeenAt) < hostapi.DownAfter, Fault: b.Report.Fault, UpdatedAt: b.SeenAt,
		})
	}
	return out, nil
}

// Disable lets a service take no new volumes, or again, with the reason.
func (o *Operator) Disable(ctx context.Context, binary, host, reason string, disabled bool) error {
	return o.update(ctx, binary, host, func(b *Backend) error {
		if b.Disabled, b.Reason = disabled, reason; !disabled {
			b.Reason = ""
		}
		return nil
	})
}

// Freeze lets nothing in a backend be changed or added, Thaw ends that.
func (o *Operator) Freeze(ctx context.Context, host string) error { return o.freeze(ctx, host, true) }

// Thaw ends what Freeze began.
func (o *Operator) Thaw(ctx context.Context, host string) error { return o.freeze(ctx, host, false) }

func (o *Operator) freeze(ctx context.Context, host string, frozen bool) error {
	rule := map[bool]string{true: "volume:freeze_host", false: "volume:thaw_host"}[frozen]
	if err := o.s.Check(ctx, rule); err != nil {
		return err
	}
	return asInput(o.update(ctx, BinaryVolume, host, func(b *Backend) error {
		if b.Frozen == frozen {
			return errs.New(errs.Invalid, "No service could be changed: %s is frozen already, or not at all", host)
		}
		b.Frozen = frozen
		return nil
	}))
}

// Failover answers that no backend has another to fail over to.
func (o *Operator) Failover(ctx context.Context, host string) error {
	if err := o.s.Check(ctx, "volume:failover_host"); err != nil {
		return err
	}
	return asInput(o.update(ctx, BinaryVolume, host, func(*Backend) error {
		return errs.New(errs.Invalid, "No service could be changed: %s is not replicated", host)
	}))
}

// asInput says that a request named what is not there.
func asInput(err error) error {
	if errs.Is(err, errs.NotFound) || errs.Is(err, errs.Invalid) {
		return errs.New(errs.Invalid, "Invalid input received: %s", errs.As(err).Msg)
	}
	return err
}

func (o *Operator) update(ctx context.Context, binary, host string, change func(b *Backend) error) error {
	if err := o.s.Check(ctx, "volume_extension:services:update"); err != nil {
		return err
	}
	all, err := o.services(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(v ServiceState) bool { return v.Binary == binary && v.Host == place(host) }) {
		return errs.New(errs.NotFound, "Service %s could not be found on host %s.", binary, host)
	}
	if binary != BinaryVolume {
		return errs.New(errs.Invalid, "Invalid input received: %s is part of the control plane and always enabled; disable back ends (%s) instead", binary, BinaryVolume)
	}
	return o.s.write(ctx, func(tx *store.Tx) error {
		p := ParsePlace(host)
		b, err := o.s.tables.Backends.Get(ctx, tx, p.Host, p.Backend)
		if err != nil {
			return err
		}
		if err := change(b); err != nil {
			return err
		}
		b.UpdatedAt = o.s.now()
		return o.s.tables.Backends.Update(ctx, tx, b)
	})
}

// place is a backend's name without its pool.
func place(host string) string {
	out, _, _ := strings.Cut(host, "#")
	return out
}

// Zones are the availability zones.
func (o *Operator) Zones(ctx context.Context) (zones []string, err error) {
	err = o.s.read(ctx, func(tx *store.Tx) (err error) {
		zones, err = o.s.Volumes.zonesTx(ctx, tx)
		return err
	})
	return zones, err
}

// Pools lists backends as the scheduler sees them; of a type, those that take its volumes.
func (o *Operator) Pools(ctx context.Context, name, typeName string) (out []schedule.Pool, err error) {
	if err := o.s.Check(ctx, "scheduler_extension:scheduler_stats:get_pools"); err != nil {
		return nil, err
	}
	err = o.s.read(ctx, func(tx *store.Tx) error {
		pools, err := o.s.Backends.pools(ctx, tx)
		if err != nil {
			return err
		}
		if typeName != "" {
			t, err := o.s.parts.typeOf(ctx, tx, typeName)
			if err != nil {
				return err
			}
			pools = schedule.Fit(pools, schedule.Request{Specs: t.ExtraSpecs})
		}
		out = slices.DeleteFunc(pools, func(p schedule.Pool) bool { return name != "" && p.Name != name })
		return nil
	})
	return out, err
}

// Capabilities are what a backend, HOST@BACKEND, can do.
func (o *Operator) Capabilities(ctx context.Context, host string) (*Backend, error) {
	if err := o.s.Check(ctx, "volume_extension:capabilities"); err != nil {
		return nil, err
	}
	list, err := o.s.Backends.States(ctx)
	if err != nil {
		return nil, err
	}
	b := backendOf(list, host)
	if b == nil {
		return nil, errs.New(errs.NotFound, "Can't find service: %s", host)
	}
	return b, nil
}

package volume

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Explanation is what is known of a volume: where its bytes are, who has it, and
// what was done to it.
type Explanation struct {
	Volume    *Volume
	Type      string
	Backend   *Backend // nil: none, or one that is not known
	Why       string   // the backend cannot be used; "" if it can
	Snapshots int
	Backups   int
	Sagas     []saga.Detail // the newest first
}

// Explain tells why a volume is as it is.
func (f *Volumes) Explain(ctx context.Context, id string) (*Explanation, error) {
	e := &Explanation{}
	err := f.s.read(ctx, func(tx *store.Tx) (err error) {
		if e.Volume, err = f.s.tables.Volumes.Get(ctx, tx, id); err != nil {
			if errs.Is(err, errs.NotFound) {
				err = NotFound(id)
			}
			return err
		}
		kind, err := f.s.parts.typeByID(ctx, tx, e.Volume.TypeID)
		if err != nil {
			return err
		}
		e.Type = kind.Name
		list, err := f.s.Backends.all(ctx, tx)
		if err != nil {
			return err
		}
		if e.Backend = backendOf(list, e.Volume.Host); e.Backend != nil {
			e.Why = f.s.Backends.Fault(e.Backend)
		}
		snaps, err := f.s.tables.Snapshots.Count(ctx, tx, store.Eq("volume_id", id))
		if err != nil {
			return err
		}
		backups, err := f.s.tables.Backups.Count(ctx, tx, store.Eq("volume_id", id))
		e.Snapshots, e.Backups = int(snaps), int(backups)
		return err
	})
	if err != nil {
		return nil, err
	}
	list, err := f.s.sagas.List(ctx, saga.Filter{Resource: resource(id), Limit: 5})
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		d, err := f.s.sagas.Show(ctx, x.ID)
		if err != nil {
			return nil, err
		}
		e.Sagas = append(e.Sagas, d)
	}
	return e, nil
}

// Reason is why the last operation did not end well; "" if it did.
func (e *Explanation) Reason() string {
	if len(e.Sagas) > 0 && e.Sagas[0].Err != nil {
		return e.Sagas[0].Err.Error()
	}
	return ""
}

func (e *Explanation) String() string {
	var b strings.Builder
	v := e.Volume
	fmt.Fprintf(&b, "volume %s %q: %s, %d GiB", v.ID, v.Name, v.Status, v.SizeGiB)
	if e.Type != "" {
		fmt.Fprintf(&b, ", type %s", e.Type)
	}
	b.WriteString("\n")
	switch {
	case v.Host == "":
		b.WriteString("  bytes: none, no backend was chosen\n")
	case e.Backend == nil:
		fmt.Fprintf(&b, "  bytes: in %s, which no host reports\n", v.Host)
	case e.Why != "":
		fmt.Fprintf(&b, "  bytes: in %s (%s), which cannot be used: %s\n", v.Host, e.Backend.Report.Driver, e.Why)
	default:
		fmt.Fprintf(&b, "  bytes: in %s (%s), %d of %d GiB free\n", v.Host, e.Backend.Report.Driver, e.Backend.Report.FreeGiB, e.Backend.Report.TotalGiB)
	}
	for _, a := range v.Attachments {
		fmt.Fprintf(&b, "  attachment %s: %s", a.ID, a.Status)
		if a.InstanceID != "" {
			fmt.Fprintf(&b, ", server %s", a.InstanceID)
		}
		if a.AttachedHost != "" {
			fmt.Fprintf(&b, ", from host %s", a.AttachedHost)
		}
		if a.Connection != nil {
			fmt.Fprintf(&b, ", served by %s", a.Connection.Host)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "  snapshots: %d, backups: %d\n", e.Snapshots, e.Backups)
	for _, d := range e.Sagas {
		fmt.Fprintf(&b, "  %s: %s", d.Kind, d.State)
		if d.Err != nil {
			fmt.Fprintf(&b, ": %s", d.Err)
		}
		b.WriteString("\n")
		for _, ev := range d.Events {
			if ev.Since > 0 {
				fmt.Fprintf(&b, "    %s %s: %s\n", ev.Step, ev.Name, ev.Since.Round(time.Millisecond))
			}
		}
	}
	return b.String()
}

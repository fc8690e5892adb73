package volume

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

func (b *Backend) connector() Connector {
	return Connector{Host: b.cfg.Host, RunDir: b.cfg.RunDir, UID: b.cfg.UID, GID: b.cfg.GID}
}

// copyClient is what a volume's copy is to the one that it goes to.
func copyClient(id string) string { return "copy-" + id }

// copyJob is the daemon's job that copies.
const copyJob = "copy"

// CopyVolume mirrors the volume into another. Once both are equal each write
// goes to both before it is acknowledged. A volume without clients is shut at
// once: none may come while the copy goes on in its place.
func (b *Backend) CopyVolume(ctx context.Context, c *hostapi.VolumeCopy) error {
	return b.with(ctx, c.From, func(v *volume) error {
		if v.rec.Copied {
			return nil
		}
		if err := v.checkKey(c.Encryption); err != nil {
			return err
		}
		if c.Encryption != nil {
			v.state.key = c.Encryption
		}
		clients := len(v.rec.Clients) > 0
		err := v.serving(ctx, func(q *qmp) error {
			if clients { // one that was about to be finished has shut them out
				if err := v.export(ctx, q); err != nil {
					return err
				}
			}
			err := v.mirror(ctx, q, c)
			if err == nil && clients {
				return nil // goes on until it is finished
			}
			rest := context.WithoutCancel(ctx)
			if err == nil {
				err = q.complete(rest, copyJob)
			}
			return errors.Join(err, v.unmirror(rest, q))
		})
		if err != nil || clients {
			return err
		}
		v.rec.Copied = true
		return v.save(ctx)
	})
}

// mirror begins a copy and waits until both volumes are equal.
func (v *volume) mirror(ctx context.Context, q *qmp, c *hostapi.VolumeCopy) error {
	if err := v.unmirror(ctx, q); err != nil { // of an attempt before
		return err
	}
	// Behind the socket lies the other volume's daemon, or a relay to its host.
	to := v.b.connector()
	if err := to.Connect(ctx, copyClient(v.rec.ID), c.To, 0); err != nil {
		return err
	}
	remote := object{
		"driver": "nbd", "server": object{"type": "unix", "path": to.Socket(copyClient(v.rec.ID))},
		"export": c.To.Export, "open-timeout": 5, "discard": "unmap",
	}
	// The other volume may be larger: a mirror wants equal sizes.
	part := object{"driver": "raw", "node-name": "to", "size": int64(v.rec.SizeGiB) << 30, "file": remote}
	if err := q.do(ctx, "blockdev-add", part, nil); err != nil {
		return err
	}
	device, err := v.plain(ctx, q, c.Encryption)
	if err != nil {
		return err
	}
	if len(v.rec.Clients) > 0 {
		device = topNode
	}
	err = q.do(ctx, "blockdev-mirror", object{
		"job-id": copyJob, "device": device, "target": "to", "sync": "full", "copy-mode": "write-blocking", "auto-dismiss": false,
	}, nil)
	if err != nil {
		return err
	}
	return q.finish(ctx, copyJob, "ready")
}

// unmirror ends a copy, if there is one, wherever it is. The way to the target
// goes first: while its host is away, the relay would keep what is asked of it,
// and the daemon wait for that.
func (v *volume) unmirror(ctx context.Context, q *qmp) error {
	return errors.Join(v.b.connector().Disconnect(ctx, copyClient(v.rec.ID)), q.end(ctx, copyJob), q.remove(ctx, "to"))
}

// FinishCopy shuts the clients out first, so that no write can come between the
// last that is copied and the record that says so.
func (b *Backend) FinishCopy(ctx context.Context, ref hostapi.VolumeRef) error {
	return b.with(ctx, ref, func(v *volume) error {
		if v.rec.Copied {
			return nil
		}
		lost := errs.New(errs.Conflict, "The copy of volume %s has ended; it is to be made again.", ref.ID)
		if _, running := v.daemon().pid(); !running {
			return lost
		}
		return v.serving(ctx, func(q *qmp) error {
			j, err := q.job(ctx, copyJob)
			if err != nil {
				return err
			}
			if j == nil || j.Status != "ready" {
				return lost
			}
			for _, readOnly := range []bool{false, true} {
				if err := q.offer(ctx, topNode, exportName(ref.ID, readOnly), readOnly, false); err != nil {
					return err
				}
			}
			if err := q.complete(ctx, copyJob); err != nil {
				v.b.log.WarnContext(ctx, "a volume's copy has ended", "volume", ref.ID, "error", err)
				return lost
			}
			v.rec.Copied = true
			if err := v.save(ctx); err != nil {
				v.rec.Copied = false
				return err
			}
			return v.unmirror(context.WithoutCancel(ctx), q)
		})
	})
}

// EndCopy lets the volume's clients in again.
func (b *Backend) EndCopy(ctx context.Context, c *hostapi.VolumeCopy) error {
	err := b.with(ctx, c.From, func(v *volume) error {
		if v.rec.Copied {
			v.rec.Copied = false
			if err := v.save(ctx); err != nil {
				return err
			}
		}
		if c.Encryption != nil {
			v.state.key = c.Encryption
		}
		if _, running := v.daemon().pid(); !running && len(v.rec.Clients) == 0 {
			return v.b.connector().Disconnect(ctx, copyClient(v.rec.ID))
		}
		return v.serving(ctx, func(q *qmp) error {
			if err := v.unmirror(ctx, q); err != nil || len(v.rec.Clients) == 0 {
				return err
			}
			return v.export(ctx, q)
		})
	})
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	return err
}

package volume

import (
	"context"
	"errors"

	"kumoi/internal/hostapi"
)

func (b *Backend) connector() Connector {
	return Connector{Host: b.cfg.Host, RunDir: b.cfg.RunDir, UID: b.cfg.UID, GID: b.cfg.GID}
}

// copyClient is what a volume's copy is to the one that it goes to.
func copyClient(id string) string { return "copy-" + id }

// CopyVolume mirrors the volume into another. Once both are equal each write
// goes to both before it is acknowledged.
func (b *Backend) CopyVolume(ctx context.Context, c *hostapi.VolumeCopy) error {
	const job = "copy"
	return b.serving(ctx, c.From, func(v *volume, q *qmp) error {
		if err := v.checkKey(c.Encryption); err != nil {
			return err
		}
		// Behind the socket lies the other volume's daemon, or a relay to its host.
		to := b.connector()
		if err := errors.Join(q.end(ctx, job), q.remove(ctx, "to")); err != nil { // of an attempt before
			return err
		}
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
		clients := len(v.rec.Clients) > 0
		if clients {
			device = topNode
		}
		err = q.do(ctx, "blockdev-mirror", object{
			"job-id": job, "device": device, "target": "to", "sync": "full", "copy-mode": "write-blocking", "auto-dismiss": false,
		}, nil)
		if err == nil {
			err = q.finish(ctx, job, "ready")
		}
		if err == nil && clients {
			return nil // goes on until the last client leaves
		}
		rest := context.WithoutCancel(ctx)
		if err == nil {
			err = q.do(rest, "block-job-cancel", object{"device": job}, nil) // without turning to the target
			if err == nil {
				err = q.finish(rest, job)
			}
		}
		return errors.Join(err, q.end(rest, job), q.remove(rest, "to"), to.Disconnect(rest, copyClient(v.rec.ID)))
	})
}

package volume

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// ExportVolume lets a client open the volume. The record knows the client first:
// an agent that dies meanwhile finds out whom to serve.
func (b *Backend) ExportVolume(ctx context.Context, e *hostapi.VolumeExport) (*hostapi.VolumeConnection, error) {
	if e.Client == "" || e.Host == "" || strings.ContainsAny(e.Client, "/\x00") || len(e.Client) > 64 {
		return nil, errs.New(errs.Invalid, "A volume is exported to a client with an id, on a host.")
	}
	var conn *hostapi.VolumeConnection
	err := b.take(ctx, e.VolumeRef, func(v *volume) error {
		if err := v.checkKey(e.Encryption); err != nil {
			return err
		}
		if v.rec.Copied {
			return errs.New(errs.Unavailable, "Volume %s is moving to another place; try again.", e.ID)
		}
		c, known := v.rec.Clients[e.Client]
		if known && (c.Host != e.Host || c.ReadOnly != e.ReadOnly) {
			return errs.New(errs.Conflict, "Volume %s is exported to %s on host %s already, otherwise than is asked.", e.ID, e.Client, c.Host)
		}
		if !known {
			c = client{Host: e.Host, ReadOnly: e.ReadOnly}
			if c.Host != b.cfg.Host {
				c.Key = make([]byte, 32)
				_, _ = rand.Read(c.Key) // never fails
			}
		}
		v.state.key, v.rec.Limits = e.Encryption, e.Limits
		v.rec.Clients[e.Client] = c
		err := v.save(ctx)
		if err == nil {
			err = v.serving(ctx, func(q *qmp) error { return v.export(ctx, q) })
		}
		if err != nil && !known {
			rest := context.WithoutCancel(ctx)
			err = errors.Join(err, v.unexport(rest, e.Client))
		}
		conn = v.connection(e.Client)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn, nil
}

func (v *volume) connection(id string) *hostapi.VolumeConnection {
	c := v.rec.Clients[id]
	conn := &hostapi.VolumeConnection{VolumeID: v.rec.ID, Backend: v.b.cfg.Name, Host: v.b.cfg.Host, Export: exportName(v.rec.ID, c.ReadOnly), ReadOnly: c.ReadOnly}
	if c.Key != nil {
		conn.Address, conn.Key = net.JoinHostPort(v.b.cfg.Address, strconv.Itoa(c.Port)), c.Key
	}
	return conn
}

// exportName is what a client asks the daemon for.
func exportName(id string, readOnly bool) string {
	if readOnly {
		return id + "-ro"
	}
	return id
}

// export makes the daemon serve the clients of the record, all of them and no
// other: it may be new, or have been told of fewer.
func (v *volume) export(ctx context.Context, q *qmp) error {
	if v.rec.Copied {
		return nil
	}
	have, err := q.nodes(ctx)
	if err != nil {
		return err
	}
	if !have[topNode] {
		below, err := v.plain(ctx, q, v.state.key)
		if err != nil {
			return err
		}
		_ = q.do(ctx, "object-del", object{"id": "limits"}, nil)
		if err := q.do(ctx, "object-add", object{"qom-type": "throttle-group", "id": "limits"}, nil); err != nil {
			return err
		}
		if err := q.do(ctx, "blockdev-add", object{"driver": "throttle", "node-name": topNode, "throttle-group": "limits", "file": below}, nil); err != nil {
			return err
		}
	}
	if err := q.limit(ctx, v.rec.Limits); err != nil {
		return err
	}
	if err := q.listen(ctx, object{"type": "unix", "data": object{"path": v.daemon().socket()}}, ""); err != nil {
		return err
	}
	if err := v.daemon().offer(v.b.cfg.UID, v.b.cfg.GID); err != nil {
		return err
	}
	for _, readOnly := range []bool{false, true} {
		wanted := slices.ContainsFunc(slices.Collect(maps.Values(v.rec.Clients)), func(c client) bool { return c.ReadOnly == readOnly })
		if err := q.offer(ctx, topNode, exportName(v.rec.ID, readOnly), readOnly, wanted); err != nil {
			return err
		}
	}
	return v.gateways(ctx)
}

// listen starts the daemon's server, if it has none yet.
func (q *qmp) listen(ctx context.Context, address object, tls string) error {
	args := object{"addr": address}
	if tls != "" {
		args["tls-creds"] = tls
	}
	err := q.do(ctx, "nbd-server-start", args, nil)
	if err != nil && strings.Contains(err.Error(), "already running") {
		return nil
	}
	return err
}

// offer begins or ends an export of a node.
func (q *qmp) offer(ctx context.Context, node, name string, readOnly, wanted bool) error {
	id := "rw"
	if readOnly {
		id = "ro"
	}
	if !wanted {
		return q.unexport(ctx, id)
	}
	have, err := q.exports(ctx)
	if err != nil || have[id] {
		return err
	}
	return q.do(ctx, "block-export-add", object{
		"type": "nbd", "id": id, "node-name": node, "name": name, "writable": !readOnly, "writethrough": !readOnly,
	}, nil)
}

// limit has the throttle apply limits. QEMU counts bursts in seconds too.
func (q *qmp) limit(ctx context.Context, l hostapi.VolumeLimits) error {
	limits := object{
		"iops-total": l.TotalIOPS, "iops-read": l.ReadIOPS, "iops-write": l.WriteIOPS,
		"bps-total": l.TotalBytes, "bps-read": l.ReadBytes, "bps-write": l.WriteBytes,
		"iops-total-max": l.TotalIOPSMax, "iops-read-max": l.ReadIOPSMax, "iops-write-max": l.WriteIOPSMax,
		"bps-total-max": l.TotalBytesMax, "bps-read-max": l.ReadBytesMax, "bps-write-max": l.WriteBytesMax,
		"iops-size": l.SizeIOPS,
	}
	for name, length := range map[string]int64{
		"iops-total-max-length": l.TotalIOPSMaxLength, "iops-read-max-length": l.ReadIOPSMaxLength, "iops-write-max-length": l.WriteIOPSMaxLength,
		"bps-total-max-length": l.TotalBytesMaxLength, "bps-read-max-length": l.ReadBytesMaxLength, "bps-write-max-length": l.WriteBytesMaxLength,
	} {
		limits[name] = max(length, 1)
	}
	err := q.do(ctx, "qom-set", object{"path": "/objects/limits", "property": "limits", "value": limits}, nil)
	var refused *qmpError
	if errors.As(err, &refused) {
		text, _ := json.Marshal(l)
		return errs.Wrap(errs.Invalid, err, "The limits %s cannot be kept: %s.", text, refused.Desc)
	}
	return err
}

// UnexportVolume ends a client's access before the record forgets it. A volume
// that another host serves has no clients here.
func (b *Backend) UnexportVolume(ctx context.Context, ref hostapi.VolumeRef, client string) error {
	s, end, err := b.turn(ctx, ref)
	if err != nil {
		return err
	}
	defer end()
	v, err := b.load(ctx, ref, s)
	switch {
	case errs.Is(err, errs.NotFound):
		return nil
	case err != nil:
		return err
	case v.elsewhere():
		_ = v.leave(ctx) // the watch tries it again
		return nil
	}
	return v.unexport(ctx, client)
}

func (v *volume) unexport(ctx context.Context, id string) error {
	c, known := v.rec.Clients[id]
	if !known {
		return nil
	}
	if err := v.gateway(id).stop(ctx); err != nil {
		return err
	}
	rest := *v.rec
	rest.Clients = maps.Clone(v.rec.Clients)
	delete(rest.Clients, id)
	same := slices.ContainsFunc(slices.Collect(maps.Values(rest.Clients)), func(o client) bool { return o.ReadOnly == c.ReadOnly })
	if _, running := v.daemon().pid(); running && !same {
		err := v.serving(ctx, func(q *qmp) error {
			return q.offer(ctx, topNode, exportName(v.rec.ID, c.ReadOnly), c.ReadOnly, false)
		})
		if err != nil {
			return err
		}
	}
	was := v.rec
	v.rec = &rest
	if err := v.save(ctx); err != nil {
		v.rec = was
		return err
	}
	if len(rest.Clients) == 0 {
		v.state.key = nil
	}
	return v.done(ctx, nil)
}

// LimitVolume changes what the clients may do, at once.
func (b *Backend) LimitVolume(ctx context.Context, ref hostapi.VolumeRef, limits hostapi.VolumeLimits) error {
	return b.with(ctx, ref, func(v *volume) error {
		before := v.rec.Limits
		v.rec.Limits = limits
		if len(v.rec.Clients) > 0 {
			err := v.serving(ctx, func(q *qmp) error { return v.export(ctx, q) })
			if err != nil {
				v.rec.Limits = before
				return err
			}
		}
		return v.save(ctx)
	})
}

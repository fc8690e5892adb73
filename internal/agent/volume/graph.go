package volume

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// The nodes of a volume's daemon, from below:
//
//	fb, lb    the image that the volume is based on
//	fN, lN    layer N: its file, and the disk in it
//	crypt     what LUKS makes of the highest layer, with a key
//	top       the throttle that clients' requests pass
const (
	cryptNode = "crypt"
	topNode   = "top"
)

// open gives the conversation with the volume's daemon, which has the chain of
// layers open as the record has it. A new daemon serves the clients of the one
// that has died.
func (v *volume) open(ctx context.Context) (*qmp, error) {
	_, running := v.daemon().pid()
	if !running {
		if err := v.daemon().start(ctx); err != nil {
			return nil, err
		}
	}
	q, err := dialQMP(ctx, v.daemon().monitor())
	if err != nil {
		return nil, err
	}
	if err := v.b.store.open(ctx, v, q); err != nil {
		q.close()
		return nil, fmt.Errorf("open volume %s: %w", v.rec.ID, err)
	}
	if !running && len(v.rec.Clients) > 0 {
		if err := v.export(ctx, q); err != nil { // it is tried again by the watch
			v.b.log.ErrorContext(ctx, "volume not served", "volume", v.rec.ID, "error", err)
		}
	}
	return q, nil
}

// done ends the conversation, and the daemon if nobody needs it.
func (v *volume) done(ctx context.Context, q *qmp) error {
	if q != nil {
		q.close()
	}
	if len(v.rec.Clients) > 0 || v.state.readers > 0 {
		return nil
	}
	rest := context.WithoutCancel(ctx)
	return errors.Join(v.daemon().stop(rest), v.b.connector().Disconnect(rest, copyClient(v.rec.ID)))
}

// addFile opens a file as the disk that we know it to be. What the file says of
// others is not asked.
func (q *qmp) addFile(ctx context.Context, name string, where object, format, below string, readOnly bool) error {
	file := maps.Clone(where)
	file["node-name"] = "f" + name
	node := object{"driver": format, "node-name": "l" + name, "file": "f" + name, "read-only": readOnly, "discard": "unmap"}
	if format == "qcow2" {
		node["backing"] = nil
		if below != "" {
			node["backing"] = below
		}
	}
	if err := q.do(ctx, "blockdev-add", file, nil); err != nil {
		return err
	}
	if err := q.do(ctx, "blockdev-add", node, nil); err != nil {
		return errors.Join(err, q.remove(ctx, "f"+name))
	}
	return nil
}

// plain opens what LUKS has encrypted, if the volume is, and names the node
// with the volume's own bytes.
func (v *volume) plain(ctx context.Context, q *qmp, key *hostapi.VolumeEncryption) (string, error) {
	if v.rec.Header == 0 {
		return v.rec.active().node(), nil
	}
	have, err := q.nodes(ctx)
	if err != nil || have[cryptNode] {
		return cryptNode, err
	}
	if key == nil {
		return "", errs.New(errs.Unavailable, "The host does not have the key of volume %s; export the volume again.", v.rec.ID)
	}
	if err := q.addKey(ctx, key); err != nil {
		return "", err
	}
	return cryptNode, q.do(ctx, "blockdev-add", object{"driver": "luks", "node-name": cryptNode, "file": v.rec.active().node(), "key-secret": "key", "discard": "unmap"}, nil)
}

// addKey gives the daemon the passphrase that a key stands for: its hexadecimal
// digits, since a passphrase is text.
func (q *qmp) addKey(ctx context.Context, key *hostapi.VolumeEncryption) error {
	_ = q.do(ctx, "object-del", object{"id": "key"}, nil) // of an attempt that failed
	return q.do(ctx, "object-add", object{"qom-type": "secret", "id": "key", "data": hex.EncodeToString(key.Key)}, nil)
}

// checkKey refuses a wrong key before anything is done with it.
func (v *volume) checkKey(key *hostapi.VolumeEncryption) error {
	switch {
	case v.rec.Header == 0:
		return nil
	case key == nil:
		return errs.New(errs.Invalid, "Volume %s is encrypted; it does not open without its key.", v.rec.ID)
	case hashOf(key) != v.rec.KeyHash:
		return errs.New(errs.Invalid, "The key does not open volume %s.", v.rec.ID)
	}
	return nil
}

package volume

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"kumoi/internal/agent/volume/nbd"
	"kumoi/internal/kernel/errs"
)

// short is a name for a client's daemons: sockets have short paths.
func short(client string) string {
	sum := sha256.Sum256([]byte(client))
	return hex.EncodeToString(sum[:8])
}

// gateway is the daemon that offers a volume to one client on another host.
func (v *volume) gateway(client string) daemon {
	return daemon{v.b.cfg.RunDir, "g-" + short(v.rec.ID+client)}
}

// Ports of gateways: below those that the kernel gives to anybody.
const (
	firstPort = 20000
	ports     = 10000
)

// gateways serves the clients on other hosts, each with a daemon, a port and a
// key of its own. The size that a gateway offers is the one it has found.
func (v *volume) gateways(ctx context.Context) error {
	for id, c := range v.rec.Clients {
		if c.Key == nil {
			continue
		}
		name := exportName(v.rec.ID, c.ReadOnly)
		r := relay{
			daemon: v.gateway(id), export: name, readOnly: c.ReadOnly, key: c.Key, endpoint: "server",
			source: object{"server": object{"type": "unix", "path": v.daemon().socket()}},
			seen:   func() (int64, error) { return int64(v.rec.SizeGiB) << 30, nil },
		}
		for try := 0; ; try++ {
			if c.Port == 0 {
				c.Port = firstPort + rand.IntN(ports) // a port is no secret
			}
			r.listen = object{"type": "inet", "data": object{"host": v.b.cfg.Address, "port": strconv.Itoa(c.Port)}}
			err := r.ensure(ctx, int64(v.rec.SizeGiB)<<30)
			if err == nil {
				break
			}
			if v.rec.Clients[id].Port != 0 || try == 20 || ctx.Err() != nil { // a client knows the port already
				return err
			}
			c.Port = 0
		}
		if v.rec.Clients[id].Port != c.Port {
			v.rec.Clients[id] = c
			if err := v.save(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// relay is a daemon that passes an export on.
type relay struct {
	daemon
	export   string
	readOnly bool
	source   object // where the export is
	listen   object // where it is offered
	key      []byte
	endpoint string // of TLS: the listening side is the server
	// seen tells the size that the relay offers.
	seen func() (int64, error)
}

const (
	tlsUser = "kumoi"
	// reconnect is how long a relay keeps requests while the other side is away;
	// then the guest waits instead.
	reconnect = 60
)

// ensure has the relay run and offer size bytes; 0: whatever there is. A volume
// that has grown needs another relay, for none learns of it.
func (r relay) ensure(ctx context.Context, size int64) error {
	note := r.path(".size")
	if _, ok := r.pid(); ok {
		text, err := os.ReadFile(note)
		if err == nil && (size == 0 || string(text) == strconv.FormatInt(size, 10)) {
			return nil
		}
		if err := r.stop(ctx); err != nil {
			return err
		}
	}
	_ = os.Remove(note)
	if err := r.daemon.start(ctx); err != nil {
		return err
	}
	if err := r.assemble(ctx); err != nil {
		return errors.Join(err, r.stop(context.WithoutCancel(ctx)))
	}
	found, err := r.seen()
	if err != nil {
		return errors.Join(err, r.stop(context.WithoutCancel(ctx)))
	}
	return os.WriteFile(note, strconv.AppendInt(nil, found, 10), 0o600)
}

func (r relay) assemble(ctx context.Context) error {
	q, err := dialQMP(ctx, r.monitor())
	if err != nil {
		return err
	}
	defer q.close()
	listenTLS, sourceTLS := "", ""
	if r.key != nil {
		dir := r.path(".tls")
		keys := []byte(tlsUser + ":" + hex.EncodeToString(r.key) + "\n")
		if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "keys.psk"), keys, 0o600)); err != nil {
			return err
		}
		creds := object{"qom-type": "tls-creds-psk", "id": "tls", "dir": dir, "endpoint": r.endpoint}
		if r.endpoint == "client" {
			creds["username"], sourceTLS = tlsUser, "tls"
		} else {
			listenTLS = "tls"
		}
		if err := q.do(ctx, "object-add", creds, nil); err != nil {
			return err
		}
	}
	node := object{
		"driver": "nbd", "node-name": "n", "export": r.export, "reconnect-delay": reconnect, "open-timeout": 5,
		"discard": "unmap", "read-only": r.readOnly,
	}
	for k, x := range r.source {
		node[k] = x
	}
	if sourceTLS != "" {
		node["tls-creds"] = sourceTLS
	}
	if err := q.do(ctx, "blockdev-add", node, nil); err != nil {
		return errs.Wrap(errs.Unavailable, err, "The volume's host does not let this one open it.")
	}
	if err := q.listen(ctx, r.listen, listenTLS); err != nil {
		return errs.Wrap(errs.Unavailable, err, "A relay cannot listen: %v.", err)
	}
	return q.offer(ctx, "n", r.export, r.readOnly, true)
}

// sizeOf asks a relay on a Unix socket what it offers.
func (r relay) sizeOf() (int64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := nbd.Dial(ctx, r.socket(), r.export)
	if err != nil {
		return 0, err
	}
	size, _ := c.Size()
	return size, c.Close()
}

// splitAddress is a connection's address in QEMU's words.
func splitAddress(address string) (object, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("address of a volume: %w", err)
	}
	return object{"type": "inet", "host": host, "port": port}, nil
}

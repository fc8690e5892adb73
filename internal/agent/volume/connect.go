package volume

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// Connector brings volumes to the guests of a host, wherever their bytes are.
// A guest opens a socket whose path is that of its attachment, on every host
// the same: a link to the volume's own daemon, or a relay's socket.
type Connector struct {
	Host     string
	RunDir   string
	UID, GID int // QEMU's
}

func (c Connector) relay(attachment string) daemon {
	return daemon{c.RunDir, "r-" + short(attachment)}
}

// Socket is where the attachment's guest finds the volume.
func (c Connector) Socket(attachment string) string {
	return filepath.Join(c.RunDir, "a-"+short(attachment))
}

// Connect makes the volume reachable through Socket. The size is what the
// guest is to find; 0: whatever there is.
func (c Connector) Connect(ctx context.Context, attachment string, conn hostapi.VolumeConnection, size int64) error {
	if attachment == "" || strings.ContainsRune(conn.Backend+conn.VolumeID, '/') {
		return errs.New(errs.Invalid, "A volume's attachment has an id and a connection.")
	}
	r := relay{daemon: c.relay(attachment), export: conn.Export, readOnly: conn.ReadOnly, key: conn.Key, endpoint: "client"}
	target := r.socket()
	if conn.Host == c.Host && conn.Address == "" {
		if err := r.stop(ctx); err != nil {
			return err
		}
		target = served(c.RunDir, conn.Backend, conn.VolumeID).socket()
	} else {
		server, err := splitAddress(conn.Address)
		if err != nil {
			return errs.Wrap(errs.Invalid, err, "Volume %s is on host %s, which says no address for it.", conn.VolumeID, conn.Host)
		}
		// Another address is another export: the relay of the old one is of no use.
		if err := c.turnTo(ctx, r.daemon, conn.Address); err != nil {
			return err
		}
		r.source = object{"server": server}
		r.listen = object{"type": "unix", "data": object{"path": r.socket()}}
		r.seen = r.sizeOf
		if err := r.ensure(ctx, size); err != nil {
			return err
		}
		if err := r.offer(c.UID, c.GID); err != nil {
			return err
		}
	}
	return link(target, c.Socket(attachment))
}

func (c Connector) turnTo(ctx context.Context, d daemon, address string) error {
	note := d.path(".to")
	if text, err := os.ReadFile(note); err == nil && string(text) == address {
		return nil
	}
	if err := d.stop(ctx); err != nil {
		return err
	}
	return os.WriteFile(note, []byte(address), 0o600)
}

// link points a name at a target, at once.
func link(target, name string) error {
	if have, err := os.Readlink(name); err == nil && have == target {
		return nil
	}
	next := name + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	return os.Rename(next, name)
}

// Disconnect ends what Connect has begun.
func (c Connector) Disconnect(ctx context.Context, attachment string) error {
	d := c.relay(attachment)
	failures := []error{d.stop(ctx)}
	for _, path := range []string{c.Socket(attachment), d.path(".to"), d.path(".size")} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// Package libvirt runs guests with QEMU through libvirt's daemon.
//
// It speaks libvirt's protocol over the daemon's socket, without its C
// library. The daemon may be restarted at any time: guests go on, calls in
// flight fail as Unavailable, the next ones find the new daemon, and watchers
// are told that they may have missed something.
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/google/uuid"

	"kumoi/internal/agent/hypervisor"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Config says where the daemon is and how guests should be run.
type Config struct {
	Socket   string // of libvirtd
	VirtType string // "kvm" or "qemu"
	Emulator string // QEMU's binary; empty lets libvirt choose
	LibDir   string // what libvirtd sees as /var/lib/libvirt; empty: the same
	Log      *slog.Logger
}

// Driver is a hypervisor.Hypervisor.
type Driver struct {
	cfg  Config
	arch string
	log  *slog.Logger

	mu     sync.Mutex
	conn   *link // nil while away
	closed bool
}

var _ hypervisor.Hypervisor = (*Driver)(nil)

// New makes a driver; it connects when it is first used.
func New(cfg Config) *Driver {
	if cfg.VirtType == "" {
		cfg.VirtType = "qemu"
	}
	return &Driver{cfg: cfg, arch: archs[runtime.GOARCH], log: logx.Or(cfg.Log).With("component", "libvirt")}
}

var archs = map[string]string{"amd64": "x86_64", "arm64": "aarch64"}

// link is one connection to the daemon.
type link struct {
	*golibvirt.Libvirt
	socket string
	conn   net.Conn
}

// dial makes a new connection.
func (d *Driver) dial() (*link, error) {
	l := &link{socket: d.cfg.Socket}
	l.Libvirt = golibvirt.NewWithDialer(l)
	if err := l.ConnectToURI(golibvirt.QEMUSystem); err != nil {
		l.hangUp()
		return nil, errs.Wrap(errs.Unavailable, err, "libvirt does not answer on %s.", d.cfg.Socket)
	}
	return l, nil
}

// Dial implements the library's dialer.
func (l *link) Dial() (net.Conn, error) {
	conn, err := net.DialTimeout("unix", l.socket, 5*time.Second)
	if err == nil {
		l.conn = conn
	}
	return conn, err
}

// hangUp ends the connection without a word. The library's own ways wait for
// an answer that never comes if an event arrives while a subscription ends:
// nobody takes the event any more, so nobody reads what follows it.
func (l *link) hangUp() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
}

// connection gives the live connection, made anew if the last one broke.
func (d *Driver) connection() (*link, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errs.New(errs.Unavailable, "The hypervisor's connection is closed.")
	}
	if d.conn != nil && d.conn.IsConnected() {
		return d.conn, nil
	}
	conn, err := d.dial()
	d.conn = conn
	return conn, err
}

// ask runs f on the live connection and gives its answer. The protocol has no
// way to take a call back: when ctx ends first, the call is left to finish on its
// own, and f with it. So f answers by what it returns, and writes to nothing
// that belongs to a caller who may be gone.
func ask[T any](ctx context.Context, d *Driver, what string, f func(*golibvirt.Libvirt) (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
	conn, err := d.connection()
	if err != nil {
		return none, err
	}
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := f(conn.Libvirt)
		done <- answer{value, err}
	}()
	select {
	case got := <-done:
		if got.err != nil {
			return none, translate(what, conn, got.err)
		}
		return got.value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("%s: %w", what, context.Cause(ctx))
	}
}

// askDomain is ask about a guest. Domains are found by UUID, which is the
// server's id, so no lookup is needed.
func askDomain[T any](ctx context.Context, d *Driver, what, serverID string, f func(*golibvirt.Libvirt, golibvirt.Domain) (T, error)) (T, error) {
	dom, err := reference(serverID)
	if err != nil {
		var none T
		return none, err
	}
	return ask(ctx, d, what, func(l *golibvirt.Libvirt) (T, error) { return f(l, dom) })
}

// do is ask for calls without an answer.
func (d *Driver) do(ctx context.Context, what string, f func(*golibvirt.Libvirt) error) error {
	_, err := ask(ctx, d, what, func(l *golibvirt.Libvirt) (struct{}, error) { return struct{}{}, f(l) })
	return err
}

// withDomain is askDomain for calls without an answer.
func (d *Driver) withDomain(ctx context.Context, what, serverID string, f func(*golibvirt.Libvirt, golibvirt.Domain) error) error {
	_, err := askDomain(ctx, d, what, serverID, func(l *golibvirt.Libvirt, dom golibvirt.Domain) (struct{}, error) { return struct{}{}, f(l, dom) })
	return err
}

// translate gives libvirt's errors our kinds.
func translate(what string, conn *link, err error) error {
	var e golibvirt.Error
	var ours *errs.Error
	switch {
	case errors.As(err, &ours):
		return err
	case !errors.As(err, &e):
		if !conn.IsConnected() {
			return errs.Wrap(errs.Unavailable, err, "The connection to libvirt broke (%s).", what)
		}
		return fmt.Errorf("libvirt: %s: %w", what, err)
	}
	switch golibvirt.ErrorNumber(e.Code) {
	case golibvirt.ErrNoDomain:
		return errs.Wrap(errs.NotFound, err, "The hypervisor has no such guest.")
	case golibvirt.ErrOperationInvalid:
		return errs.Wrap(errs.Conflict, err, "The guest's state does not allow this (%s): %s", what, e.Message)
	case golibvirt.ErrOperationTimeout, golibvirt.ErrRPC:
		return errs.Wrap(errs.Unavailable, err, "libvirt did not answer in time (%s).", what)
	case golibvirt.ErrXMLError, golibvirt.ErrXMLDetail, golibvirt.ErrConfigUnsupported, golibvirt.ErrXMLInvalidSchema:
		return errs.Wrap(errs.Invalid, err, "The host cannot run such a machine: %s", e.Message)
	}
	return errs.Wrap(errs.Internal, err, "The hypervisor failed (%s): %s", what, e.Message)
}

func reference(serverID string) (golibvirt.Domain, error) {
	id, err := uuid.Parse(serverID)
	if err != nil {
		return golibvirt.Domain{}, errs.New(errs.Invalid, "%q is no server's id.", serverID)
	}
	return golibvirt.Domain{Name: domainName(serverID), UUID: golibvirt.UUID(id), ID: -1}, nil
}

// ignore makes an error of the given code none.
func ignore(err error, code golibvirt.ErrorNumber) error {
	var e golibvirt.Error
	if errors.As(err, &e) && golibvirt.ErrorNumber(e.Code) == code {
		return nil
	}
	return err
}

// Watch implements hypervisor.Hypervisor.
func (d *Driver) Watch(ctx context.Context, f func(hypervisor.Event)) error {
	for pause := 50 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 2*time.Second) {
		err := d.watchOnce(ctx, func(e hypervisor.Event) {
			pause = 50 * time.Millisecond
			f(e)
		})
		if ctx.Err() != nil {
			break
		}
		d.log.Warn("connection to libvirt is away", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
	return nil
}

// watchOnce watches for as long as one connection lives. It has one of its
// own, so that ending it disturbs nobody.
func (d *Driver) watchOnce(ctx context.Context, f func(hypervisor.Event)) error {
	conn, err := d.dial()
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, conn.hangUp)()
	defer conn.hangUp()
	// Not with ctx: see hangUp.
	events, err := conn.LifecycleEvents(context.WithoutCancel(ctx))
	if err != nil {
		return err
	}
	f(hypervisor.Event{}) // what happened before the subscription is unknown
	for e := range events {
		f(hypervisor.Event{ServerID: uuid.UUID(e.Dom.UUID).String()})
	}
	return errors.New("the connection ended")
}

// Close implements hypervisor.Hypervisor. Guests go on.
func (d *Driver) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	if d.conn != nil {
		d.conn.hangUp()
	}
	return nil
}

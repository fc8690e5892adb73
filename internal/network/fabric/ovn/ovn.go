// Package ovn carries the network's statements out in OVN's northbound
// database, and reads from the southbound one which ports are up and which
// hosts take part.
//
// # How a statement becomes rows
//
// A stated resource comes to a set of rows by a pure function: a network to a
// logical switch, its connection to a physical network and the leases of its
// subnets; a port to a logical switch port, its name in DNS and, where it has
// options of its own, a lease of its own; a security group to a port group with
// its ACLs; a router to a logical router with ports, routes and translations.
//
// The rows' UUIDs are derived from the resources' ids. So references need no
// lookup, nothing can be made twice, and a northbound database that was lost
// comes back with the very same rows.
//
// The rows are then compared with the copy of the database that the connection
// keeps, and only what differs goes out, in one transaction. Rows of ours carry
// the resource's kind and id in external_ids; others are left alone.
//
// # Sets that several resources share
//
// The ports of a switch and of a port group, and the names of a network, are
// changed by insertion and removal of members, never as a whole: stating one
// port costs the same on a network of two and of ten thousand.
package ovn

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/network/fabric"
)

// Config says where OVN's databases are.
type Config struct {
	NB, SB string // OVSDB remotes: "unix:/path/to.sock", "tcp:192.0.2.1:6641"; several with commas
	Log    *slog.Logger
}

// Fabric is OVN. Make it with New.
type Fabric struct {
	log    *slog.Logger
	nb, sb *link

	applying sync.Mutex // one statement at a time: each is compared with what the last one left
	events   events

	stop context.CancelFunc
	wg   sync.WaitGroup
}

// New makes a fabric; Start connects it.
func New(cfg Config) (*Fabric, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	f := &Fabric{log: cfg.Log.With("component", "ovn")}
	var err error
	if f.nb, err = newLink("northbound", cfg.NB, northbound, f.log); err != nil {
		return nil, err
	}
	if f.sb, err = newLink("southbound", cfg.SB, southbound, f.log); err != nil {
		return nil, err
	}
	return f, nil
}

// Start begins to connect and to report, and returns at once. Whenever the
// connection to the northbound database is new, Resync asks for everything:
// the database may be another one.
func (f *Fabric) Start(ctx context.Context, notify func(fabric.Event)) error {
	ctx, f.stop = context.WithCancel(context.WithoutCancel(ctx))
	f.events.start(notify)
	f.wg.Go(func() { f.nb.run(ctx, func(client.Client) { f.resync() }) })
	f.wg.Go(func() {
		f.sb.run(ctx, func(c client.Client) {
			f.events.follow(c.Cache())
			f.resync()
		})
	})
	return nil
}

// resync asks for everything once both databases are there: where routers'
// gateways go depends on the hosts.
func (f *Fabric) resync() {
	if f.nb.current() != nil && f.events.ready() {
		f.events.send(fabric.Event{Kind: fabric.Resync})
	}
}

// Stop ends the connections; the databases and the flows stay as they are.
func (f *Fabric) Stop() {
	if f.stop != nil {
		f.stop()
	}
	f.wg.Wait()
}

// Chassis lists the hosts that take part, by name.
func (f *Fabric) Chassis(context.Context) ([]fabric.Chassis, error) {
	cs, ok := f.events.hosts()
	if !ok {
		return nil, errs.New(errs.Unavailable, "OVN's southbound database is away.")
	}
	return cs, nil
}

// applyTimeout bounds one transaction. A full statement of a large cloud takes
// the database some seconds.
const applyTimeout = 2 * time.Minute

// Apply makes the statement so.
func (f *Fabric) Apply(ctx context.Context, s fabric.Statement) error {
	f.applying.Lock()
	defer f.applying.Unlock()
	c := f.nb.current()
	hosts, ok := f.events.hosts()
	if c == nil || !ok {
		return errs.New(errs.Unavailable, "OVN is away.")
	}
	known := cached{c.Cache()}
	if known.TableCache == nil {
		return errs.New(errs.Unavailable, "OVN is away.")
	}
	p := newPlan(known, hosts)
	if err := p.state(s); err != nil {
		return err
	}
	ops, err := p.operations(known.rowOf)
	if err != nil {
		return errs.Wrap(errs.Internal, err, "The network could not be written down for OVN.")
	}
	if len(ops) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	begin := time.Now()
	results, err := c.Transact(ctx, ops...)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "OVN is away.")
	}
	if details, err := ovsdb.CheckOperationResults(results, ops); err != nil {
		return errs.Wrap(errs.Internal, err, "OVN refused the network: %s", describe(details))
	}
	f.log.Debug("stated to OVN", "operations", len(ops), "full", s.Full, "took", time.Since(begin))
	return nil
}

func describe(details []ovsdb.OperationError) string {
	var out []string
	for _, d := range details {
		if text := d.Error(); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, "; ")
}

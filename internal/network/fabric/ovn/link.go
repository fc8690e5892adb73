package ovn

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/ovn-kubernetes/libovsdb/client"
	"github.com/ovn-kubernetes/libovsdb/model"
	"github.com/ovn-kubernetes/libovsdb/ovsdb"
)

// link is the connection to one database, with a copy of what we use of it. It
// connects for ever, each time with a new copy: a database that was made anew
// has nothing in common with the old one.
type link struct {
	name    string
	remotes []string
	model   model.ClientDBModel
	log     *slog.Logger

	mu  sync.Mutex
	now client.Client // nil while away
}

const (
	dialTimeout  = 10 * time.Second
	retryFirst   = 20 * time.Millisecond
	retryLongest = time.Second
	echoEvery    = 5 * time.Second
	echoTimeout  = 60 * time.Second
)

func newLink(name, remote string, schema func() (model.ClientDBModel, error), log *slog.Logger) (*link, error) {
	m, err := schema()
	if err != nil {
		return nil, fmt.Errorf("the %s database: %w", name, err)
	}
	l := &link{name: name, model: m, log: log}
	for r := range strings.SplitSeq(remote, ",") {
		if r = strings.TrimSpace(r); r != "" {
			l.remotes = append(l.remotes, r)
		}
	}
	if len(l.remotes) == 0 {
		return nil, fmt.Errorf("the %s database: no remote is given", name)
	}
	return l, nil
}

// current is the connection, or nil.
func (l *link) current() client.Client {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil || !l.now.Connected() {
		return nil
	}
	return l.now
}

func (l *link) set(c client.Client) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.now = c
}

// run connects until ctx ends. Up is called after each connection, when the
// copy is complete.
func (l *link) run(ctx context.Context, up func(client.Client)) {
	pause, said := retryFirst, false
	for ctx.Err() == nil {
		c, err := l.dial(ctx)
		if err != nil {
			if !said && ctx.Err() == nil {
				l.log.Warn("OVN's database is away", "database", l.name, "error", err)
				said = true
			}
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, retryLongest)
			continue
		}
		pause, said = retryFirst, false
		l.log.Info("connected to OVN's database", "database", l.name)
		l.set(c)
		up(c)
		l.stay(ctx, c)
		l.set(nil)
		c.Close()
	}
}

// dial connects and fills the copy.
func (l *link) dial(ctx context.Context) (client.Client, error) {
	// What the library notes at leisure is dropped; an update that it cannot use is said.
	logger := logr.FromSlogHandler(l.log.With("database", l.name).Handler())
	options := []client.Option{client.WithLogger(&logger)}
	for _, r := range l.remotes {
		options = append(options, client.WithEndpoint(r))
	}
	if len(l.remotes) > 1 {
		options = append(options, client.WithLeaderOnly(true))
	}
	c, err := client.NewOVSDBClient(l.model, options...)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := c.Connect(ctx); err != nil {
		c.Close()
		return nil, err
	}
	m, err := monitor(c)
	if err == nil {
		_, err = c.Monitor(ctx, m)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// monitor asks for the columns that our models have, and no others: the library
// gives up in the middle of an update at the first changed column without a
// field, and the rows after it would be lost. It asks by monitor_cond, with
// which the library ends the connection when its copy no longer fits an update;
// with monitor_cond_since it would go on with a wrong copy.
func monitor(c client.Client) (*client.Monitor, error) {
	m := c.NewMonitor()
	m.Method = ovsdb.ConditionalMonitorRPC
	db := c.Cache().DatabaseModel()
	for table := range db.Types() {
		row, err := db.NewModel(table)
		if err != nil {
			return nil, err
		}
		info, err := db.NewModelInfo(row)
		if err != nil {
			return nil, err
		}
		t := client.TableMonitor{Table: table}
		for column := range info.Metadata.Fields {
			if column != "_uuid" {
				t.Fields = append(t.Fields, column)
			}
		}
		m.Tables = append(m.Tables, t)
	}
	return m, nil
}

// stay returns when the connection is lost, or answers no more, or ctx ends.
func (l *link) stay(ctx context.Context, c client.Client) {
	ask := time.NewTicker(echoEvery)
	defer ask.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.DisconnectNotify():
			l.log.Warn("lost OVN's database", "database", l.name)
			return
		case <-ask.C:
			echo, cancel := context.WithTimeout(ctx, echoTimeout)
			err := c.Echo(echo)
			cancel()
			if err != nil && ctx.Err() == nil {
				l.log.Warn("OVN's database does not answer", "database", l.name, "error", err)
				return
			}
		}
	}
}

package agent_test

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/agent"
	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
)

// cloud plays the control plane.
type cloud struct {
	t       testing.TB
	server  *bus.Server
	conn    bus.Conn
	client  hostapi.Client
	host    string
	images  map[string][]byte
	specs   []*hostapi.ServerSpec // what the control plane wants of the host
	silent  bool                  // it does not say
	mu      sync.Mutex
	written map[string][]byte
	done    map[string]hostapi.ImageWrite
	reports chan hostapi.ServerReport
	reads   atomic.Int64 // first chunks asked for
	// backends are those that a host has reported last.
	backends atomic.Pointer[[]hostapi.VolumeBackend]

	// of agents that are started
	consoleIdle         time.Duration
	qemuUser, qemuGroup int
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	server, err := bus.StartServer(t.Context(), bus.ServerConfig{Listen: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	c := &cloud{
		t: t, server: server, images: map[string][]byte{}, written: map[string][]byte{},
		done: map[string]hostapi.ImageWrite{}, reports: make(chan hostapi.ServerReport, 1000),
	}
	c.conn = c.connect()
	c.client = hostapi.Client{Bus: c.conn}
	c.handle(hostapi.ControlReadImage, c.readImage)
	c.handle(hostapi.ControlWriteImage, c.writeImage)
	c.handle(hostapi.ControlSpecs, func(context.Context, *bus.Msg) (any, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.silent {
			return nil, errs.New(errs.Unavailable, "Not now.")
		}
		return slices.Clone(c.specs), nil
	})
	if _, err := c.conn.Subscribe(bus.AnyReport(hostapi.ReportVolumes), "", func(_ context.Context, m *bus.Msg) {
		var r hostapi.VolumeReport
		if json.Unmarshal(m.Data, &r) == nil && len(r.Backends) > 0 {
			c.backends.Store(&r.Backends)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.conn.Subscribe(bus.AnyReport(hostapi.ReportServer), "", func(_ context.Context, m *bus.Msg) {
		var r hostapi.ServerReport
		if json.Unmarshal(m.Data, &r) == nil {
			c.reports <- r
		}
	}); err != nil {
		t.Fatal(err)
	}
	return c
}

// wants says which specs the host is to have, or that it is not told.
func (c *cloud) wants(silent bool, specs ...*hostapi.ServerSpec) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.silent, c.specs = silent, specs
}

func (c *cloud) handle(verb string, h func(context.Context, *bus.Msg) (any, error)) {
	c.t.Helper()
	if _, err := c.conn.Handle(bus.AnyControl(verb), "", h); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) connect() bus.Conn {
	c.t.Helper()
	conn, err := c.server.Connect()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (c *cloud) readImage(_ context.Context, m *bus.Msg) (any, error) {
	var r hostapi.ImageChunk
	if err := m.Decode(&r); err != nil {
		return nil, err
	}
	if r.Offset == 0 {
		c.reads.Add(1)
	}
	data, ok := c.images[r.ImageID]
	if !ok || r.Offset > int64(len(data)) {
		return nil, errs.New(errs.NotFound, "No image %s.", r.ImageID)
	}
	return data[r.Offset:min(r.Offset+int64(r.Length), int64(len(data)))], nil
}

func (c *cloud) writeImage(_ context.Context, m *bus.Msg) (any, error) {
	var w hostapi.ImageWrite
	if err := m.Decode(&w); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if w.Done || w.Abort != "" {
		c.done[w.ImageID] = w
		return nil, nil
	}
	data := c.written[w.ImageID]
	if w.Offset != int64(len(data)) { // the real one feeds one upload
		return nil, errs.New(errs.Conflict, "A part at %d, where %d is next.", w.Offset, len(data))
	}
	c.written[w.ImageID] = append(data, w.Data...)
	return nil, nil
}

// start brings an agent to life; it is stopped with the test.
func (c *cloud) start(host, dir string, deps func() agent.Deps) *agent.Agent {
	c.t.Helper()
	c.host = host
	a, err := agent.New(agent.Config{Host: host, DataDir: dir, Heartbeat: time.Second, ConsoleIdle: c.consoleIdle, QEMUUser: c.qemuUser, QEMUGroup: c.qemuGroup}, deps())
	if err != nil {
		c.t.Fatal(err)
	}
	if err := a.Start(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = a.Stop(context.Background()) })
	return a
}

func (c *cloud) ctx() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), 5*time.Minute)
	c.t.Cleanup(cancel)
	return ctx
}

func (c *cloud) ensure(spec *hostapi.ServerSpec) *hostapi.ServerReport {
	c.t.Helper()
	report, err := c.client.EnsureServer(c.ctx(), c.host, spec)
	if err != nil {
		c.t.Fatalf("ensure %s %s: %v", spec.ID, spec.Power, err)
	}
	if report.Power != spec.Power {
		c.t.Fatalf("server is %s, want %s", report.Power, spec.Power)
	}
	return report
}

func eventually(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	end := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
		<-tick.C
	}
}

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"kumoi/test/bench"
)

// fakes are the flags of a cloud whose guests and network are not real.
var fakes = []string{"--hypervisor", "fake", "--fabric", "fake"}

// pretended measures the control plane with guests and a network that are not real.
func pretended(ctx context.Context, o options) ([]*table, error) {
	speed := &table{
		title: "Speed, guests and network pretended",
		head:  []string{"operation", "runs", "p50", "p99", "rate", "per core", "target", "compared"},
	}
	size := &table{title: "Size", head: []string{"what", "measured", "target", "compared"}}
	tables := []*table{speed, size}
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := up(ctx, o, listen, fakes...)
	if err != nil {
		return nil, err
	}
	size.add("ready, new data directory", ms(p.ready), "", "")
	p.stop()
	if p, err = up(ctx, o, listen, fakes...); err != nil {
		return nil, err
	}
	defer func() { p.stop() }()
	size.add("ready, existing data directory", ms(p.ready), "under 2 s", atMost(p.ready.Seconds(), 2))
	fmt.Fprintln(os.Stderr, "bench: idle for 10 s")
	share := p.idle(ctx, 10*time.Second)
	size.add("processor, idle cloud", fmt.Sprintf("%.2f %% of a core", share), "under 1 %", atMost(max(share, 0.01), 1))
	size.add("resident memory, idle cloud", fmt.Sprintf("%.0f MiB", p.resident()), "under 95 MiB (100 MB)", atMost(p.resident(), 95))

	admin, err := p.client(ctx)
	if err != nil {
		return tables, err
	}
	m := &meter{ctx: ctx, p: p, admin: admin}
	if err := m.logins(speed); err != nil {
		return tables, err
	}
	fmt.Fprintln(os.Stderr, "bench: idle for 5 s")
	p.idle(ctx, 5*time.Second)
	size.add("resident memory, idle again after many logins", fmt.Sprintf("%.0f MiB", p.resident()), "under 95 MiB (100 MB)", atMost(p.resident(), 95))
	need, err := admin.Prepare(ctx, make([]byte, 1<<20), "raw", 64, 0)
	if err != nil {
		return tables, err
	}
	if err := admin.Widen(ctx); err != nil {
		return tables, err
	}
	if err := m.servers(speed, need, o.servers); err != nil {
		return tables, err
	}
	size.add(fmt.Sprintf("resident memory, %d servers after the load", o.servers), fmt.Sprintf("%.0f MiB", p.resident()), "", "")
	p.stop()
	if p, err = up(ctx, o, listen, fakes...); err != nil {
		return tables, err
	}
	size.add(fmt.Sprintf("ready, existing data directory with %d servers", o.servers), ms(p.ready), "under 2 s", atMost(p.ready.Seconds(), 2))
	return tables, nil
}

// meter measures operations and what they cost the process.
type meter struct {
	ctx   context.Context //nolint:containedctx // a meter lives as long as one run
	p     *process
	admin *bench.Client
}

func (m *meter) run(what string, n, workers int, op func(ctx context.Context, i int) error) (bench.Samples, time.Duration, error) {
	fmt.Fprintln(os.Stderr, "bench:", what)
	before := m.p.spent()
	s, err := bench.Repeat(m.ctx, n, workers, op)
	if err != nil {
		err = fmt.Errorf("%s: %w", what, err)
	}
	return s, m.p.spent() - before, err
}

const people = 20

// person names a user that no run before has made.
func (m *meter) person(i int) string { return fmt.Sprintf("cold%d-%d", m.p.cmd.Process.Pid, i) }

// logins measures how fast users get in and tokens are checked: with
// passwords not seen before, and with those that were.
func (m *meter) logins(t *table) error {
	for i := range people {
		if _, err := m.admin.Do(m.ctx, "POST", "/identity/v3/users", map[string]any{"user": map[string]any{
			"name": m.person(i), "password": "a cold password", "domain_id": "default",
		}}, nil); err != nil {
			return err
		}
	}
	cold := bench.NewClient(m.admin.URL)
	s, spent, err := m.run("login, cold", people, 1, func(ctx context.Context, i int) error {
		_, err := cold.Login(ctx, m.person(i), "a cold password", "")
		return err
	})
	if err != nil {
		return err
	}
	t.rate("login, password not seen before (argon2id)", s, spent, 0, 0)
	login, err := m.admin.LoginWire("admin", adminPassword, "admin")
	if err != nil {
		return err
	}
	if s, spent, err = m.warm("login, warm", 20_000, login); err != nil {
		return err
	}
	t.rate("login, warm, with the catalogue", s, spent, 1000, 5000)
	if s, spent, err = m.warm("token validation", 60_000, m.admin.ValidateWire(m.admin.Token)); err != nil {
		return err
	}
	t.rate("token validation over HTTP, with the catalogue", s, spent, 20000, 30000)
	return nil
}

// warm repeats a request that has been made a few times before.
func (m *meter) warm(what string, n int, w *bench.Wire) (bench.Samples, time.Duration, error) {
	defer w.Close()
	op := func(ctx context.Context, _ int) error { return w.Do(ctx) }
	if s, spent, err := m.run(what+", warming up", n/20, 8, op); err != nil {
		return s, spent, err
	}
	return m.run(what, n, 8, op)
}

func (m *meter) servers(t *table, n bench.Need, count int) error {
	s, spent, err := m.run("server create to ACTIVE", 100, 1, func(ctx context.Context, i int) error {
		id, err := m.admin.CreateServers(ctx, fmt.Sprint("one", i), n, 1, nil)
		if err != nil {
			return err
		}
		return m.admin.Await(ctx, id, "ACTIVE", 2*time.Millisecond)
	})
	if err != nil {
		return err
	}
	t.latency("server create → ACTIVE", s, spent, 50*time.Millisecond)
	if s, spent, err = m.run("many servers", 1, 1, func(ctx context.Context, _ int) error {
		return bench.Fill(ctx, m.admin, n, count-100)
	}); err != nil {
		return err
	}
	t.add(fmt.Sprintf("%d servers, 100 by a request", count-100), "1", ms(s.Took), "", fmt.Sprintf("%.0f/s", float64(count-100)/s.Took.Seconds()),
		fmt.Sprintf("%.0f/s", float64(count-100)/spent.Seconds()), "", "")
	for _, l := range []struct {
		name, path string
		runs       int
		target     time.Duration
	}{
		{fmt.Sprintf("list of %d servers with details", count), "/compute/v2.1/servers/detail?limit=1000", 100, 20 * time.Millisecond},
		{fmt.Sprintf("list of %d servers", count), "/compute/v2.1/servers?limit=1000", 100, 0},
		{fmt.Sprintf("list of %d ports", count), "/network/v2.0/ports", 50, 0},
		{"list of images", "/image/v2/images", 500, 0},
		{"show a network", "/network/v2.0/networks/" + n.Network, 500, 0},
	} {
		s, spent, err := m.run(l.name, l.runs, 1, func(ctx context.Context, _ int) error {
			_, err := m.admin.Do(ctx, "GET", l.path, nil, nil)
			return err
		})
		if err != nil {
			return err
		}
		t.latency(l.name, s, spent, l.target)
	}
	return nil
}

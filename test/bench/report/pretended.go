package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"kumoi/test/bench"
)

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
	fakes := []string{"--hypervisor", "fake", "--fabric", "fake", "--log-level", "warn"}
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
	if err := m.identity(speed); err != nil {
		return tables, err
	}
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

func (m *meter) identity(t *table) error {
	const people = 20
	for i := range people {
		if _, err := m.admin.Do(m.ctx, "POST", "/identity/v3/users", map[string]any{"user": map[string]any{
			"name": fmt.Sprint("cold", i), "password": "a cold password", "domain_id": "default",
		}}, nil); err != nil {
			return err
		}
	}
	cold := bench.NewClient(m.admin.URL)
	s, spent, err := m.run("login, cold", people, 1, func(ctx context.Context, i int) error {
		return cold.LoginUnscoped(ctx, fmt.Sprint("cold", i), "a cold password")
	})
	if err != nil {
		return err
	}
	t.rate("login, password not seen before (argon2id)", s, spent, 0)
	s, spent, err = m.run("login, warm", 3000, 4, func(ctx context.Context, _ int) error {
		_, err := m.admin.Login(ctx, "admin", adminPassword, "admin")
		return err
	})
	if err != nil {
		return err
	}
	t.rate("login, warm", s, spent, 1000)
	s, spent, err = m.run("token validation", 20000, 4, func(ctx context.Context, _ int) error {
		return m.admin.Validate(ctx, m.admin.Token)
	})
	if err != nil {
		return err
	}
	t.rate("token validation over HTTP, with the catalogue", s, spent, 20000)
	return nil
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

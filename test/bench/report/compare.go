package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kumoi/test/bench"
)

// The comparison of two binaries. Each gets a cloud of its own, both run at the
// same time, and every operation is asked of one and of the other in turn, some
// dozens of rounds long. What is compared is the processor time that each
// process spent in a round; the median of the rounds' ratios stays the same
// where other work on the machine, or the machine's own moods, change both.

// side is one of the two that are compared.
type side struct {
	name  string
	p     *process
	admin *bench.Client
	need  bench.Need
	named string // a server
}

// compareRounds is how often each operation is asked in turn.
const compareRounds = 41

// op is an operation of both sides: a round does it n times, some at once.
type op struct {
	name    string
	n       int
	workers int
	wire    func(*side) (*bench.Wire, error)
	do      func(ctx context.Context, s *side, i int) error // instead of wire
}

// get is a GET of a path that a side knows.
func get(name string, n, workers int, path func(*side) string) op {
	return op{name: name, n: n, workers: workers, wire: func(s *side) (*bench.Wire, error) {
		return s.admin.NewWire(http.StatusOK, "GET", path(s), nil), nil
	}}
}

func same(path string) func(*side) string { return func(*side) string { return path } }

func comparedOps(servers int) []op {
	return []op{
		{name: "login, warm, with the catalogue", n: 200, workers: 8, wire: func(s *side) (*bench.Wire, error) {
			return s.admin.LoginWire("admin", adminPassword, "admin")
		}},
		{name: "token validation, with the catalogue", n: 500, workers: 8, wire: func(s *side) (*bench.Wire, error) {
			return s.admin.ValidateWire(s.admin.Token), nil
		}},
		get("one page of users", 60, 1, same("/identity/v3/users?limit=50")),
		get("one page of projects", 60, 1, same("/identity/v3/projects?limit=50")),
		get("one page of role assignments, effective, with names", 40, 1, same("/identity/v3/role_assignments?effective&include_names&limit=50")),
		get("show a server", 200, 8, func(s *side) string { return "/compute/v2.1/servers/" + s.named }),
		get("list of flavors", 200, 8, same("/compute/v2.1/flavors")),
		get("list of flavors with details", 200, 8, same("/compute/v2.1/flavors/detail")),
		get(fmt.Sprintf("list of %d servers with details", servers), 2, 1, same("/compute/v2.1/servers/detail?limit=1000")),
		get(fmt.Sprintf("list of %d servers", servers), 4, 1, same("/compute/v2.1/servers?limit=1000")),
		get("servers by name", 10, 1, same("/compute/v2.1/servers?name=one3")),
		get("servers by status", 10, 1, same("/compute/v2.1/servers?status=ERROR")),
		get("hypervisors with details", 10, 1, same("/compute/v2.1/os-hypervisors/detail")),
		get("limits", 10, 1, same("/compute/v2.1/limits")),
		get("usage of the project", 2, 1, func(s *side) string { return "/compute/v2.1/os-simple-tenant-usage/" + s.need.Project }),
		get(fmt.Sprintf("list of %d ports", servers), 2, 1, same("/network/v2.0/ports")),
		get("show a network", 100, 1, func(s *side) string { return "/network/v2.0/networks/" + s.need.Network }),
		get("list of images", 100, 1, same("/image/v2/images")),
		{name: "server create → ACTIVE", n: 3, workers: 1, do: func(ctx context.Context, s *side, i int) error {
			id, err := s.admin.CreateServers(ctx, fmt.Sprint("more", i), s.need, 1, nil)
			if err != nil {
				return err
			}
			return s.admin.Await(ctx, id, "ACTIVE", 5*time.Millisecond)
		}},
	}
}

// compare runs the operations against both binaries; other is the one before.
func compare(ctx context.Context, o options, other string) ([]*table, error) {
	t := &table{
		title: "Processor time for each operation, before and after, in turns",
		head:  []string{"operation", "runs each", "before", "after", "after / before", "quartiles"},
	}
	var sides []*side
	defer func() {
		for _, s := range sides {
			s.p.stop()
		}
	}()
	for _, one := range []struct{ name, bin string }{{"before", other}, {"after", o.bin}} {
		fmt.Fprintln(os.Stderr, "bench: a cloud of", one.name)
		s, spent, err := prepareSide(ctx, o, one.name, one.bin)
		if s != nil {
			sides = append(sides, s)
		}
		if err != nil {
			return nil, err
		}
		t.notes = append(t.notes, fmt.Sprintf("%s: %d servers, 100 by a request: %s of processor time; resident after: %.0f MiB.", one.name, o.servers, ms(spent), s.p.resident()))
	}
	for _, one := range comparedOps(o.servers) {
		if !strings.Contains(one.name, o.only) {
			continue
		}
		fmt.Fprintln(os.Stderr, "bench:", one.name)
		if err := compareOne(ctx, t, sides, one); err != nil {
			return []*table{t}, fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return []*table{t}, nil
}

func prepareSide(ctx context.Context, o options, name, bin string) (*side, time.Duration, error) {
	listen, err := freePort()
	if err != nil {
		return nil, 0, err
	}
	o.dir, o.bin = filepath.Join(o.dir, name), bin
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return nil, 0, err
	}
	p, err := up(ctx, o, listen, fakes...)
	if err != nil {
		return nil, 0, err
	}
	s := &side{name: name, p: p}
	if s.admin, err = p.client(ctx); err != nil {
		return s, 0, err
	}
	if s.need, err = s.admin.Prepare(ctx, make([]byte, 1<<20), "raw", 64, 0); err != nil {
		return s, 0, err
	}
	if err := s.admin.Widen(ctx); err != nil {
		return s, 0, err
	}
	if s.named, err = s.admin.CreateServers(ctx, "one", s.need, 1, nil); err != nil {
		return s, 0, err
	}
	before := p.spent()
	err = bench.Fill(ctx, s.admin, s.need, o.servers-1)
	return s, p.spent() - before, err
}

// compareOne adds one operation's row.
func compareOne(ctx context.Context, t *table, sides []*side, o op) error {
	var spent [2][]time.Duration
	var ratios []float64
	do := make([]func(context.Context, int) error, len(sides))
	for k, s := range sides {
		do[k] = func(ctx context.Context, i int) error { return o.do(ctx, s, i) }
		if o.wire != nil {
			w, err := o.wire(s)
			if err != nil {
				return err
			}
			defer w.Close()
			do[k] = func(ctx context.Context, _ int) error { return w.Do(ctx) }
		}
	}
	for round := range compareRounds + 1 {
		for turn := range sides {
			k := (turn + round) % 2 // neither is always the first
			before := sides[k].p.clock()
			if _, err := bench.Repeat(ctx, o.n, o.workers, func(ctx context.Context, i int) error {
				return do[k](ctx, round*o.n+i)
			}); err != nil {
				return fmt.Errorf("%s: %w", sides[k].name, err)
			}
			if round > 0 { // the first warms up
				spent[k] = append(spent[k], (sides[k].p.clock()-before)/time.Duration(o.n))
			}
		}
	}
	for i := range spent[0] {
		ratios = append(ratios, float64(spent[1][i])/float64(spent[0][i]))
	}
	slices.Sort(ratios)
	t.add(o.name, fmt.Sprint(o.n*compareRounds), us(middle(spent[0])), us(middle(spent[1])), fmt.Sprintf("%.2f", middle(ratios)),
		fmt.Sprintf("%.2f to %.2f", ratios[len(ratios)/4], ratios[len(ratios)*3/4]))
	return nil
}

func middle[T cmp.Ordered](of []T) T {
	of = slices.Sorted(slices.Values(of))
	return of[len(of)/2]
}

func us(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%d µs", d.Microseconds())
	}
	return ms(d)
}

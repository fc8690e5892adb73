package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"kumoi/test/bench"
)

// realGuests measures with QEMU, libvirt and OVN: the whole path, and the
// creation of servers with its parts.
func realGuests(ctx context.Context, o options) ([]*table, error) {
	walk, err := wholePath(ctx, o)
	if err != nil {
		return nil, err
	}
	create, err := realServers(ctx, o)
	return append([]*table{walk}, create...), err
}

func realServers(ctx context.Context, o options) (_ []*table, err error) {
	t := &table{title: "Server create, real guests and network", head: []string{"part", "p50", "p99", "target", "compared"}}
	listen, err := freePort()
	if err != nil {
		return nil, err
	}
	fmt.Fprintln(os.Stderr, "bench: a cloud with real guests starts")
	p, err := up(ctx, o, listen)
	if err != nil {
		return nil, err
	}
	defer func() {
		if derr := p.purge(); err == nil {
			err = derr
		}
	}()
	t.add("kumoi ready, with its daemons started", ms(p.ready), "", "", "")
	admin, err := p.client(ctx)
	if err != nil {
		return nil, err
	}
	image, err := os.ReadFile(o.image)
	if err != nil {
		return nil, err
	}
	need, err := admin.Prepare(ctx, image, "qcow2", 256, 2)
	if err != nil {
		return nil, err
	}
	var total bench.Samples
	parts := map[string][]time.Duration{}
	var order []string
	for i := range o.guests + 1 {
		fmt.Fprintf(os.Stderr, "bench: server %d of %d\n", i+1, o.guests+1)
		start := time.Now()
		id, err := admin.CreateServers(ctx, fmt.Sprint("bench", i), need, 1, nil)
		if err != nil {
			return nil, err
		}
		if err := admin.Await(ctx, id, "ACTIVE", 5*time.Millisecond); err != nil {
			return nil, err
		}
		took := time.Since(start)
		if i == 0 {
			t.add("the first server (the image comes to the host)", ms(took), "", "", "")
		} else {
			total.Times = append(total.Times, took)
			steps, err := explained(ctx, p, id)
			if err != nil {
				return nil, err
			}
			for _, s := range steps {
				if _, known := parts[s.name]; !known {
					order = append(order, s.name)
				}
				parts[s.name] = append(parts[s.name], s.took)
			}
		}
		if _, err := admin.Do(ctx, "DELETE", "/compute/v2.1/servers/"+id, nil, nil); err != nil {
			return nil, err
		}
		if err := admin.Await(ctx, id, "", 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
	t.add("server create → ACTIVE", ms(total.Quantile(0.5)), ms(total.Quantile(0.99)), "", "")
	for _, name := range order {
		s := bench.Samples{Times: parts[name]}
		t.add("  "+name, ms(s.Quantile(0.5)), ms(s.Quantile(0.99)), "", "")
	}
	own := total.Quantile(0.5) - bench.Samples{Times: parts[qemu]}.Quantile(0.5)
	t.add("all but QEMU's own start", ms(own), "", "under 1 s", atMost(own.Seconds(), 1))
	t.notes = append(t.notes, "Parts may overlap: disks and network are made at the same time.")
	return []*table{t}, nil
}

// qemu is the part that is the hypervisor's own work.
const qemu = "on the host: start"

type step struct {
	name string
	took time.Duration
}

// explained reads what each step of a server's creation took. What its host did
// in the last of them comes with the host's next report.
func explained(ctx context.Context, p *process, id string) ([]step, error) {
	for patience := time.Now().Add(20 * time.Second); ; {
		parts, host, err := explain(ctx, p, id)
		if err != nil || host || time.Now().After(patience) {
			return parts, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func explain(ctx context.Context, p *process, id string) (parts []step, host bool, err error) {
	out, err := exec.CommandContext(ctx, p.bin, "explain", "server", id, "--format", "json", "--data-dir", p.dir).Output()
	if err != nil {
		return nil, false, fmt.Errorf("explain server %s: %w", id, err)
	}
	var e struct {
		Actions []struct {
			Action string
			Events []struct {
				Name               string
				StartedAt, EndedAt time.Time
			}
		}
		Guest *struct {
			Steps []struct {
				Name string        `json:"name"`
				Took time.Duration `json:"took"`
			} `json:"steps"`
		}
	}
	if err := json.Unmarshal(out, &e); err != nil {
		return nil, false, err
	}
	for _, a := range e.Actions {
		if a.Action != "create" {
			continue
		}
		for _, ev := range a.Events {
			parts = append(parts, step{ev.Name, ev.EndedAt.Sub(ev.StartedAt)})
		}
	}
	if e.Guest != nil {
		for _, s := range e.Guest.Steps {
			parts = append(parts, step{"on the host: " + s.Name, s.Took})
			host = true
		}
	}
	return parts, host, nil
}

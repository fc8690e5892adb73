package app

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/store"
)

// Version is the release, set when the binary is linked.
var Version = "devel"

// Status is what "kumoi status" shows.
type Status struct {
	PID       int
	Version   string
	Roles     Roles
	Ready     bool
	Phase     string // what the start is at, until Ready
	API       string // empty on a host without a control plane
	Host      string
	DataDir   string
	StartedAt time.Time
	MemoryMiB int
	Parts     []Part
	Counts    []Count
}

// Part is something the cloud is made of or depends on.
type Part struct {
	Name, State, Version, Detail, Managed string
	PID                                   int
}

// Count is how many of a resource there are.
type Count struct {
	Name string
	N    int64
}

// status gathers the answer; it never fails, a part that does not answer is down.
func (c *Cloud) status(ctx context.Context) *Status {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second)
	defer cancel()
	st := &Status{
		PID: os.Getpid(), Version: Version, Roles: c.roles, Ready: c.ready.Load(),
		Host: c.cfg.Host, DataDir: c.cfg.DataDir, StartedAt: c.startedAt, MemoryMiB: residentMiB(),
	}
	if c.roles.Control {
		st.API = strings.TrimSuffix(c.cfg.AuthURL(), "/identity/v3")
	}
	if phase := c.phase.Load(); phase != nil {
		st.Phase = *phase
	}
	if !st.Ready {
		return st
	}
	st.Parts = append(st.Parts, Part{Name: "kumoi", State: "running", Version: Version, PID: st.PID, Detail: runtime.Version(), Managed: "kumoi"})
	if c.control != nil {
		st.Parts = append(st.Parts, c.databasePart(ctx))
		st.Parts = append(st.Parts, c.control.healthParts(ctx)...)
		st.Counts = c.control.counts(ctx)
	}
	if c.stack != nil {
		for _, h := range c.stack.Health(ctx) {
			st.Parts = append(st.Parts, Part{Name: h.Name, State: h.State, Version: h.Version, Detail: h.Detail, Managed: h.Managed, PID: h.PID})
		}
	}
	return st
}

func (c *Cloud) databasePart(ctx context.Context) Part {
	p := Part{Name: string(c.control.db.Dialect()), State: "running", Managed: "kumoi"}
	if c.control.db.Dialect() == store.Postgres {
		p.Managed = "operator"
	}
	v, err := c.control.db.Version(ctx)
	if err != nil {
		p.State, p.Detail = "down", err.Error()
	}
	p.Version, _, _ = strings.Cut(v, " ")
	return p
}

// healthParts are what the services depend on.
func (k *control) healthParts(ctx context.Context) []Part {
	var out []Part
	for _, s := range k.list {
		if s.Health == nil {
			continue
		}
		for _, h := range s.Health(ctx) {
			p := Part{Name: h.Name, State: "running", Version: h.Version, Managed: h.Managed}
			if h.Err != nil {
				p.State, p.Detail = "down", h.Err.Error()
			}
			out = append(out, p)
		}
	}
	return out
}

// counts are what people ask about; what cannot be counted is left out.
func (k *control) counts(ctx context.Context) []Count {
	var out []Count
	for _, s := range k.list {
		for _, c := range s.Counts {
			n := int64(0)
			err := k.db.Read(ctx, func(tx *store.Tx) (err error) {
				n, err = c.Of(ctx, tx)
				return err
			})
			if err != nil {
				k.log.Warn("status cannot count", "what", c.Name, "error", err)
				continue
			}
			out = append(out, Count{c.Name, n})
		}
	}
	for _, c := range []struct {
		name   string
		states []saga.State
	}{{"sagas running", []saga.State{saga.Running, saga.Unwinding}}, {"sagas stuck", []saga.State{saga.Stuck}}} {
		if list, err := k.sagas.List(ctx, saga.Filter{States: c.states, Limit: 1000}); err == nil {
			out = append(out, Count{c.name, int64(len(list))})
		}
	}
	return out
}

// residentMiB is this process's memory.
func residentMiB() int {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.Atoi(f[1])
	return pages * os.Getpagesize() >> 20
}

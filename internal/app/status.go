package app

import (
	"context"
	"maps"
	"os"
	"runtime"
	"slices"
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
		st.Parts = append(st.Parts, c.storeParts()...)
		st.Counts = c.counts(ctx)
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

// storeParts are the stores of images' data as upkeep has last found them.
func (c *Cloud) storeParts() []Part {
	states := c.control.image.StoreStates()
	var out []Part
	for _, id := range slices.Sorted(maps.Keys(states)) {
		p := Part{Name: "image store " + id, State: "running", Managed: "operator"}
		if err := states[id]; err != nil {
			p.State, p.Detail = "down", err.Error()
		}
		out = append(out, p)
	}
	return out
}

// counted are the tables that people ask about.
var counted = []struct{ name, query string }{
	{"projects", "SELECT COUNT(*) FROM identity_project WHERE is_domain = FALSE"},
	{"users", "SELECT COUNT(*) FROM identity_user"},
	{"images", "SELECT COUNT(*) FROM image WHERE status <> 'deleted'"},
	{"networks", "SELECT COUNT(*) FROM network"},
	{"ports", "SELECT COUNT(*) FROM network_port"},
	{"servers", "SELECT COUNT(*) FROM compute_server WHERE deleted = FALSE"},
}

func (c *Cloud) counts(ctx context.Context) []Count {
	var out []Count
	for _, q := range counted {
		err := c.control.db.Read(ctx, func(tx *store.Tx) error {
			n, err := store.One(ctx, tx, store.Value[int64], q.query)
			if err == nil {
				out = append(out, Count{q.name, n})
			}
			return err
		})
		if err != nil {
			c.log.Warn("status cannot count", "what", q.name, "error", err)
		}
	}
	running, err := c.control.sagas.List(ctx, saga.Filter{States: []saga.State{saga.Running, saga.Unwinding}, Limit: 1000})
	if err == nil {
		out = append(out, Count{"sagas running", int64(len(running))})
	}
	stuck, err := c.control.sagas.List(ctx, saga.Filter{States: []saga.State{saga.Stuck}, Limit: 1000})
	if err == nil {
		out = append(out, Count{"sagas stuck", int64(len(stuck))})
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

package sagatest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/saga"
	"kumoi/internal/kernel/saga/sagatest"
	"kumoi/internal/kernel/store"
	"kumoi/internal/kernel/store/storetest"
)

// The example is a server's making in small: claim a host, make a port, boot;
// the first host is broken, so it goes back and takes the second.
type vars struct {
	Server   string            `json:"server"`
	Host     string            `json:"host"`
	Excluded []string          `json:"excluded,omitempty"`
	Labels   map[string]string `json:"labels"`
	At       time.Time         `json:"at"`
	Nested   *nested
	secret   string //nolint:unused // not stored
}

type nested struct {
	Self *nested
	Raw  []byte
	N    int `json:"n"`
}

// cloud holds what the steps make, by name.
type cloud struct {
	mu     sync.Mutex
	things map[string]bool
	failed bool
}

func (c *cloud) make(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.things[fmt.Sprintf(format, args...)] = true
}

func (c *cloud) remove(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.things, fmt.Sprintf(format, args...))
}

func (c *cloud) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Sorted(maps.Keys(c.things))
}

func (c *cloud) definition() saga.Definition[vars] {
	return saga.Definition[vars]{
		Kind: "example", Version: 1,
		Steps: []saga.Step[vars]{
			{
				Name: "claim",
				Do: func(_ context.Context, s *vars) error {
					s.Host = "h1"
					if slices.Contains(s.Excluded, "h1") {
						s.Host = "h2"
					}
					c.make("claim")
					return nil
				},
				Undo: func(context.Context, *vars) error { c.remove("claim"); return nil },
			},
			{
				Name: "volume",
				Do:   func(context.Context, *vars) error { return errors.New("never") },
				Skip: func(*vars) bool { return true },
			},
			{
				Name: "port",
				Do:   func(_ context.Context, s *vars) error { c.make("port of %s", s.Server); return nil },
				Undo: func(_ context.Context, s *vars) error { c.remove("port of %s", s.Server); return nil },
			},
			{
				Name: "boot",
				Do: func(_ context.Context, s *vars) error {
					c.make("guest on %s", s.Host)
					if s.Host == "h1" {
						s.Excluded = append(s.Excluded, "h1")
						return saga.Retry("claim", errs.New(errs.NoCapacity, "h1 is broken"))
					}
					return nil
				},
				Undo: func(_ context.Context, s *vars) error { c.remove("guest on %s", s.Host); return nil },
			},
		},
		Failed: func(context.Context, *store.Tx, *vars, *errs.Error) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.failed = true
			return nil
		},
	}
}

func TestExample(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := 0
		sagatest.Run(t, func(t *testing.T) sagatest.Env[vars] {
			n++
			c := &cloud{things: map[string]bool{}}
			server := fmt.Sprintf("s%d", n)
			return sagatest.Env[vars]{
				DB: db, Definition: c.definition(), Resource: server, Params: vars{Server: server},
				CheckClean: func(t *testing.T) {
					if left := c.all(); len(left) != 0 || !c.failed {
						t.Errorf("left: %v, failed %v", left, c.failed)
					}
				},
				CheckDone: func(t *testing.T) {
					want := []string{"claim", "guest on h2", "port of " + server}
					if got := c.all(); !slices.Equal(got, want) || c.failed {
						t.Errorf("there is %v, want %v; failed %v", got, want, c.failed)
					}
				},
			}
		})
	})
}

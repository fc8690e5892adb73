package fake

import (
	"context"
	"fmt"
	"time"

	"kumoi/internal/kernel/errs"
)

// Script changes what calls of a method do, the next Times times.
type Script struct {
	Times int           // 0: every time
	Delay time.Duration // before anything else
	Err   error
	// Block, if set, is waited for, until it is closed.
	Block <-chan struct{}
	// After has the call fail only when its work is done.
	After bool
}

// Script adds a script for a method, named as in the interface.
func (h *Hypervisor) Script(method string, s Script) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.Times == 0 {
		s.Times = -1
	}
	h.scripts[method] = append(h.scripts[method], s)
}

// Unscript forgets all scripts that were not played.
func (h *Hypervisor) Unscript() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.scripts)
}

// call takes the next script of a method and plays its beginning.
func (h *Hypervisor) call(ctx context.Context, method string) (after error, err error) {
	h.mu.Lock()
	if h.closed {
		h.mu.Unlock()
		return nil, errs.New(errs.Unavailable, "The hypervisor's connection is closed.")
	}
	var s Script
	if list := h.scripts[method]; len(list) > 0 {
		s = list[0]
		if list[0].Times--; list[0].Times == 0 {
			h.scripts[method] = list[1:]
		}
	}
	h.mu.Unlock()
	if s.Delay > 0 {
		select {
		case <-time.After(s.Delay):
		case <-ctx.Done():
		}
	}
	if s.Block != nil {
		select {
		case <-s.Block:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", method, context.Cause(ctx))
	}
	if s.After {
		return s.Err, nil
	}
	return nil, s.Err
}

package doctor

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
)

// Status is the outcome of one check.
type Status string

// A warning leaves Kumoi working, slower or with something missing.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Check is one thing that was looked at.
type Check struct {
	Name   string
	Status Status
	Detail string
	Fix    string // what to do, in one sentence; empty when all is well
}

// Options says what the machine is meant to carry.
type Options struct {
	DataDir       string       // where Kumoi keeps everything
	Listen        string       // "ADDR:PORT" of the API
	OutsideCIDR   netip.Prefix // the network of floating IPs
	OutsideBridge string       // default br-kumoi
	Running       bool         // Kumoi runs here now: its port and its bridge are no leftovers
}

// Run makes all checks, side by side, and returns them in a fixed order.
func Run(ctx context.Context, opts Options) []Check {
	if opts.OutsideBridge == "" {
		opts.OutsideBridge = "br-kumoi"
	}
	checks := []struct {
		name string
		run  func(context.Context, Options) Check
	}{
		{"root", checkRoot},
		{"packages", checkPackages},
		{"virtualisation", checkVirt},
		{"guest user", checkGuestUser},
		{"datapath", checkDatapath},
		{"tun device", checkTun},
		{"namespaces", checkNamespaces},
		{"forwarding", checkForwarding},
		{"outside network", checkOutside},
		{"port", checkPort},
		{"disk", checkDisk},
		{"disk images", checkDiskImages},
		{"memory", checkMemory},
		{"clock", checkClock},
		{"leftovers", checkLeftovers},
	}
	out := make([]Check, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			out[i] = c.run(ctx, opts)
			out[i].Name = c.name
		})
	}
	wg.Wait()
	return out
}

// Worst is the most serious status among the checks.
func Worst(checks []Check) Status {
	worst := OK
	for _, c := range checks {
		if c.Status == Fail {
			return Fail
		}
		if c.Status == Warn {
			worst = Warn
		}
	}
	return worst
}

func ok(format string, args ...any) Check {
	return Check{Status: OK, Detail: fmt.Sprintf(format, args...)}
}

func warn(fix, format string, args ...any) Check {
	return Check{Status: Warn, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

func fail(fix, format string, args ...any) Check {
	return Check{Status: Fail, Detail: fmt.Sprintf(format, args...), Fix: fix}
}

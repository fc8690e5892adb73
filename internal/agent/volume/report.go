package volume

import (
	"context"
	"os/exec"
	"sync"
	"time"

	"kumoi/internal/hostapi"
	"kumoi/internal/kernel/errs"
)

// reported is what a backend last said of itself.
type reported struct {
	mu     sync.Mutex
	last   hostapi.VolumeBackend
	at     time.Time
	asking chan struct{} // closed when the question under way is answered
}

const (
	// reportTime is how long is waited for a backend to say how it is.
	reportTime = 3 * time.Second
	// reportGood is how long what it said holds if it is slow. After that it is away.
	reportGood = 20 * time.Second
	// reportEvery is how often shared storage is asked, which takes some work.
	reportEvery = 10 * time.Second
)

// VolumeBackends says how much room there is, and what is missing.
func (b *Backend) VolumeBackends(ctx context.Context) ([]hostapi.VolumeBackend, error) {
	out, answered := b.report(ctx)
	if !answered {
		out.Fault = "The storage does not answer."
	}
	out.ReservedPercent, out.OverSubscription = b.cfg.ReservedPercent, b.cfg.OverSubscription
	if _, err := exec.LookPath(program); err != nil {
		out.Fault = program + " is not installed."
	}
	return []hostapi.VolumeBackend{out}, nil
}

// report asks the store, or waits for who has asked it already: a share that is
// away may keep one waiting for long.
func (b *Backend) report(ctx context.Context) (hostapi.VolumeBackend, bool) {
	b.said.mu.Lock()
	if b.shared && b.said.asking == nil && time.Since(b.said.at) < reportEvery {
		defer b.said.mu.Unlock()
		return b.said.last, true
	}
	asking := b.said.asking
	if asking == nil {
		asking = make(chan struct{})
		b.said.asking = asking
		go b.ask(context.WithoutCancel(ctx), asking)
	}
	b.said.mu.Unlock()
	late := time.NewTimer(reportTime)
	defer late.Stop()
	answered := true
	select {
	case <-asking:
	case <-late.C:
		answered = false
	case <-ctx.Done():
		answered = false
	}
	b.said.mu.Lock()
	defer b.said.mu.Unlock()
	if b.said.at.IsZero() {
		return b.store.self(), false
	}
	return b.said.last, answered || time.Since(b.said.at) < reportGood
}

func (b *Backend) ask(ctx context.Context, done chan struct{}) {
	got := b.store.self()
	err := b.store.report(ctx, &got)
	b.said.mu.Lock()
	defer b.said.mu.Unlock()
	if err != nil { // what it has is as it was
		last := b.said.last
		got.TotalGiB, got.FreeGiB, got.UsedGiB = last.TotalGiB, last.FreeGiB, last.UsedGiB
		got.Fault = errs.As(err).Msg
		b.log.WarnContext(ctx, "a backend of volumes is away", "error", err)
	}
	b.said.last, b.said.at, b.said.asking = got, time.Now(), nil
	close(done)
}

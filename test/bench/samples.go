package bench

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Samples are the times of one operation's runs.
type Samples struct {
	Times []time.Duration
	Took  time.Duration // from the first start to the last end
}

// Quantile returns the time that a share of the runs stayed within.
func (s Samples) Quantile(q float64) time.Duration {
	if len(s.Times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s.Times))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// Rate is how many runs were done per second.
func (s Samples) Rate() float64 {
	if s.Took == 0 {
		return 0
	}
	return float64(len(s.Times)) / s.Took.Seconds()
}

// Repeat runs an operation n times in all, by some workers at once, and stops
// at the first error.
func Repeat(ctx context.Context, n, workers int, op func(ctx context.Context, i int) error) (Samples, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	times := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range workers {
		wg.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				start := time.Now()
				if err := op(ctx, i); err != nil {
					cancel(err)
					return
				}
				times[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	return Samples{Times: times, Took: time.Since(begin)}, context.Cause(ctx)
}

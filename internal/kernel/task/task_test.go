package task

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/waittest"
)

func runner(t *testing.T, tasks ...Task) *Runner {
	t.Helper()
	r := NewRunner(nil)
	r.Add(tasks...)
	r.Start()
	t.Cleanup(r.Stop)
	return r
}

func receive[T any](t *testing.T, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// settled waits until the task has ended n runs and returns its status.
func settled(t *testing.T, r *Runner, name string, n int) (status Status) {
	t.Helper()
	waittest.Until(t, 20*time.Second, func() error {
		for _, s := range r.Status() {
			if s.Name == name && s.Runs >= n && !s.Running {
				status = s
				return nil
			}
		}
		return fmt.Errorf("%s did not end %d runs: %+v", name, n, r.Status())
	})
	return status
}

func TestRunsByTimerAsUpkeep(t *testing.T) {
	who := make(chan string, 100)
	runner(t, Task{Name: "tick", Every: time.Millisecond, Run: func(ctx context.Context) (string, error) {
		select {
		case who <- actor.From(ctx).System:
		default:
		}
		return "", nil
	}})
	for range 3 {
		if got := receive(t, who); got != "upkeep" {
			t.Errorf("it runs as %q", got)
		}
	}
}

func TestWakeUpsCoalesce(t *testing.T) {
	entered, release := make(chan int, 10), make(chan struct{})
	n := 0
	r := runner(t, Task{Name: "w", Run: func(context.Context) (string, error) {
		n++
		entered <- n
		<-release
		return "", nil
	}})
	r.Wake("w")
	receive(t, entered)
	for range 5 { // during the first run: one more, not five
		r.Wake("w")
	}
	r.Wake("nonesuch")
	close(release)
	receive(t, entered)
	if s := settled(t, r, "w", 2); s.Runs != 2 {
		t.Errorf("%d runs", s.Runs)
	}
	select {
	case <-entered:
		t.Error("a third run")
	default:
	}
}

func TestAtStartAndWithoutTimer(t *testing.T) {
	r := runner(t,
		Task{Name: "start", AtStart: true, Every: time.Hour, Run: func(context.Context) (string, error) { return "3 repaired", nil }},
		Task{Name: "later", Every: time.Hour, Run: func(context.Context) (string, error) { return "", nil }})
	s := settled(t, r, "start", 1)
	if s.Report != "3 repaired" || s.Err != nil || s.Started.IsZero() {
		t.Errorf("%+v", s)
	}
	if all := r.Status(); len(all) != 2 || all[0].Name != "later" || all[0].Runs != 0 {
		t.Errorf("%+v", all)
	}
}

func TestFailuresAreSeenAndSurvived(t *testing.T) {
	var n atomic.Int64
	r := runner(t, Task{Name: "bad", Run: func(context.Context) (string, error) {
		switch n.Add(1) {
		case 1:
			return "", errors.New("away")
		case 2:
			panic("boom")
		}
		return "well", nil
	}})
	r.Wake("bad")
	if s := settled(t, r, "bad", 1); s.Err == nil || s.Err.Error() != "away" || s.Failures != 1 {
		t.Errorf("%+v", s)
	}
	r.Wake("bad")
	if s := settled(t, r, "bad", 2); s.Err == nil || !strings.Contains(s.Err.Error(), "panic: boom") || s.Failures != 2 {
		t.Errorf("%+v", s)
	}
	r.Wake("bad")
	if s := settled(t, r, "bad", 3); s.Err != nil || s.Failures != 0 || s.Report != "well" {
		t.Errorf("%+v", s)
	}
}

func TestStopEndsAndAwaitsRuns(t *testing.T) {
	entered := make(chan struct{})
	var ended atomic.Bool
	r := NewRunner(nil)
	r.Add(Task{Name: "long", AtStart: true, Run: func(ctx context.Context) (string, error) {
		close(entered)
		<-ctx.Done()
		ended.Store(true)
		return "", ctx.Err()
	}})
	r.Start()
	receive(t, entered)
	r.Stop()
	if !ended.Load() {
		t.Error("Stop returned before the run did")
	}
	r.Wake("long") // must not run, or hang
}

func TestTimeoutAndLateAdd(t *testing.T) {
	r := runner(t)
	r.Add(Task{Name: "slow", AtStart: true, Timeout: time.Millisecond, Run: func(ctx context.Context) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	}})
	if s := settled(t, r, "slow", 1); !errors.Is(s.Err, context.DeadlineExceeded) {
		t.Errorf("%+v", s)
	}
}

func TestJitterStaysWithinATenth(t *testing.T) {
	for range 1000 {
		if d := jitter(time.Second); d < 900*time.Millisecond || d > 1100*time.Millisecond {
			t.Fatalf("%v", d)
		}
	}
	if d := jitter(5); d != 5 {
		t.Errorf("%v", d)
	}
}

func TestAddRefusesATakenName(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("accepted")
		}
	}()
	nop := func(context.Context) (string, error) { return "", nil }
	NewRunner(nil).Add(Task{Name: "a", Run: nop}, Task{Name: "a", Run: nop})
}

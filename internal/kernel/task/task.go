// Package task runs the upkeep of a cloud: what must stay true is a Task.
//
// A task takes no input and is idempotent. It reads what should be, reads what
// is, and repairs the difference. It runs by a timer and, to be quick, when it
// is woken; nothing is lost if a wake-up is, and a failure is retried by the
// next tick. One task never runs twice at the same time.
package task

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"kumoi/internal/kernel/actor"
	"kumoi/internal/kernel/logx"
)

// Task is one piece of upkeep.
type Task struct {
	Name string
	// Every is the pause between runs, varied by a tenth so that the tasks of
	// many processes spread out. Zero: run only when woken.
	Every time.Duration
	// AtStart runs the task as soon as the runner starts.
	AtStart bool
	// Timeout bounds one run; none if zero.
	Timeout time.Duration
	// Run does the work and says in a few words what it did.
	Run func(ctx context.Context) (report string, err error)
}

// Status is how a task fares.
type Status struct {
	Name     string
	Every    time.Duration
	Running  bool
	Runs     int
	Failures int // in a row
	// Of the last run that has ended:
	Started  time.Time
	Duration time.Duration
	Report   string
	Err      error
}

// Runner runs tasks. Add them, Start, Stop.
type Runner struct {
	log    *slog.Logger
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	tasks   map[string]*entry
	started bool
}

type entry struct {
	task   Task
	wake   chan struct{} // holds one: wake-ups during a run make one more
	status Status        // under Runner.mu
}

// NewRunner makes a runner that logs failures to log, which may be nil.
func NewRunner(log *slog.Logger) *Runner {
	r := &Runner{log: logx.Or(log).With("component", "task"), tasks: map[string]*entry{}}
	r.ctx, r.cancel = context.WithCancel(actor.AsSystem(context.Background(), "upkeep"))
	return r
}

// Add makes tasks known; after Start they run at once by their rules. It
// panics on a name that is taken, as tasks are named by the program.
func (r *Runner) Add(tasks ...Task) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, t := range tasks {
		if t.Name == "" || t.Run == nil || r.tasks[t.Name] != nil {
			panic(fmt.Sprintf("task %q has no name or no Run, or is there already", t.Name))
		}
		en := &entry{task: t, wake: make(chan struct{}, 1), status: Status{Name: t.Name, Every: t.Every}}
		r.tasks[t.Name] = en
		if r.started {
			r.spawn(en)
		}
	}
}

// Start begins to run tasks.
func (r *Runner) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started {
		return
	}
	r.started = true
	for _, en := range r.tasks {
		r.spawn(en)
	}
}

// Stop ends the contexts of running tasks and waits for them.
func (r *Runner) Stop() {
	r.cancel()
	r.wg.Wait()
}

// Wake has the task run soon. Wake-ups before that, and during a run, count as
// one. Unknown names are ignored: not every process runs every task.
func (r *Runner) Wake(name string) {
	r.mu.Lock()
	en := r.tasks[name]
	r.mu.Unlock()
	if en == nil {
		return
	}
	select {
	case en.wake <- struct{}{}:
	default:
	}
}

// Status returns all tasks by name.
func (r *Runner) Status() []Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Status, 0, len(r.tasks))
	for _, en := range r.tasks {
		out = append(out, en.status)
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (r *Runner) spawn(en *entry) {
	r.wg.Go(func() {
		if en.task.AtStart {
			r.run(en)
		}
		for r.ctx.Err() == nil {
			var tick <-chan time.Time
			var timer *time.Timer
			if en.task.Every > 0 {
				timer = time.NewTimer(jitter(en.task.Every))
				tick = timer.C
			}
			select {
			case <-r.ctx.Done():
			case <-tick:
				r.run(en)
			case <-en.wake:
				r.run(en)
			}
			if timer != nil {
				timer.Stop()
			}
		}
	})
}

func jitter(d time.Duration) time.Duration {
	if spread := int64(d / 10); spread > 0 {
		return d - time.Duration(spread) + time.Duration(rand.Int64N(2*spread+1))
	}
	return d
}

// run runs a task once and notes how it went.
func (r *Runner) run(en *entry) {
	ctx := logx.With(r.ctx, slog.String("task", en.task.Name))
	if en.task.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, en.task.Timeout)
		defer cancel()
	}
	r.mu.Lock()
	en.status.Running = true
	r.mu.Unlock()
	start := time.Now()
	report, err := call(ctx, en.task)
	took := time.Since(start)

	r.mu.Lock()
	s := &en.status
	again := err != nil && s.Err != nil && s.Err.Error() == err.Error()
	s.Running, s.Started, s.Duration, s.Report, s.Err = false, start, took, report, err
	s.Runs++
	s.Failures++
	if err == nil {
		s.Failures = 0
	}
	r.mu.Unlock()

	switch {
	case r.ctx.Err() != nil: // interrupted by Stop, no news
	case again: // the same failure as before: known already
		r.log.DebugContext(ctx, "task failed again", "error", err, "took", took)
	case err != nil:
		r.log.ErrorContext(ctx, "task failed", "error", err, "took", took)
	case report != "":
		r.log.DebugContext(ctx, "task done", "report", report, "took", took)
	}
}

func call(ctx context.Context, t Task) (report string, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("task %s: panic: %v\n%s", t.Name, p, debug.Stack())
		}
	}()
	return t.Run(ctx)
}

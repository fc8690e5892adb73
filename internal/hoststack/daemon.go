package hoststack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/internal/kernel/errs"
)

const (
	startTimeout = 30 * time.Second
	logLimit     = 16 << 20 // a log larger than this is set aside when its daemon starts
)

// daemon is one program of the stack that we run ourselves.
type daemon struct {
	name     string // as operators know it: "ovn-northd"
	program  string
	args     []string
	env      []string
	pidfile  string
	log      string
	detaches bool // goes to the background by itself once it is ready
	binds    [][2]string
	oneCPU   bool // starts on one processor and is let go when it answers

	hasGuests bool // it leaves guests behind: they are reaped, and do not inherit its protection

	prepare func(context.Context) error       // before a start: database files, configuration
	answers func(context.Context, int) error  // does the process serve?
	started func(context.Context, bool) error // after a start or an adoption; true when newly started
	version func(context.Context, int) (string, error)

	logger *slog.Logger

	mu      sync.Mutex // one start at a time
	current process
}

// ensure adopts the running daemon or starts one.
func (d *daemon) ensure(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := findProcess(d.pidfile, d.program); ok {
		if err := d.await(ctx, p); err == nil {
			if d.current != p {
				d.logger.Info("adopted", "component", d.name, "pid", p.pid)
			}
			d.current = p
			return d.after(ctx, false)
		} else if p.alive() {
			return fmt.Errorf("%s runs as process %d but does not answer: %w", d.name, p.pid, err)
		}
	}
	begin := time.Now()
	p, err := d.start(ctx)
	if err != nil {
		return errs.Wrap(errs.Unavailable, err, "%s cannot be started.", d.name)
	}
	d.current = p
	if !d.hasGuests {
		p.protect(d.program)
	}
	if d.oneCPU {
		if err := unpin(p.pid); err != nil {
			d.logger.Warn("bound to one processor", "component", d.name, "error", err)
		}
	}
	d.logger.Info("started", "component", d.name, "pid", p.pid, "took", time.Since(begin).Round(time.Millisecond))
	return d.after(ctx, true)
}

func (d *daemon) after(ctx context.Context, fresh bool) error {
	if d.started == nil {
		return nil
	}
	return d.started(ctx, fresh)
}

func (d *daemon) start(ctx context.Context) (process, error) {
	if _, err := exec.LookPath(d.program); err != nil {
		return process{}, errs.Wrap(errs.Unavailable, err, "%s is not installed; run packaging/install-deps.sh.", d.program)
	}
	if d.prepare != nil {
		if err := d.prepare(ctx); err != nil {
			return process{}, err
		}
	}
	if err := os.Remove(d.pidfile); err != nil && !errors.Is(err, os.ErrNotExist) {
		return process{}, err
	}
	if info, err := os.Stat(d.log); err == nil && info.Size() > logLimit {
		_ = os.Rename(d.log, d.log+".1")
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return d.launch(ctx)
}

// launch runs the program in a session of its own with nothing of ours attached:
// output goes to a file, never to a pipe that would break when we die. What does
// not become ready is ended, so that nobody meets it later without knowing it.
func (d *daemon) launch(ctx context.Context) (process, error) {
	out, err := os.OpenFile(strings.TrimSuffix(d.log, ".log")+".out", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return process{}, err
	}
	defer out.Close()
	name, args := d.command()
	cmd := exec.Command(name, args...)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), d.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return process{}, err
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	p, err := d.awaitStart(ctx, exited)
	if err != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		if late, ok := d.running(); ok {
			_ = late.stop(context.WithoutCancel(ctx), time.Second)
		}
		return process{}, d.explain(err)
	}
	return p, nil
}

// command wraps the program into a private mount namespace when it needs one. Mounts
// made on the machine later, such as a shared file system, still propagate into it.
func (d *daemon) command() (string, []string) {
	if len(d.binds) == 0 {
		return d.program, d.args
	}
	var script strings.Builder
	for _, b := range d.binds {
		fmt.Fprintf(&script, "mount --bind '%s' '%s'\n", b[0], b[1])
	}
	script.WriteString(`exec "$@"`)
	args := []string{"--mount", "--propagation", "slave", "/bin/sh", "-ec", script.String(), "kumoi-" + d.name}
	if cpu, ok := firstCPU(); ok && d.oneCPU {
		args = append(args, "taskset", "-c", strconv.Itoa(cpu))
	}
	if d.hasGuests {
		args = append(args, reaper()...)
	}
	args = append(args, d.program)
	return "unshare", append(args, d.args...)
}

// awaitStart waits until the new process has its pidfile and answers. One that goes
// to the background by itself is ready when the process that we started ends.
func (d *daemon) awaitStart(ctx context.Context, exited <-chan error) (process, error) {
	if d.detaches {
		select {
		case err := <-exited:
			if err != nil {
				return process{}, err
			}
			exited = nil
		case <-ctx.Done():
			// Half detached it would escape us; a moment later it has a pidfile.
			select {
			case <-exited: //nolint:errcheck // it was told to end
			case <-time.After(2 * time.Second):
			}
			return process{}, fmt.Errorf("not ready in time: %w", ctx.Err())
		}
	}
	var last error
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if p, ok := d.running(); ok {
			if last = d.answer(ctx, p); last == nil {
				return p, nil
			}
		}
		select {
		case err := <-exited:
			if err == nil {
				err = errors.New("it ended at once")
			}
			return process{}, err
		case <-ctx.Done():
			return process{}, fmt.Errorf("not ready in time: %w", errors.Join(last, ctx.Err()))
		case <-tick.C:
		}
	}
}

// await gives a running process some time to answer: it may be in the middle of
// its own start.
func (d *daemon) await(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout/2)
	defer cancel()
	var last error
	if poll(ctx, 10*time.Millisecond, func() bool {
		last = d.answer(ctx, p)
		return last == nil || !p.alive()
	}) && last == nil {
		return nil
	}
	return last
}

func (d *daemon) answer(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return d.answers(ctx, p.pid)
}

// explain adds the last lines that the program wrote to the error.
func (d *daemon) explain(err error) error {
	for _, file := range []string{strings.TrimSuffix(d.log, ".log") + ".out", d.log} {
		if raw, _ := os.ReadFile(file); len(bytes.TrimSpace(raw)) > 0 {
			lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
			return fmt.Errorf("%s: %w (%s; see %s)", d.name, err, strings.Join(lines[max(0, len(lines)-3):], "; "), file)
		}
	}
	return fmt.Errorf("%s: %w", d.name, err)
}

func (d *daemon) running() (process, bool) { return findProcess(d.pidfile, d.program) }

// stop ends the daemon and removes what it leaves behind in its run directory.
func (d *daemon) stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.running(); ok {
		d.logger.Info("stopping", "component", d.name, "pid", p.pid)
		if err := p.stop(ctx, 10*time.Second); err != nil {
			return fmt.Errorf("stop %s: %w", d.name, err)
		}
	}
	d.current = process{}
	_ = os.Remove(d.pidfile)
	return nil
}

// run executes a short-lived tool; its complaint becomes the error.
func run(ctx context.Context, env []string, name string, args ...string) (string, error) {
	return runInput(ctx, env, "", name, args...)
}

func runInput(ctx context.Context, env []string, stdin, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	if stdin != "" {
		cmd.Stdin = strings.NewReader(stdin)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		complaint := strings.TrimSpace(stderr.String())
		if complaint == "" {
			complaint = err.Error()
		}
		return "", fmt.Errorf("%s: %s", filepath.Base(name), complaint)
	}
	return strings.TrimSpace(stdout.String()), nil
}

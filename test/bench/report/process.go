package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kumoi/test/bench"
)

const adminPassword = "a password for benchmarks"

// process is a running kumoi.
type process struct {
	cmd    *exec.Cmd
	bin    string
	dir    string
	listen string
	args   []string
	ended  chan struct{}
	ready  time.Duration // from its start until it answered
}

// freePort asks the kernel for a port that nobody has.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// up starts kumoi on a data directory and waits until it is ready.
func up(ctx context.Context, o options, listen string, args ...string) (*process, error) {
	p := &process{bin: o.bin, dir: filepath.Join(o.dir, "data"), listen: listen, args: args, ended: make(chan struct{})}
	log, err := os.OpenFile(filepath.Join(o.dir, "kumoi.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	p.cmd = exec.CommandContext(ctx, o.bin, append([]string{
		"up", "--data-dir", p.dir, "--listen", listen, "--admin-password", adminPassword, "--host", "bench",
	}, args...)...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Cancel = func() error { return p.cmd.Process.Signal(syscall.SIGTERM) }
	start := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = p.cmd.Wait(); close(p.ended) }()
	client := bench.NewClient("http://" + listen)
	for {
		if _, err := client.Do(ctx, "GET", "/identity/v3", nil, nil); err == nil {
			p.ready = time.Since(start)
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-p.ended:
			b, _ := os.ReadFile(filepath.Join(o.dir, "kumoi.log"))
			return nil, fmt.Errorf("kumoi ended at its start:\n%s", b[max(0, len(b)-2000):])
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// stop ends kumoi; what it manages goes on.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
}

// purge ends kumoi and everything that it manages, and removes its data.
func (p *process) purge() error {
	p.stop()
	out, err := exec.Command(p.bin, "down", "--purge", "--data-dir", p.dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kumoi down: %w: %s", err, out)
	}
	return nil
}

// client logs the administrator in.
func (p *process) client(ctx context.Context) (*bench.Client, error) {
	return bench.NewClient("http://"+p.listen).As(ctx, "admin", adminPassword, "admin")
}

// spent is the processor time that the process has used so far.
func (p *process) spent() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the name before may have blanks
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	const ticks = 100 // per second, on every Linux that Go supports
	return time.Duration(user+system) * time.Second / ticks
}

// clock is the processor time that the process has used so far, to the
// nanosecond (clock_getcpuclockid(3)); spent counts in hundredths of a second.
func (p *process) clock() time.Duration {
	var t unix.Timespec
	const sched = 2 // CPUCLOCK_SCHED
	if err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|sched), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// resident is the process's memory in MiB.
func (p *process) resident() float64 {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.SplitSeq(string(b), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib / 1024
		}
	}
	return 0
}

// idle is the share of one core that the process takes while nobody asks anything.
func (p *process) idle(ctx context.Context, d time.Duration) float64 {
	before, start := p.spent(), time.Now()
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return 100 * (p.spent() - before).Seconds() / time.Since(start).Seconds()
}

// watchPeak begins to look at the process's memory again and again; the
// function that it returns ends that and says the most that was seen.
func (p *process) watchPeak() func() float64 {
	stop, peak := make(chan struct{}), make(chan float64)
	go func() {
		most := 0.0
		for {
			most = max(most, p.resident())
			select {
			case <-stop:
				peak <- max(most, p.resident())
				return
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	return func() float64 { close(stop); return <-peak }
}

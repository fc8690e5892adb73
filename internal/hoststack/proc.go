package hoststack

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one running process, held by pid and start time so that a reused pid
// is never mistaken for it.
type process struct {
	pid   int
	start string
}

// findProcess reads a pidfile and returns its process if that is alive, is the
// program, and carries the pidfile's path on its command line. A pidfile left by a
// crash or a reboot points at nothing, or at a stranger; both count as absent.
func findProcess(pidfile, program string) (process, bool) {
	raw, err := os.ReadFile(pidfile)
	if err != nil {
		return process{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(raw)))
	if err != nil || pid <= 1 {
		return process{}, false
	}
	start, ok := startTime(pid)
	if !ok || !runs(pid, program) || !mentions(pid, pidfile) {
		return process{}, false
	}
	return process{pid, start}, true
}

// runs tells whether the pid executes the program, even one that a package upgrade
// has since replaced on disk.
func runs(pid int, program string) bool {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	if err != nil {
		return false
	}
	exe = strings.TrimSuffix(exe, " (deleted)")
	return filepath.Base(exe) == filepath.Base(program)
}

func cmdline(pid int) []string {
	raw, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	return strings.Split(strings.TrimRight(string(raw), "\x00"), "\x00")
}

func mentions(pid int, path string) bool {
	return slices.ContainsFunc(cmdline(pid), func(arg string) bool {
		return arg == path || strings.HasSuffix(arg, "="+path)
	})
}

// startTime is field 22 of /proc/PID/stat; a zombie counts as dead.
func startTime(pid int) (string, bool) {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The program's name, in parentheses, may itself hold spaces and parentheses.
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return "", false
	}
	return fields[19], true
}

func (p process) alive() bool {
	if p.pid == 0 {
		return false
	}
	start, ok := startTime(p.pid)
	return ok && start == p.start
}

// stop ends the process: SIGTERM, a grace to finish, then SIGKILL.
func (p process) stop(ctx context.Context, grace time.Duration) error {
	if !p.alive() {
		return nil
	}
	if err := unix.Kill(p.pid, unix.SIGTERM); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	if p.gone(ctx, grace) {
		return nil
	}
	if err := unix.Kill(p.pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	if !p.gone(ctx, 5*time.Second) {
		return errors.New("process " + strconv.Itoa(p.pid) + " does not die")
	}
	return nil
}

func (p process) gone(ctx context.Context, within time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	return poll(ctx, 5*time.Millisecond, func() bool { return !p.alive() })
}

// poll asks until the answer is yes or the context ends.
func poll(ctx context.Context, every time.Duration, done func() bool) bool {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return done()
		case <-tick.C:
		}
	}
	return true
}

// protect tells the kernel to end nearly anything else first when memory runs out,
// for the process and the monitor above it. In a container that may not be allowed.
func (p process) protect(program string) {
	pids := []int{p.pid}
	if parent := parentOf(p.pid); parent > 1 && runs(parent, program) {
		pids = append(pids, parent)
	}
	for _, pid := range pids {
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("-900"), 0)
	}
}

func parentOf(pid int) int {
	raw, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	fields := strings.Fields(string(raw[strings.LastIndexByte(string(raw), ')')+1:]))
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

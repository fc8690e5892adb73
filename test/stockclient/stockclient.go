// Package stockclient runs the clients that Debian packages, openstack and
// glance, as a user would. One Python process runs all commands of a test, each
// in a fork of its own, so that the clients' imports are paid for once.
package stockclient

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

//go:embed clients.py
var source string

// Python is Debian's, which has the clients.
const Python = "/usr/bin/python3"

// Process is the Python process. It may be used by several goroutines, one
// command at a time.
type Process struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

// Answer is what a command left: its exit code and what it wrote.
type Answer struct {
	Code     int
	Out, Err string
}

// Start starts the process, which ends with the test. The test is skipped where
// Python lacks one of the modules, unless CI says that all are there.
func Start(t *testing.T, modules ...string) *Process {
	t.Helper()
	for _, m := range modules {
		if out, err := exec.Command(Python, "-c", "import "+m).CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("the stock clients are not installed; run: make deps-test\n%s", out)
			}
			t.Skipf("python has no %s; make deps-test installs it", m)
		}
	}
	cmd := exec.Command(Python, "-c", source)
	cmd.Stderr = os.Stderr
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("the stock clients: %v", err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &Process{in: in, out: bufio.NewReader(out)}
}

// Run runs a tool, openstack or glance, with the arguments and OS_ variables.
func (p *Process) Run(tool string, args []string, env map[string]string) (Answer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var a Answer
	b, err := json.Marshal(map[string]any{"tool": tool, "args": args, "env": env})
	if err != nil {
		return a, err
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		return a, err
	}
	line, err := p.out.ReadBytes('\n')
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(line, &a)
}

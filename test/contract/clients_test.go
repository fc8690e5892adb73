package contract

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// clients is one Python process that runs the stock clients, so that their
// imports are paid for once.
type clients struct {
	mu  sync.Mutex
	in  io.WriteCloser
	out *bufio.Reader
}

type answer struct {
	Code     int
	Out, Err string
}

// startClients starts the process; the test is skipped where the clients are
// not installed, unless it must run.
func startClients(t *testing.T, modules ...string) *clients {
	t.Helper()
	for _, m := range modules {
		if out, err := exec.Command("/usr/bin/python3", "-c", "import "+m).CombinedOutput(); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("the stock clients are not installed; run: make deps-test\n%s", out)
			}
			t.Skipf("python has no %s; make deps-test installs it", m)
		}
	}
	cmd := exec.Command("/usr/bin/python3", "../e2e/osc.py")
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
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &clients{in: in, out: bufio.NewReader(out)}
}

// run runs a tool, openstack or glance, with the arguments and OS_ variables.
func (c *clients) run(tool string, args []string, env map[string]string) (answer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := json.Marshal(map[string]any{"tool": tool, "args": args, "env": env})
	if err != nil {
		return answer{}, err
	}
	if _, err := c.in.Write(append(b, '\n')); err != nil {
		return answer{}, err
	}
	line, err := c.out.ReadBytes('\n')
	if err != nil {
		return answer{}, err
	}
	var a answer
	return a, json.Unmarshal(line, &a)
}

// commands lists what a version of a service has in the stock client, such as
// openstack.image.v2.
func commands(t *testing.T, group string) []string {
	t.Helper()
	out, err := exec.Command("/usr/bin/python3", "-c", `import sys
from importlib.metadata import entry_points
for e in entry_points(group=sys.argv[1]):
    print("openstack", e.name.replace("_", " "))`, group).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

//go:build e2e

package e2e

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
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"kumoi/internal/kernel/waittest"
)

const (
	listen  = "127.0.0.1:15000"
	outside = "172.24.4.0/24"
)

// cloud is a kumoi under test, with a data directory of its own.
type cloud struct {
	t   *testing.T
	dir string
	bin string
}

// kumoi runs a subcommand that must succeed.
func (c *cloud) kumoi(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("kumoi %s: %v\n%s\n%s", strings.Join(args, " "), err, out, c.logTail())
	}
	return out
}

func (c *cloud) try(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.bin, args...)
	cmd.Env = append(os.Environ(), "KUMOI_DATA_DIR="+c.dir, "KUMOI_LISTEN="+listen, "KUMOI_OUTSIDE_CIDR="+outside)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

func (c *cloud) logTail() string {
	b, _ := os.ReadFile(filepath.Join(c.dir, "kumoi.log"))
	return string(b[max(0, len(b)-4000):])
}

// kill ends kumoi as a power cut would, leaving guests and daemons alone.
func (c *cloud) kill() {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "kumoi.pid"))
	if err != nil {
		c.t.Fatal(err)
	}
	pid := 0
	for _, d := range strings.TrimSpace(string(b)) {
		pid = pid*10 + int(d-'0')
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		c.t.Fatal(err)
	}
	eventually(c.t, "kumoi to be gone", 10*time.Second, func() bool { return syscall.Kill(pid, 0) != nil })
}

// cutPower ends every process of the cloud at once, guests included, and removes
// what a reboot removes.
func (c *cloud) cutPower() {
	c.t.Helper()
	running := func() (pids []int) {
		procs, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		for _, p := range procs {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(p)))
			if b, err := os.ReadFile(p); err == nil && pid != os.Getpid() && strings.Contains(string(b), c.dir) {
				pids = append(pids, pid)
			}
		}
		return pids
	}
	c.kill()
	eventually(c.t, "all processes to be gone", 10*time.Second, func() bool {
		pids := running()
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(pids) == 0
	})
	script := "umount /run/netns/* 2>/dev/null; rm -rf /run/netns/* /run/kumoi*; " +
		"for l in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do [ $l = lo ] || ip link del $l 2>/dev/null || true; done; " +
		"nft flush ruleset; echo another > " + filepath.Join(c.dir, "boot_id") + "; " +
		`grep -rl '"boot_id":"' --include=state.json ` + filepath.Join(c.dir, "host") + ` | xargs -r sed -i 's/"boot_id":"/"boot_id":"x/'`
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		c.t.Fatalf("after the power cut: %v %s", err, out)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, patience time.Duration, cond func() bool) {
	t.Helper()
	waittest.True(t, patience, what, cond)
}

// guest is a way into a server over ssh.
type guest struct {
	addr string
	key  []byte
	user string
	dial func(addr string) (net.Conn, error) // from another machine than this one
}

// run runs a command in the guest.
func (g guest) run(command string) (string, error) {
	signer, err := ssh.ParsePrivateKey(g.key)
	if err != nil {
		return "", err
	}
	dial := g.dial
	if dial == nil {
		dial = func(addr string) (net.Conn, error) { return net.DialTimeout("tcp", addr, 4*time.Second) }
	}
	addr := net.JoinHostPort(g.addr, "22")
	conn, err := dial(addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return "", err
	}
	c, channels, requests, err := ssh.NewClientConn(conn, addr, &ssh.ClientConfig{
		User: g.user, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return "", err
	}
	client := ssh.NewClient(c, channels, requests)
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	defer session.Close()
	out, err := session.CombinedOutput(command)
	return strings.TrimSpace(string(out)), err
}

// reach waits until the guest answers ssh, then runs the command.
func (g guest) reach(t *testing.T, command string) string {
	t.Helper()
	var out string
	waittest.Until(t, 2*time.Minute, func() (err error) {
		if out, err = g.run(command); err != nil {
			return fmt.Errorf("ssh %s@%s %q: %w %s", g.user, g.addr, command, err, out)
		}
		return nil
	})
	return out
}

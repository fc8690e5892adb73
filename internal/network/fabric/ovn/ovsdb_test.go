package ovn

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/waittest"
)

const (
	nbSchema = "/usr/share/ovn/ovn-nb.ovsschema"
	sbSchema = "/usr/share/ovn/ovn-sb.ovsschema"
)

// databases is a real ovsdb-server with OVN's two databases, and nothing that
// acts on them.
type databases struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

func startDatabases(t *testing.T) *databases {
	t.Helper()
	for _, need := range []string{"ovsdb-server", "ovsdb-tool"} {
		if _, err := exec.LookPath(need); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: install openvswitch-switch and ovn-central", need)
			}
			t.Skipf("%s is missing", need)
		}
	}
	// A socket's path must be short.
	dir, err := os.MkdirTemp("", "ovn") //nolint:usetesting // t.TempDir is too long for it
	if err != nil {
		t.Fatal(err)
	}
	d := &databases{t: t, dir: dir}
	t.Cleanup(func() {
		d.stop()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	d.start()
	return d
}

func (d *databases) socket() string { return "unix:" + filepath.Join(d.dir, "db.sock") }

// start runs the server, with new databases where there are none.
func (d *databases) start() {
	d.t.Helper()
	var files []string
	for name, schema := range map[string]string{"nb": nbSchema, "sb": sbSchema} {
		file := filepath.Join(d.dir, name+".db")
		files = append(files, file)
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if out, err := exec.Command("ovsdb-tool", "create", file, schema).CombinedOutput(); err != nil {
			d.t.Fatalf("ovsdb-tool: %v: %s", err, out)
		}
	}
	sock := filepath.Join(d.dir, "db.sock")
	args := append([]string{"--remote=punix:" + sock, "--unixctl=" + filepath.Join(d.dir, "ctl"), "--no-chdir", "-vconsole:off"}, files...)
	d.cmd = exec.Command("ovsdb-server", args...)
	d.cmd.Env = append(os.Environ(), "OVS_RUNDIR="+d.dir, "OVS_LOGDIR="+d.dir)
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	waittest.True(d.t, 30*time.Second, "ovsdb-server", func() bool {
		out, err := exec.CommandContext(ctx, "ovsdb-client", "list-dbs", "unix:"+sock).Output()
		return err == nil && strings.Contains(string(out), "OVN_Southbound") && strings.Contains(string(out), "OVN_Northbound")
	})
}

func (d *databases) stop() {
	if d.cmd == nil {
		return
	}
	if err := d.cmd.Process.Kill(); err != nil {
		d.t.Error(err)
	}
	_ = d.cmd.Wait()
	d.cmd = nil
}

// forget deletes the northbound database and starts a new one.
func (d *databases) forget() {
	d.t.Helper()
	d.stop()
	if err := os.Remove(filepath.Join(d.dir, "nb.db")); err != nil {
		d.t.Fatal(err)
	}
	d.start()
}

func (d *databases) transact(ops string) {
	d.t.Helper()
	out, err := exec.Command("ovsdb-client", "transact", d.socket(), ops).CombinedOutput()
	if err != nil || strings.Contains(string(out), `"error"`) {
		d.t.Fatalf("%s: %v: %s", ops, err, out)
	}
}

// ctl runs ovn-nbctl's generic commands, without it the rows could be seen
// through our own eyes only.
func (d *databases) nbctl(args ...string) string {
	d.t.Helper()
	out, err := exec.Command("ovn-nbctl", append([]string{"--db=" + d.socket(), "--timeout=10", "--no-leader-only"}, args...)...).CombinedOutput()
	if err != nil {
		d.t.Fatalf("ovn-nbctl %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (d *databases) count(table string) int {
	d.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(strconv.Itoa(len(strings.Fields(d.nbctl("--bare", "--columns=_uuid", "list", table))))))
	if err != nil {
		d.t.Fatal(err)
	}
	return n
}

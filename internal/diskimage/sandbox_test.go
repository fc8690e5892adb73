package diskimage

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

// sandboxes are the whole one, where this machine has it, and the open one.
func sandboxes() map[string]sandbox {
	out := map[string]sandbox{"open": {open: true}}
	if s := probe(); !s.open {
		out["whole"] = s
	}
	return out
}

// sh runs a script as a tool is run; a script that fails gives an error.
func (s sandbox) sh(t *testing.T, l Limits, script string, files ...file) error {
	t.Helper()
	return s.run(t.Context(), l, files, []string{"sh", "-c", script})
}

// A tool is nobody, has no rights, no network, and no sight of the host's
// files, and knows the bounds that it was given.
func TestConfined(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o644); err != nil { //nolint:gosec // that it may be read is the point
		t.Fatal(err)
	}
	for dir := filepath.Dir(secret); dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		_ = os.Chmod(dir, 0o755) //nolint:gosec // as above
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	l := DefaultLimits()
	l.Memory, l.CPU, l.Size = 512<<20, 7*time.Second, 3<<20
	scripts := map[string]string{
		"memory": `[ "$(ulimit -v)" = 524288 ]`, "processor": `[ "$(ulimit -t)" = 7 ]`, "file": `[ "$(ulimit -f)" = 6144 ]`,
		"core": `[ "$(ulimit -c)" = 0 ]`, "files": `[ "$(ulimit -n)" = 64 ]`,
		"environment":  `[ -z "$HOME$KUMOI_DATA_DIR$OS_PASSWORD" ]`,
		"other files":  `! cat ` + secret,
		"writing":      `! { echo x >/usr/x; }`,
		"network":      `! bash -c 'exec 3<>/dev/tcp/127.0.0.1/` + port + `'`,
		"its own file": `[ "$(cat %[1]s)" = in ] && ! { echo no >%[1]s; } && echo out >%[2]s`,
	}
	if os.Geteuid() == 0 {
		scripts["user"] = `[ "$(id -u)" = 65534 ] && [ "$(id -g)" = 65534 ]`
		scripts["secrets"] = `! cat /etc/shadow`
	}
	for kind, s := range sandboxes() {
		if s.open && landlockVersion() == 0 {
			delete(scripts, "other files")
		}
		if !s.open {
			scripts["processes"] = `[ $$ = 1 ]`
			scripts["root"] = `[ "$(ls / | tr '\n' ' ')" = "$(echo $(ls -d /0 /1 /bin /dev /etc /lib* /sbin /usr | sed s,/,,) )" ] || [ ! -e /home ]`
		}
		for name, script := range scripts {
			in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
			if err := os.WriteFile(in, []byte("in"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(out, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(script, "%[1]s") {
				script = fmt.Sprintf(script, s.name(0), s.name(1))
			}
			if err := s.sh(t, l, script, file{in, false}, file{out, true}); err != nil {
				t.Errorf("%s, %s: %v", kind, name, err)
			}
			for _, path := range []string{in, out} {
				if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 || accessList(path) != nil {
					t.Errorf("%s, %s: %s is left with mode %v, %v", kind, name, path, info.Mode(), err)
				}
			}
		}
		if err := s.sh(t, l, "exit 1"); err == nil {
			t.Error("a failure is not told")
		}
	}
}

// The kernel's own account of a tool: no capability of any kind, and none to
// be had by executing something.
func TestNoPrivileges(t *testing.T) {
	for kind, s := range sandboxes() {
		script := `while read k v; do case $k in
			Cap*) [ $v = 0000000000000000 ] || exit 1; n=$((n+1));;
			NoNewPrivs:) [ $v = 1 ] || exit 1; n=$((n+1));;
			Seccomp:) [ $v = 2 ] || exit 1; n=$((n+1));;
		esac; done <` + s.name(0) + `; [ $n = 7 ]`
		// "self" is found inside, and is then the tool.
		if err := s.sh(t, DefaultLimits(), script, file{"/proc/self/status", false}); !s.open && err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// What takes more than it may is ended, and said to be.
func TestEnded(t *testing.T) {
	for kind, s := range sandboxes() {
		for name, tc := range map[string]struct {
			change func(*Limits)
			script string
			says   string
		}{
			"processor": {func(l *Limits) { l.CPU = time.Second }, "while :; do :; done", "ended by"},
			"time":      {func(l *Limits) { l.Time = 300 * time.Millisecond }, "sleep 60 & wait", "took longer"},
			"memory":    {func(l *Limits) { l.Memory = 64 << 20 }, "tr -d '\\n' </dev/urandom | head -c 200000000 | tail -n 1 >&2", ""},
			"file":      {func(l *Limits) { l.Size = 1 << 20 }, "head -c 4000000 /usr/bin/bash >%[1]s", ""},
		} {
			t.Run(kind+" "+name, func(t *testing.T) {
				t.Parallel()
				l, start := DefaultLimits(), time.Now()
				tc.change(&l)
				out := filepath.Join(t.TempDir(), "out")
				if err := os.WriteFile(out, nil, 0o600); err != nil {
					t.Fatal(err)
				}
				script := tc.script
				if strings.Contains(script, "%") {
					script = fmt.Sprintf(script, s.name(0))
				}
				err := s.sh(t, l, script, file{out, true})
				if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("ended after %s only", took)
				}
				if info, err := os.Stat(out); err != nil || info.Size() > 1<<20 {
					t.Errorf("the file has %d bytes, %v", info.Size(), err)
				}
			})
		}
	}
}

// Two tools may read the same file; it is closed again when the last is done.
func TestGrant(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root lets nobody in")
	}
	path := filepath.Join(t.TempDir(), "base")
	if err := os.WriteFile(path, []byte("x"), 0o640); err != nil { //nolint:gosec // a mode to be restored
		t.Fatal(err)
	}
	if err := os.Chown(path, 1234, 1234); err != nil {
		t.Fatal(err)
	}
	first, err := grant([]file{{path, false}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := grant([]file{{path, false}})
	if err != nil {
		t.Fatal(err)
	}
	first()
	if err := (sandbox{open: true}).sh(t, DefaultLimits(), "cat "+(sandbox{open: true}).name(0), file{path, false}); err != nil {
		t.Errorf("read beside another: %v", err)
	}
	if accessList(path) == nil {
		t.Log("this file system has no access lists")
	}
	second()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 || accessList(path) != nil {
		t.Errorf("left as %v, %v", info.Mode(), err)
	}
}

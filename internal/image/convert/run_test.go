package convert

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

// sh runs a script as the tool is run; a script that fails gives an error.
func sh(l Limits, script string) error {
	return run(context.Background(), l, nil, "sh", "-c", script)
}

// The tool is nobody, has no network but a loopback of its own, and knows the
// bounds that it was given.
func TestConfined(t *testing.T) {
	if !Available() {
		t.Skip("qemu-img or prlimit is not installed")
	}
	l := DefaultLimits()
	l.Memory, l.CPU, l.Size = 512<<20, 7*time.Second, 3<<20
	scripts := map[string]string{
		"memory": `[ "$(ulimit -v)" = 524288 ]`, "processor": `[ "$(ulimit -t)" = 7 ]`, "file": `[ "$(ulimit -f)" = 6144 ]`,
		"core": `[ "$(ulimit -c)" = 0 ]`, "files": `[ "$(ulimit -n)" = 64 ]`,
		"environment": `[ -z "$HOME$KUMOI_DATA_DIR$OS_PASSWORD" ]`,
	}
	if os.Geteuid() == 0 {
		scripts["user"] = `[ "$(id -u)" = 65534 ] && [ "$(id -g)" = 65534 ] && [ "$(id -G)" = 65534 ]`
		scripts["secrets"] = `! cat /etc/shadow`
		scripts["network"] = `[ "$(grep -c : /proc/self/net/dev)" = 1 ]`
	}
	for name, script := range scripts {
		if err := sh(l, script); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := sh(l, "exit 1"); err == nil {
		t.Error("a failure is not told")
	}
}

// What takes more than it may is ended, and said to be.
func TestEnded(t *testing.T) {
	if !Available() {
		t.Skip("qemu-img or prlimit is not installed")
	}
	for name, tc := range map[string]struct {
		change func(*Limits)
		script string
		says   string
	}{
		"processor": {func(l *Limits) { l.CPU = time.Second }, "while :; do :; done", "ended by"},
		"time":      {func(l *Limits) { l.Time = 300 * time.Millisecond }, "sleep 60 & wait", "took longer"},
		"memory":    {func(l *Limits) { l.Memory = 64 << 20 }, "head -c 200000000 /dev/zero | tail -n 1 >&2", "memory"},
		"file":      {func(l *Limits) { l.Size = 1 << 20 }, "cd /tmp && f=$(mktemp) && { head -c 4000000 /dev/zero >$f; s=$?; rm -f $f; exit $s; }", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, start := DefaultLimits(), time.Now()
			tc.change(&l)
			err := sh(l, tc.script)
			if !errs.Is(err, errs.Invalid) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%v", err)
			}
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("ended after %s only", took)
			}
		})
	}
}

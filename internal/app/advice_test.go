package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What goes wrong at a start says what to do, and before anything is started.
func TestStartSaysWhatToDo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	others := filepath.Join(t.TempDir(), "join")
	if err := os.WriteFile(others, []byte(`{"bus":{"host":"other","seed":"x"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"port taken":               {func(c *Config) { c.Listen = taken.Addr().String() }, "choose another address with --listen"},
		"no port":                  {func(c *Config) { c.Listen = "127.0.0.1" }, "such as 127.0.0.1:5000"},
		"data directory in a file": {func(c *Config) { c.DataDir = filepath.Join(file, "data") }, "choose another with --data-dir"},
		"no join file":             {func(c *Config) { c.Join = file }, "kumoi admin host add"},
		"another host's join file": {func(c *Config) { c.Join, c.Host = others, "this" }, "start the agent with --host other"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Hypervisor: "fake", Fabric: "fake", VirtType: "qemu", PasswordsCheap: true}
			c.change(&cfg)
			roles := Roles{Control: true, Host: true}
			if cfg.Join != "" {
				roles.Control = false
			}
			cloud, err := Start(t.Context(), &cfg, roles, slog.New(slog.DiscardHandler))
			if err == nil {
				t.Error(cloud.Stop())
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v does not say %q", err, c.want)
			}
		})
	}
}

func TestAdvice(t *testing.T) {
	cfg := &Config{DataDir: "/srv/kumoi"}
	for _, full := range []error{fmt.Errorf("write: %w", syscall.ENOSPC), errors.New("sqlite: step: database or disk is full")} {
		if got := withAdvice(cfg, full).Error(); !strings.Contains(got, "df -h /srv/kumoi") {
			t.Errorf("%v: %s", full, got)
		}
	}
	other := errors.New("something else")
	if got := withAdvice(cfg, other); got != other { //nolint:errorlint // the very same
		t.Errorf("%v", got)
	}
}

// Package s3test starts a real S3 server for tests.
package s3test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/kernel/waittest"
)

// The keys to the server.
const (
	AccessKey = "test"
	SecretKey = "test-secret"
)

// gateway is the real S3 server of these tests, as a Go package. It is a
// program of its own and no dependency of ours.
const gateway = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// Server starts an S3 server and returns its address; the test ends it. It is
// skipped where the server is not built.
func Server(t *testing.T) string {
	t.Helper()
	tool := build(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(tool, "--access", AccessKey, "--secret", SecretKey, "--port", addr, "posix", "--sidecar", t.TempDir(), t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	waittest.Until(t, 20*time.Second, func() error {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err != nil {
			return fmt.Errorf("the S3 server does not listen: %w\n%s", err, out.String())
		}
		return c.Close()
	})
	return "http://" + addr
}

// build returns the server's program, built once for all later runs.
func build(t *testing.T) string {
	t.Helper()
	if tool := os.Getenv("KUMOI_TEST_VERSITYGW"); tool != "" {
		return tool
	}
	if tool, err := exec.LookPath("versitygw"); err == nil {
		return tool
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	dir := filepath.Join(cache, "kumoi-test")
	tool := filepath.Join(dir, "versitygw")
	if _, err := os.Stat(tool); err == nil {
		return tool
	}
	if os.Getenv("CI") == "" {
		t.Skip("the S3 server is not built; run with CI=1 to build it once")
	}
	cmd := exec.Command("go", "install", gateway)
	cmd.Env = append(os.Environ(), "GOBIN="+dir, "CGO_ENABLED=0", "GOFLAGS=")
	cmd.Dir = t.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the S3 server: %v\n%s", err, out)
	}
	return tool
}

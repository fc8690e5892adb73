package s3_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/s3"
	"kumoi/internal/kernel/errs"
)

// gateway is the real S3 server of these tests, as a Go package. It is a
// program of its own and no dependency of ours.
const gateway = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"

// server starts an S3 server and returns its address; the test ends it.
func server(t *testing.T) string {
	t.Helper()
	tool := build(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	cmd := exec.Command(tool, "--access", "test", "--secret", "test-secret", "--port", addr, "posix", "--sidecar", t.TempDir(), t.TempDir())
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
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			c.Close()
			return "http://" + addr
		}
		if time.Now().After(deadline) {
			t.Fatalf("the S3 server does not listen: %v\n%s", err, out.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
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

func open(t *testing.T, url, bucket string) *s3.Store {
	t.Helper()
	s, err := s3.New(s3.Config{
		Endpoint: url, Region: "us-east-1", Bucket: bucket, Prefix: "images", AccessKey: "test", SecretKey: "test-secret",
		CreateBucket: true, PartSize: 5 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	url, n := server(t), 0
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		n++
		return open(t, url, fmt.Sprintf("bucket-%d", n))
	})
}

// A server that is away is told as such: it may be tried again.
func TestAway(t *testing.T) {
	s := open(t, "http://127.0.0.1:1", "bucket")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Check(ctx); !errs.Is(err, errs.Unavailable) {
		t.Errorf("check: %v", err)
	}
	if _, err := s.Open(ctx, s.URL("x")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("open: %v", err)
	}
	if err := s.Delete(ctx, s.URL("x")); !errs.Is(err, errs.Unavailable) {
		t.Errorf("delete: %v", err)
	}
	if _, err := s.Put(ctx, "x", strings.NewReader("data"), 4); !errs.Is(err, errs.Unavailable) {
		t.Errorf("put: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []s3.Config{{}, {Endpoint: "ftp://x", Bucket: "b"}, {Endpoint: "http://x"}, {Endpoint: "http://x", Bucket: "b", SecretFile: "/nonexistent"}} {
		if _, err := s3.New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
}

package s3_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/s3"
	"kumoi/internal/image/backend/s3/s3test"
	"kumoi/internal/kernel/errs"
)

func open(t *testing.T, url, bucket string) *s3.Store {
	t.Helper()
	s, err := s3.New(s3.Config{
		Endpoint: url, Region: "us-east-1", Bucket: bucket, Prefix: "images", AccessKey: s3test.AccessKey, SecretKey: s3test.SecretKey,
		CreateBucket: true, PartSize: 5 << 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	url, n := s3test.Server(t), 0
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

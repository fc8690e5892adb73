package rbd_test

import (
	"context"
	"os"
	"testing"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/rbd"
)

// TestSuite runs against the cluster of KUMOI_TEST_CEPH, the path of a
// ceph.conf, in its pool "images".
func TestSuite(t *testing.T) {
	conf := os.Getenv("KUMOI_TEST_CEPH")
	if conf == "" || !rbd.Available() {
		t.Skip("KUMOI_TEST_CEPH does not name a cluster, or Ceph's tools are not installed")
	}
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		s, err := rbd.New(context.Background(), rbd.Config{Conf: conf, Pool: "images"})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

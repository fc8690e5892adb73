package fake_test

import (
	"testing"

	"kumoi/internal/image/backend"
	"kumoi/internal/image/backend/backendtest"
	"kumoi/internal/image/backend/fake"
)

func TestSuite(t *testing.T) {
	backendtest.Run(t, func(*testing.T) backend.Backend { return fake.New("x") })
}

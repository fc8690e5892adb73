// Package waittest lets tests wait for conditions, never for time.
package waittest

import (
	"errors"
	"testing"
	"time"
)

// Until waits until cond returns nil. Its last error is what the test fails with.
func Until(t testing.TB, limit time.Duration, cond func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(5 * time.Millisecond) // leaves the processor to what is waited for
	defer tick.Stop()
	for {
		err := cond()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %s: %v", limit, err)
		}
		<-tick.C
	}
}

// True waits until cond holds; what says so in words.
func True(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	never := errors.New("still waiting for " + what)
	Until(t, limit, func() error {
		if cond() {
			return nil
		}
		return never
	})
}

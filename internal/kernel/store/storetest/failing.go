package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"kumoi/internal/kernel/store"
)

// errBroken is what a statement gets that was chosen to fail.
var errBroken = errors.New("the disk is on fire")

// Failing runs f with a database that fails at f's first statement, then at its
// second, and so on, until f comes to its end undisturbed; it returns what f returned
// then. Each time before, f must have failed, and have left everything as it was: what
// the last run finds shows it.
func Failing(t testing.TB, f func(ctx context.Context) error) error {
	t.Helper()
	for n := int64(1); ; n++ {
		broken, ctx := FailAt(t.Context(), n)
		err := f(ctx)
		query := broken()
		if query == "" {
			return err
		}
		if err == nil {
			t.Errorf("all was well although statement %d failed: %s", n, query)
			return nil
		}
	}
}

// FailAt returns a context under which the nth statement fails, and tells which
// that was; "" if none was reached.
func FailAt(ctx context.Context, n int64) (broken func() string, under context.Context) {
	var left atomic.Int64
	var at atomic.Pointer[string]
	left.Store(n)
	under = store.Interrupt(ctx, func(query string) error {
		if left.Add(-1) != 0 {
			return nil
		}
		at.Store(&query)
		return errBroken
	})
	return func() string {
		if q := at.Load(); q != nil {
			return *q
		}
		return ""
	}, under
}

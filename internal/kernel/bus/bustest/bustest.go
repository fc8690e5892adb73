// Package bustest is what every connection to the bus must do, however made.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"kumoi/internal/kernel/bus"
	"kumoi/internal/kernel/errs"
	"kumoi/internal/kernel/logx"
)

// Pair is two connections and subjects that they may use with each other.
type Pair struct {
	Requester, Handler bus.Conn
	// Subject makes a subject on which Handler may receive and Requester send.
	Subject func(verb string) string
}

type greeting struct {
	Name string `json:"name"`
}

// Run exercises the connections that newPair makes, a fresh pair for each test.
func Run(t *testing.T, newPair func(t *testing.T) Pair) {
	for _, tc := range []struct {
		name string
		test func(t *testing.T, p Pair)
	}{
		{"JSON request and answer", testJSON},
		{"raw bytes pass as they are", testRaw},
		{"errors keep their type", testErrors},
		{"a panic is an error of one request", testPanic},
		{"nobody answers", testNoResponder},
		{"the deadline reaches the handler", testDeadline},
		{"the requester gives up", testCancel},
		{"handlers run concurrently", testConcurrent},
		{"events arrive in order", testOrder},
		{"a queue shares the work", testQueue},
		{"unsubscribe", testUnsubscribe},
		{"log attributes travel", testLog},
		{"too large", testTooLarge},
		{"close waits for handlers", testClose},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.test(t, newPair(t))
		})
	}
}

func handle(t *testing.T, c bus.Conn, subject string, h func(ctx context.Context, m *bus.Msg) (any, error)) bus.Subscription {
	t.Helper()
	sub, err := c.Handle(subject, "", h)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func testJSON(t *testing.T, p Pair) {
	handle(t, p.Handler, p.Subject("greet"), func(_ context.Context, m *bus.Msg) (any, error) {
		var in greeting
		if err := m.Decode(&in); err != nil {
			return nil, err
		}
		if m.Subject != p.Subject("greet") {
			return nil, fmt.Errorf("subject %s", m.Subject)
		}
		return greeting{Name: "hello " + in.Name}, nil
	})
	var out greeting
	if err := p.Requester.Request(t.Context(), p.Subject("greet"), greeting{Name: "cloud"}, &out); err != nil {
		t.Fatal(err)
	}
	if out.Name != "hello cloud" {
		t.Errorf("got %q", out.Name)
	}
	if err := p.Requester.Request(t.Context(), p.Subject("greet"), greeting{}, nil); err != nil {
		t.Errorf("without an answer wanted: %v", err)
	}
	err := p.Requester.Request(t.Context(), p.Subject("greet"), []byte("{"), nil)
	if !errs.Is(err, errs.Invalid) {
		t.Errorf("a broken body gave %v", err)
	}
}

func testRaw(t *testing.T, p Pair) {
	handle(t, p.Handler, p.Subject("raw"), func(_ context.Context, m *bus.Msg) (any, error) {
		var in []byte
		err := m.Decode(&in)
		return in, err
	})
	in := bytes.Repeat([]byte{0, 1, '"', 0xff}, 1<<18) // 1 MiB
	var out []byte
	if err := p.Requester.Request(t.Context(), p.Subject("raw"), in, &out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(in, out) {
		t.Errorf("%d bytes came back, changed", len(out))
	}
}

func testErrors(t *testing.T, p Pair) {
	handle(t, p.Handler, p.Subject("fail.>"), func(_ context.Context, m *bus.Msg) (any, error) {
		if strings.HasSuffix(m.Subject, "typed") {
			return nil, fmt.Errorf("wrapped: %w", errs.New(errs.NoCapacity, "Host %s is full.", "h").WithCode("full"))
		}
		return nil, errors.New("secret detail")
	})
	err := p.Requester.Request(t.Context(), p.Subject("fail.typed"), nil, nil)
	var e *errs.Error
	if !errors.As(err, &e) || e.Kind != errs.NoCapacity || e.Msg != "Host h is full." || e.Code != "full" {
		t.Errorf("got %#v", err)
	}
	err = p.Requester.Request(t.Context(), p.Subject("fail.plain"), nil, nil)
	if !errs.Is(err, errs.Internal) || strings.Contains(errs.As(err).Msg, "secret") {
		t.Errorf("got %v", err)
	}
}

func testPanic(t *testing.T, p Pair) {
	handle(t, p.Handler, p.Subject("panic"), func(context.Context, *bus.Msg) (any, error) { panic("boom") })
	for range 2 {
		if err := p.Requester.Request(t.Context(), p.Subject("panic"), nil, nil); !errs.Is(err, errs.Internal) {
			t.Errorf("got %v", err)
		}
	}
}

func testNoResponder(t *testing.T, p Pair) {
	err := p.Requester.Request(within(t, 10*time.Second), p.Subject("nobody"), nil, nil)
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func testDeadline(t *testing.T, p Pair) {
	left := make(chan time.Duration, 1)
	ended := make(chan error, 1)
	handle(t, p.Handler, p.Subject("slow"), func(ctx context.Context, _ *bus.Msg) (any, error) {
		deadline, _ := ctx.Deadline()
		left <- time.Until(deadline)
		<-ctx.Done()
		ended <- context.Cause(ctx)
		return nil, ctx.Err()
	})
	err := p.Requester.Request(within(t, 300*time.Millisecond), p.Subject("slow"), nil, nil)
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
	if d := <-left; d <= 0 || d > 300*time.Millisecond {
		t.Errorf("the handler had %v", d)
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the handler ended with %v", err)
	}
}

func testCancel(t *testing.T, p Pair) {
	release := make(chan struct{})
	entered := make(chan struct{})
	handle(t, p.Handler, p.Subject("held"), func(context.Context, *bus.Msg) (any, error) {
		close(entered)
		<-release
		return nil, nil
	})
	defer close(release)
	reason := errors.New("reason")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-entered
		cancel(reason)
	}()
	if err := p.Requester.Request(ctx, p.Subject("held"), nil, nil); !errors.Is(err, reason) {
		t.Errorf("got %v", err)
	}
}

func testConcurrent(t *testing.T, p Pair) {
	const n = 8
	var inside sync.WaitGroup
	inside.Add(n)
	handle(t, p.Handler, p.Subject("meet"), func(context.Context, *bus.Msg) (any, error) {
		inside.Done()
		inside.Wait() // only if all n are inside at the same time
		return nil, nil
	})
	ctx := within(t, 20*time.Second)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if err := p.Requester.Request(ctx, p.Subject("meet"), nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func testOrder(t *testing.T, p Pair) {
	const n = 500
	got := make(chan int, n)
	sub, err := p.Handler.Subscribe(p.Subject("events"), "", func(_ context.Context, m *bus.Msg) {
		var i int
		if err := m.Decode(&i); err != nil {
			t.Error(err)
		}
		got <- i
	})
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Unsubscribe() //nolint:errcheck // the test is over
	for i := range n {
		if err := p.Requester.Publish(t.Context(), p.Subject("events"), i); err != nil {
			t.Fatal(err)
		}
	}
	for want := range n {
		select {
		case i := <-got:
			if i != want {
				t.Fatalf("event %d came instead of %d", i, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("event %d is lost", want)
		}
	}
}

func testQueue(t *testing.T, p Pair) {
	const n = 50
	var mu sync.Mutex
	seen := map[int]int{}
	done := make(chan struct{})
	for range 3 {
		_, err := p.Handler.Subscribe(p.Subject("work"), "workers", func(_ context.Context, m *bus.Msg) {
			var i int
			if err := m.Decode(&i); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			seen[i]++
			if len(seen) == n {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if err := p.Requester.Publish(t.Context(), p.Subject("work"), i); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("not all work was seen")
	}
	mu.Lock()
	defer mu.Unlock()
	for i, times := range seen {
		if times != 1 {
			t.Errorf("%d was seen %d times", i, times)
		}
	}
}

func testUnsubscribe(t *testing.T, p Pair) {
	sub := handle(t, p.Handler, p.Subject("gone"), func(context.Context, *bus.Msg) (any, error) { return nil, nil })
	if err := p.Requester.Request(t.Context(), p.Subject("gone"), nil, nil); err != nil {
		t.Fatal(err)
	}
	if err := sub.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	// A round trip on the handler's connection: the server knows by now.
	if _, err := p.Handler.Subscribe(p.Subject("other"), "", func(context.Context, *bus.Msg) {}); err != nil {
		t.Fatal(err)
	}
	err := p.Requester.Request(within(t, 10*time.Second), p.Subject("gone"), nil, nil)
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func testLog(t *testing.T, p Pair) {
	handle(t, p.Handler, p.Subject("log"), func(ctx context.Context, _ *bus.Msg) (any, error) {
		got := map[string]string{}
		for _, a := range logx.Attrs(ctx) {
			got[a.Key] = a.Value.String()
		}
		return got, nil
	})
	ctx := logx.With(t.Context(), slog.String("saga_id", "s1"), slog.String("private", "x"))
	var got map[string]string
	if err := p.Requester.Request(ctx, p.Subject("log"), nil, &got); err != nil {
		t.Fatal(err)
	}
	if got["saga_id"] != "s1" || len(got) != 1 {
		t.Errorf("got %v", got)
	}
}

func testTooLarge(t *testing.T, p Pair) {
	big := make([]byte, bus.MaxPayload+1)
	handle(t, p.Handler, p.Subject("big"), func(context.Context, *bus.Msg) (any, error) { return big, nil })
	if err := p.Requester.Request(t.Context(), p.Subject("big"), big, nil); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a large request gave %v", err)
	}
	if err := p.Requester.Request(t.Context(), p.Subject("big"), nil, nil); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a large answer gave %v", err)
	}
	if err := p.Requester.Publish(t.Context(), p.Subject("big"), big); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a large event gave %v", err)
	}
}

func testClose(t *testing.T, p Pair) {
	entered := make(chan struct{})
	var finished bool
	handle(t, p.Handler, p.Subject("closing"), func(ctx context.Context, _ *bus.Msg) (any, error) {
		close(entered)
		<-ctx.Done()
		finished = true
		return nil, context.Cause(ctx)
	})
	answer := make(chan error, 1)
	go func() {
		answer <- p.Requester.Request(context.WithoutCancel(t.Context()), p.Subject("closing"), nil, nil)
	}()
	<-entered
	if err := p.Handler.Close(); err != nil {
		t.Fatal(err)
	}
	if !finished {
		t.Error("Close returned before the handler did")
	}
	if err := <-answer; !errs.Is(err, errs.Unavailable) {
		t.Errorf("the requester got %v", err)
	}
}

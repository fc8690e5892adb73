package bus

import (
	"context"
	"testing"
	"time"

	"kumoi/internal/kernel/errs"
)

func pair(t *testing.T, alive time.Duration) (control, host *conn) {
	t.Helper()
	s, err := StartServer(t.Context(), ServerConfig{Listen: "127.0.0.1:0", DataDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	c, err := s.Connect()
	if err != nil {
		t.Fatal(err)
	}
	creds, err := s.IssueHost("h1")
	if err != nil {
		t.Fatal(err)
	}
	h, err := Dial(t.Context(), "", creds, nil)
	if err != nil {
		t.Fatal(err)
	}
	control, host = c.(*conn), h.(*conn)
	control.alive = alive
	t.Cleanup(func() { control.Close(); host.Close() })
	return control, host
}

func TestLongWorkIsWaitedFor(t *testing.T) {
	const alive = 100 * time.Millisecond
	control, host := pair(t, alive)
	_, err := host.Handle("kumoi.host.h1.long", "", func(ctx context.Context, _ *Msg) (any, error) {
		select { // far beyond the requester's patience for silence
		case <-time.After(8 * alive):
			return "ready", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out string
	if err := control.Request(ctx, "kumoi.host.h1.long", nil, &out); err != nil || out != "ready" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestDeadHandlerIsNoticed(t *testing.T) {
	control, host := pair(t, 20*time.Millisecond)
	entered := make(chan struct{})
	_, err := host.Handle("kumoi.host.h1.long", "", func(ctx context.Context, _ *Msg) (any, error) {
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		host.nc.Close() // as if the process died
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := control.Request(ctx, "kumoi.host.h1.long", nil, nil); !errs.Is(err, errs.Unavailable) {
		t.Errorf("got %v", err)
	}
	if ctx.Err() != nil {
		t.Error("it was noticed at the deadline only")
	}
}

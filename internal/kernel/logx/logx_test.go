package logx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kumoi/internal/kernel/actor"
)

func line(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return m
}

func TestRecordsCarryTheirContext(t *testing.T) {
	var buf bytes.Buffer
	log, err := New(&buf, Config{Format: "json"})
	if err != nil {
		t.Fatal(err)
	}
	ctx := actor.With(t.Context(), &actor.Actor{UserID: "u", RequestID: "req-1", ProjectID: "p1"})
	ctx = With(ctx, slog.String("saga_id", "old"))
	ctx = With(ctx, slog.String("saga_id", "s1"))
	log.With("component", "test").InfoContext(ctx, "hello")
	m := line(t, buf.Bytes())
	for k, want := range map[string]string{"request_id": "req-1", "project_id": "p1", "saga_id": "s1", "component": "test"} {
		if m[k] != want {
			t.Errorf("%s = %v, want %s", k, m[k], want)
		}
	}
	if n := strings.Count(buf.String(), "saga_id"); n != 1 {
		t.Errorf("saga_id appears %d times", n)
	}
}

func TestLevelAndFormat(t *testing.T) {
	var buf bytes.Buffer
	log, err := New(&buf, Config{Level: "warn", Format: "text"})
	if err != nil {
		t.Fatal(err)
	}
	log.Info("quiet")
	log.Warn("loud")
	if got := buf.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud") {
		t.Errorf("logged %q", got)
	}
	if _, err := New(&buf, Config{Level: "shout"}); err == nil {
		t.Error("an unknown level was accepted")
	}
	if _, err := New(&buf, Config{Format: "xml"}); err == nil {
		t.Error("an unknown format was accepted")
	}
}

func TestAuditLineNamesTheActor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, err := OpenAudit(path)
	if err != nil {
		t.Fatal(err)
	}
	a.now = func() time.Time { return time.Unix(1, 0) }
	ctx := actor.With(t.Context(), &actor.Actor{UserID: "u1", ProjectID: "p1", RequestID: "req-1", RemoteAddr: "192.0.2.1"})
	a.Record(ctx, Event{Action: "compute:servers:create", Outcome: "success", Resource: "s1"})
	a.Record(context.Background(), Event{Action: "identity:login", Outcome: "denied", UserID: "u2"})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	first := line(t, []byte(lines[0]))
	if first["user_id"] != "u1" || first["address"] != "192.0.2.1" || first["time"] != "1970-01-01T00:00:01Z" {
		t.Errorf("first line %v", first)
	}
	if line(t, []byte(lines[1]))["user_id"] != "u2" {
		t.Error("an explicit user was overwritten")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestAuditReportsALostEvent(t *testing.T) {
	a := NewAudit(broken{})
	a.Record(t.Context(), Event{Action: "x"})
	if err := a.Close(); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Close = %v", err)
	}
	var none *Audit
	none.Record(t.Context(), Event{}) // must not panic
}

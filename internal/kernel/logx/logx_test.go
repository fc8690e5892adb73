package logx

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"

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
